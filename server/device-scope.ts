// Everything that serves one device, made once for it: what is reached through a scope can only be that device's.
import type { IncomingMessage } from 'node:http';
import { Server as TusServer } from '@tus/server';
import type { Logger } from 'pino';
import { toHex } from '../shared/byte-codec.ts';
import { ROUTES } from '../shared/routes.ts';
import type { Capabilities } from './capabilities.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import type { DeviceCatalogue } from './catalogue/device-catalogue.ts';
import { FairTurns } from './fair-turns.ts';
import { DamageWatch } from './healing/damage-watch.ts';
import type { Limits } from './limits.ts';
import type { CheckStagedPack } from './pack/check-staged-pack.ts';
import { CheckedPacks } from './pack/checked-packs.ts';
import type { FrameScratch } from './pack/frame-scratch.ts';
import { PackReader } from './pack/pack-reader.ts';
import type { ReceiptSigner } from './receipt-key.ts';
import type { Room } from './room.ts';
import { StoredBytes } from './stored-bytes.ts';
import { Turns } from './turns.ts';
import { type AdmissionPorts, admit, admitVersion, dropIdle } from './upload/admission.ts';
import { ChangeLists } from './upload/change-lists.ts';
import { DurableStore } from './upload/durable-store.ts';
import { UploadFinisher } from './upload/finish-upload.ts';
import { UploadLocker } from './upload/upload-locker.ts';
import type { Vault } from './vault/vault.ts';
import type { CommitPorts } from './version/commit.ts';
import { VersionReader } from './version/version-reader.ts';

/** A second connection takes over a silent first one after this; short, since the first is mostly dead already. */
const LOCK_DRAIN_MS = 300;
/** Longer than the drain and a flush of what had arrived. */
const LOCK_WAIT_MS = 10_000;

export interface ScopePorts {
  readonly catalogue: Catalogue;
  readonly vault: Vault;
  readonly scratch: FrameScratch;
  readonly checkStaged: CheckStagedPack;
  readonly signer: ReceiptSigner;
  readonly log: Logger;
  readonly capabilities: Capabilities;
  readonly limits: Limits;
  readonly room: Room;
  /** The disk is full: nothing may be written or put right. */
  readonly readOnly: boolean;
}

export interface DeviceScope {
  readonly device: string;
  readonly catalogue: DeviceCatalogue;
  readonly reader: VersionReader;
  readonly commits: CommitPorts;
  readonly turns: Turns;
  readonly store: DurableStore;
  readonly tus: TusServer;
  /** What went wrong in a request that `tus` answered with an error, by that request. */
  readonly tusErrors: WeakMap<object, unknown>;
  readonly finisher: UploadFinisher;
  readonly lists: ChangeLists;
  readonly damage: DamageWatch;
  readonly log: Logger;
  /** Forgets unfinished uploads that nothing was added to, and change lists that no commit used, for too long; how many. */
  expireUploads(): Promise<number>;
}

/** Makes the scope of a device when it is first asked for and keeps it: some ten kilobytes each. */
export class DeviceScopes {
  readonly #ports: ScopePorts;
  readonly #packs: PackReader;
  readonly #checks = new FairTurns();
  readonly #checked: CheckedPacks;
  readonly #turns = new Turns();
  readonly #scopes = new Map<string, Promise<DeviceScope>>();

  constructor(ports: ScopePorts) {
    this.#ports = ports;
    this.#packs = new PackReader(ports.vault, ports.scratch);
    this.#checked = new CheckedPacks(ports.capabilities.now);
  }

  of(device: string): Promise<DeviceScope> {
    const known = this.#scopes.get(device);
    if (known) return known;
    const making = this.#make(device);
    this.#scopes.set(device, making);
    making.catch(() => this.#scopes.delete(device));
    return making;
  }

  async #make(device: string): Promise<DeviceScope> {
    const { vault, signer, capabilities } = this.#ports;
    const catalogue = this.#ports.catalogue.forDevice(device);
    const staging = await vault.stagingDirectory(device);
    const reader = new VersionReader(catalogue, this.#packs);
    const { log } = this.#ports;
    const damage = new DamageWatch({
      catalogue,
      vault,
      packs: this.#packs,
      checked: this.#checked,
      turns: this.#turns,
      log,
      readOnly: this.#ports.readOnly,
    });
    const accept = { catalogue, vault, signer, now: capabilities.now };
    const lists = new ChangeLists({ catalogue, vault, now: capabilities.now });
    const finisher = new UploadFinisher({
      ...accept,
      staging,
      lists,
      checkStaged: this.#ports.checkStaged,
      checks: this.#checks,
      checked: this.#checked,
      cameBack: (pack) => {
        reader.forgetPacks();
        return damage.cameBack(pack);
      },
      turns: this.#turns,
    });
    const stored = new StoredBytes(catalogue, vault);
    const admission: AdmissionPorts = {
      catalogue,
      room: this.#ports.room,
      stored,
      limits: this.#ports.limits,
      staging,
      isWriting: (id) => store.isWriting(id),
      now: capabilities.now,
    };
    const locker = new UploadLocker<IncomingMessage>(LOCK_WAIT_MS);
    const store: DurableStore = new DurableStore({
      directory: staging,
      uploads: catalogue.uploads,
      bodyOf: (id) => locker.holder(id),
      admit: (metadata, length) => admit(admission, metadata, length),
      oneAtATime: (work) => this.#turns.take(`admit ${device}`, work),
      finish: (id) => finisher.finish(id),
      lifeMs: this.#ports.limits.uploadLifeMs,
      now: capabilities.now,
    });
    const tusErrors = new WeakMap<object, unknown>();
    return {
      log: this.#ports.log,
      device,
      catalogue,
      reader,
      commits: {
        ...accept,
        lists,
        packs: this.#packs,
        reader,
        checked: this.#checked,
        admit: (bytes) => admitVersion(admission, bytes),
        stored,
      },
      turns: this.#turns,
      store,
      tus: tusServer({ store, locker, finisher }, capabilities, tusErrors),
      tusErrors,
      finisher,
      lists,
      damage,
      expireUploads: async () => {
        const { uploadLifeMs } = this.#ports.limits;
        const uploads = await this.#turns.take(`admit ${device}`, () =>
          dropIdle(admission, uploadLifeMs, Number.POSITIVE_INFINITY),
        );
        return uploads + (await this.#turns.take(device, () => lists.expire(uploadLifeMs)));
      },
    };
  }
}

interface Upload {
  readonly store: DurableStore;
  readonly locker: UploadLocker<IncomingMessage>;
  readonly finisher: UploadFinisher;
}

function tusServer(
  { store, locker, finisher }: Upload,
  { randomBytes }: Capabilities,
  errors: WeakMap<object, unknown>,
): TusServer {
  return new TusServer({
    path: ROUTES.uploads,
    datastore: store,
    locker: (request) => locker.of(request.runtime!.node!.req as IncomingMessage),
    lockDrainTimeout: LOCK_DRAIN_MS,
    relativeLocation: true,
    allowedOrigins: [],
    disableTerminationForFinishedUploads: true,
    // Never from what the client says: an id is a file's name.
    namingFunction: () => toHex(randomBytes(16)),
    onUploadFinish: async (_request, upload) => {
      await finisher.finish(upload.id);
      return {};
    },
    onResponseError: (request, error) => {
      errors.set(request, error);
      return undefined;
    },
  });
}
