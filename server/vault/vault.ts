// The vault port: where one device's packs and versions lie. A file system now; an object store can take its place.

/**
 * Holds the packs and versions of devices. Names come from the server or are checked (64 hexadecimal digits, a UUID)
 * before they get here; nothing a client calls something becomes a path.
 *
 * What is published is immutable, and durable when the promise resolves, its directories too. No method removes or
 * changes anything published that is whole; setAside moves what is damaged.
 */
export interface Vault {
  /**
   * A local directory for the device's uploads in progress, one file per upload, named by its id. Exists on return.
   * Called once per device and start.
   */
  stagingDirectory(device: string): Promise<string>;

  /**
   * Makes the staged file `upload` the pack `id`: fsync, atomic move, fsync of the directory. Idempotent: where the pack is there
   * already, the staged file, which was checked just now, takes its place. Called once per upload, after its bytes were checked.
   */
  publish(device: string, upload: string, id: string): Promise<void>;

  /**
   * Fills `into` with the bytes of a pack from `position`. Called for every frame that is read. A Failure `pack_damaged`
   * where the pack is missing or shorter.
   */
  readPack(device: string, id: string, position: number, into: Uint8Array): Promise<void>;

  /**
   * Moves a pack that is damaged out of the way, to be looked at by a person; durable. It is missing then. Idempotent, also where it
   * is missing already.
   */
  setAside(device: string, id: string): Promise<void>;

  /** Whether the pack lies there, published. */
  hasPack(device: string, id: string): Promise<boolean>;

  /** Bytes of a published pack, without reading any of them; undefined where it is not there. */
  packBytes(device: string, id: string): Promise<number | undefined>;

  /**
   * Makes the staged file `upload` the change list `id`, as durably as `publish`. Idempotent. Such a list is no part of what is kept
   * for ever: dropList removes it once a version holds what it says, or when nobody wanted it.
   */
  publishList(device: string, upload: string, id: string): Promise<void>;

  /** The bytes of a change list; undefined where there is none. */
  readList(device: string, id: string): Promise<Uint8Array | undefined>;

  /** Removes a change list. Idempotent. */
  dropList(device: string, id: string): Promise<void>;

  /** The ids of the change lists that are there, in no order. */
  lists(device: string): Promise<readonly string[]>;

  /**
   * Stores a version as it was accepted, under its place in the device's order. With all of them, replayed in that order,
   * the catalogue can be made again. The same place and id again replaces, atomically: a commit that was cut short is repeated, or an
   * object that was found damaged is made again.
   */
  putVersion(device: string, sequence: number, id: string, body: Uint8Array): Promise<void>;

  /** The names of a device's versions, `sequence-id`, in order of sequence. */
  versions(device: string): Promise<readonly { readonly sequence: number; readonly id: string }[]>;

  /** Bytes of all that putVersion stored for a device. */
  versionBytes(device: string): Promise<number>;

  /** What putVersion stored. A Failure `not_found` where there is none. */
  readVersion(device: string, sequence: number, id: string): Promise<Uint8Array>;

  /** The devices that have anything here, by id. */
  devices(): Promise<readonly string[]>;

  /** Stores what is known of a device, so that it is let in again after the catalogue was lost. Replaces. */
  putDevice(device: string, body: Uint8Array): Promise<void>;

  /** What putDevice stored, or undefined. */
  readDevice(device: string): Promise<Uint8Array | undefined>;

  /**
   * Stores, aside and durably, what is to be known of a device once its row is written; `mark` tells several for one device apart
   * (16 hexadecimal digits). devices() and readDevice() know nothing of it.
   */
  stageDevice(device: string, mark: string, body: Uint8Array): Promise<void>;

  /** Puts a staged object in the place of the device's, durably and atomically. Idempotent, also where it is no longer staged. */
  publishDevice(device: string, mark: string): Promise<void>;

  /** Removes a staged object. Idempotent. */
  dropStagedDevice(device: string, mark: string): Promise<void>;

  /** What a crash left staged. Called at start. */
  stagedDevices(): Promise<readonly { readonly device: string; readonly mark: string }[]>;

  /** The published packs of a device and how many bytes each has, in no order. Called by rebuilds and checks. */
  packs(device: string): AsyncIterable<{ readonly id: string; readonly stored: number }>;

  /** Removes what a crash left half written, never anything published. Called at start, before any other method. */
  sweep(device: string): Promise<void>;

  /** Bytes that can still be written. */
  freeBytes(): Promise<number>;

  /** Closes what is open. Nothing may be called afterwards. */
  close(): Promise<void>;
}
