// What the bench asks of a tool: protect this file as it is now, and give it back; and what it cost.
import type { Usage } from '../usage.ts';

/** What the bytes of a peer are: through a socket, or, where there is no network, what its repository grew by. */
type Measure = 'wire' | 'repository growth';

export type StepCost = {
  /** Bytes to the server, or the growth of the repository. Null where nothing was to be counted. */
  readonly up: number | null;
  readonly down: number | null;
  readonly wallSeconds: number;
  readonly device: Usage;
  /** Null where the tool has no server of its own. */
  readonly server: Usage | null;
};

/** Both are called in turn, never at once, and reject when the tool fails. */
export type Protection = {
  readonly backup: (path: string) => Promise<StepCost>;
  /** Writes what the last backup saw to `to`, which does not exist yet. */
  readonly restore: (path: string, to: string) => Promise<StepCost>;
};

/** A peer's place of its own, empty at first, and the end of the run. */
export type Room = { readonly directory: string; readonly signal: AbortSignal };

export type Peer = {
  readonly name: string;
  /** How it is used, for the reader of the figures. */
  readonly how: string;
  readonly measure: Measure;
  /** What has to be done before it can run, such as "not installed: apt install restic". */
  readonly missing: () => string | undefined;
  /** Sets up, lends its protection to `use`, and takes everything down that runs. */
  readonly run: <T>(room: Room, use: (protection: Protection) => Promise<T>) => Promise<T>;
};
