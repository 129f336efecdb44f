// Snapshot provider for Windows: shadow copies of NTFS volumes, by Win32_ShadowCopy through Windows PowerShell.
import type { PlatformPath } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type * as z from '../../shared/schema.ts';
import type { Frozen, SnapshotProvider, Tries, Volume } from './snapshot.ts';
import type { JournalEntry } from './snapshot-journal.ts';
import { Created, Deleted, Found, Look, type Problem } from './vss/answer.ts';
import { CREATE_DEADLINE_MS, timeOfTry, waitBeforeNextTry } from './vss/create-plan.ts';
import { whichIsOurs } from './vss/ours.ts';
import { askPowerShell, type PowerShell, type Request } from './vss/powershell.ts';
import { codeOfProblem, reasonOf, returnCode } from './vss/return-codes.ts';
import { type HoldingVolume, shadowPath, volumeHolding } from './vss/volumes.ts';

/** What the provider works with: handed in, so that it holds no clock and no chance of its own. */
export interface VssSurroundings {
  readonly powershell: PowerShell;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** 0 to 1. */
  readonly chance: () => number;
  /** Waits that long, or until the run is stopped. */
  readonly pause: (ms: number) => Promise<void>;
  readonly stop: AbortSignal;
  /** Windows' rules for paths; a test on another system hands in that one's. */
  readonly path: PlatformPath;
  /** How long making one may take in all, ms. */
  readonly createDeadlineMs?: number;
}

/** Time for a look, or for asking after one shadow copy: PowerShell itself takes seconds on a busy laptop. */
const LOOK_MS = 60_000;
/** Windows may have to write a lot before a shadow copy is gone. */
const DELETE_MS = 120_000;
/** How long a look at the volumes is good for. */
const LOOK_AGE_MS = 60_000;

export function vssSnapshots(surroundings: VssSurroundings): SnapshotProvider {
  return new Vss(surroundings);
}

class Vss implements SnapshotProvider {
  readonly kind = 'vss';
  readonly #with: VssSurroundings;
  #look: { readonly at: number; readonly look: Promise<Look> } | undefined;

  constructor(surroundings: VssSurroundings) {
    this.#with = surroundings;
  }

  async volumeOf(real: string): Promise<Volume> {
    const holding = volumeHolding(await this.#recentLook(), real, this.#with.path);
    if ('why' in holding) throw new Failure('snapshot_unavailable', holding.why);
    return { root: holding.volume.root };
  }

  async create(volume: Volume, _id: string, between?: Tries): Promise<Frozen> {
    const { device } = await this.#deviceOf(volume).catch((cause: unknown) => {
      throw nothingMade(cause);
    });
    const made = await this.#make(volume, device, between);
    return { handle: made.id, outlookRunning: made.outlook, root: made.device };
  }

  pathIn(root: string, volume: Volume, real: string): string {
    return shadowPath(root, volume.root, real, this.#with.path);
  }

  async exists({ handle }: JournalEntry): Promise<boolean> {
    if (handle === null) return false;
    const { shadow } = await this.#ask({ action: 'find', id: handle }, Found, LOOK_MS);
    return shadow !== null;
  }

  async remove(entry: JournalEntry, others: readonly JournalEntry[]): Promise<boolean> {
    if (entry.handle !== null) {
      await this.#delete(entry.handle);
      return true;
    }
    const look = await this.#newLook();
    if (look.problem) throw this.#failed(look.problem, `can't list the shadow copies of ${entry.volume}`);
    const ours = whichIsOurs(
      look.shadows,
      {
        volume: deviceAt(look, entry.volume, this.#with.path)?.device ?? '',
        at: Date.parse(entry.made_at),
        others: new Set(others.flatMap(({ handle }) => (handle === null ? [] : [handle.toLowerCase()]))),
      },
      this.#with.now(),
    );
    if (ours.verdict === 'none') return ours.settled;
    if (ours.verdict === 'several') {
      throw new Failure(
        'snapshot_failed',
        `One of the shadow copies ${ours.ids.join(', ')} of ${entry.volume} was left by Mailferry, but it can't tell which; none was deleted.`,
      );
    }
    await this.#delete(ours.id);
    return true;
  }

  async #make(volume: Volume, device: string, between: Tries | undefined) {
    const { now, chance, pause } = this.#with;
    const deadline = this.#with.createDeadlineMs ?? CREATE_DEADLINE_MS;
    const began = now();
    for (let tries = 1; ; tries++) {
      const answer = await askPowerShell(
        this.#with.powershell,
        { action: 'create', volume: device },
        Created,
        timeOfTry({ elapsed: now() - began, deadline }),
      ).catch((cause: unknown) => {
        // Where the script never ran, nothing was made; otherwise it may have been, and remove() looks for it.
        if (cause instanceof Failure && cause.detail.began === false) throw nothingMade(cause);
        throw cause;
      });
      if (answer.kind === 'result' && answer.result.returnValue === 0) {
        if (answer.result.id !== null) return { ...answer.result, id: answer.result.id };
        throw new Failure(
          'snapshot_failed',
          `Windows made a shadow copy of ${volume.root} but did not say which.`,
        );
      }
      const code =
        answer.kind === 'result' ? returnCode(answer.result.returnValue) : codeOfProblem(answer.problem);
      if (answer.kind === 'problem' && (code === undefined || code.unsure)) {
        throw this.#failed(answer.problem, `could not make a shadow copy of ${volume.root}`);
      }
      const { again, failure, sentence } = code!;
      const wait = waitBeforeNextTry({ again, tries, elapsed: now() - began, deadline, chance: chance() });
      if (wait === null) {
        throw new Failure(failure, sentence.replace('{volume}', volume.root), {
          detail: {
            ...(answer.kind === 'result'
              ? { returnValue: answer.result.returnValue }
              : { error: answer.problem.error }),
            tries,
            nothingMade: true,
          },
        });
      }
      between?.refused();
      await pause(wait);
      if (this.#with.stop.aborted) {
        const message = `The run was stopped while it waited for a shadow copy of ${volume.root}.`;
        throw new Failure('stopped', message, { detail: { nothingMade: true } });
      }
      between?.again();
    }
  }

  async #delete(id: string): Promise<void> {
    await this.#ask({ action: 'delete', id }, Deleted, DELETE_MS);
  }

  async #ask<T>(request: Request, result: z.ZodType<T>, timeoutMs: number): Promise<T> {
    const answer = await askPowerShell(this.#with.powershell, request, result, timeoutMs);
    if (answer.kind === 'result') return answer.result;
    const what = {
      look: 'could not list the volumes',
      find: 'could not look for a shadow copy',
      delete: `could not delete the shadow copy ${'id' in request ? request.id : ''}`,
      create: 'could not make a shadow copy',
    }[request.action];
    throw this.#failed(answer.problem, what);
  }

  #failed(problem: Problem, what: string): Failure {
    const known = codeOfProblem(problem);
    const failure = known?.reason === undefined ? 'snapshot_failed' : known.failure;
    return new Failure(failure, `Windows ${what}: ${reasonOf(problem)}.`, {
      detail: { error: problem.error },
    });
  }

  async #deviceOf(volume: Volume): Promise<HoldingVolume> {
    const found = deviceAt(await this.#recentLook(), volume.root, this.#with.path);
    if (found) return found;
    throw new Failure('snapshot_unavailable', `The volume ${volume.root} is not there any more.`);
  }

  #newLook(): Promise<Look> {
    return this.#ask({ action: 'look' }, Look, LOOK_MS);
  }

  /** Volumes change seldom and PowerShell is slow: one look serves all sources of a run. */
  #recentLook(): Promise<Look> {
    const now = this.#with.now();
    if (!this.#look || now - this.#look.at > LOOK_AGE_MS) {
      const look = this.#newLook();
      this.#look = { at: now, look };
      look.catch(() => {
        this.#look = undefined;
      });
    }
    return this.#look.look;
  }
}

/** The volume mounted at `root`. */
function deviceAt(look: Look, root: string, path: PlatformPath): HoldingVolume | null {
  const holding = volumeHolding(look, `${root}x`, path);
  return 'volume' in holding ? holding.volume : null;
}

/** The failure, with the certainty that no shadow copy exists. */
function nothingMade(cause: unknown): unknown {
  if (!(cause instanceof Failure)) return cause;
  return new Failure(cause.code, cause.message, { cause, detail: { ...cause.detail, nothingMade: true } });
}
