// What the failure of a send or of a commit leads to: what is asked first, what is given up, and when it is tried again.
import type { Failure, FailureCode } from '../../shared/failure.ts';
import { abandon } from '../backup/seal-checkpoint.ts';
import type { Device } from '../device.ts';
import type { Backup, WaitingPack } from '../state/queue-rows.ts';
import { backoffMs } from './backoff.ts';
import { LONGEST_WAIT_MS } from './send-plan.ts';
import { fileDigest } from './staged-digest.ts';

/** Failures of a commit after which the server's word on what it holds replaces ours: the next backup starts from there. */
const BASE_IS_WRONG = new Set([
  'blocks_differ',
  'root_differs',
  'base_unknown',
  'version_conflict',
  'fingerprint_damaged',
]);

/**
 * Failures of a commit that it meets each time: its rows were damaged, or it is more than the server takes. It is made anew as after
 * the others, but at the next look: what a server does not take may be no better then, and each time the source is read.
 */
const COMMIT_IS_WRONG = new Set(['malformed', 'too_large']);

/** Failures of a send that a source is told to have: until a person made room, nothing of it gets further. */
const NO_ROOM: ReadonlySet<string> = new Set<FailureCode>(['server_full', 'quota_full']);

export interface FailedSend {
  readonly failure: Failure;
  /** Whether bytes of the pack got through since the attempt before. */
  readonly moved: boolean;
  /** The pack in staging. */
  readonly path: string;
  readonly signal: AbortSignal;
}

export class SendFailures {
  readonly #device: Device;
  readonly #readAgain: (sourceId: number) => void;
  /** Trouble is told once, until something works again. */
  #troubled = false;

  /** `readAgain`: told of a source whose backup was given up. */
  constructor(device: Device, readAgain: (sourceId: number) => void) {
    this.#device = device;
    this.#readAgain = readAgain;
  }

  /** Something of `sourceId` got through: the next trouble is told, and that there was no room is over where no pack was refused for it. */
  over(sourceId?: number): void {
    this.#troubled = false;
    if (sourceId === undefined) return;
    const { sources, queue } = this.#device;
    const code = sources.get(sourceId).lastFailure?.code;
    if (code === undefined || !NO_ROOM.has(code)) return;
    // What was on its way when the room ran out may be acknowledged after another pack was refused.
    const refused = queue
      .activeOf(sourceId)
      .some(({ id }) => queue.packsOf(id).some((pack) => pack.state !== 'known' && pack.failure === code));
    if (!refused) sources.worksAgain(sourceId);
  }

  /** Records what is to be done about a pack that could not be sent; `known`: nothing, the server has it. */
  async ofSend(
    pack: WaitingPack,
    { failure, moved, path, signal }: FailedSend,
  ): Promise<'known' | 'recorded'> {
    const { queue, sources, server } = this.#device;
    const backup = queue.backup(pack.backup_id);
    // It ended, or was cut, while the pack was under way.
    if (!backup || !queue.holds(pack)) return 'recorded';
    if (failure.code === 'upload_gone') {
      const known = await server.knowsPack(pack.id, { signal }).catch(() => null);
      if (known) return 'known';
      if (known === false) queue.advancePack(pack, 'gone');
    }
    const suspicious = failure.code === 'pack_refused' || failure.code === 'pack_damaged';
    if (suspicious && (await fileDigest(path)) !== pack.id) {
      queue.atomically(() => {
        queue.advancePack(pack, 'damaged');
        sources.failed(backup.source_id, failure.code, failure.message);
      });
      return 'recorded';
    }
    if (failure.code === 'unauthorized' && (await server.renew())) {
      queue.postponePack(pack, failure.code, 0, 0);
      return 'recorded';
    }
    if (failure.retry === 'never' || NO_ROOM.has(failure.code))
      sources.failed(backup.source_id, failure.code, failure.message);
    // A line that moved bytes since the last attempt is a good line: it is taken up again at once.
    this.#postpone(failure, moved ? 0 : pack.attempts + 1, (attempts, at) =>
      queue.postponePack(pack, failure.code, attempts, at),
    );
    return 'recorded';
  }

  /** Records what is to be done about a backup that got no receipt; `moved`: bytes of its change list got through all the same. */
  async ofCommit(
    backup: Backup,
    { failure, moved, signal }: Pick<FailedSend, 'failure' | 'moved' | 'signal'>,
  ): Promise<void> {
    const { queue, sources, progress } = this.#device;
    if (failure.code === 'packs_missing') {
      const missing = new Set(failure.detail.missing as string[]);
      queue.atomically(() => {
        for (const pack of queue.packsOf(backup.id))
          if (missing.has(pack.id)) queue.advancePack(pack, 'missing');
        queue.advance(backup.id, 'packs-missing');
      });
    } else if (BASE_IS_WRONG.has(failure.code) || isCommitWrong(failure)) {
      await this.#giveUp(backup, failure, () => sources.forgetBase(backup.source_id));
      if (!isCommitWrong(failure)) this.#readAgain(backup.source_id);
      return;
    } else if (failure.detail.rows === true) {
      // What the server holds is as good as before.
      await this.#giveUp(backup, failure, () => progress.say(failure.message));
      this.#readAgain(backup.source_id);
      return;
    } else if (!moved) {
      sources.failed(backup.source_id, failure.code, failure.message);
      if (failure.detail.forgotten === true && (await this.#forgetForgotten(signal)))
        return queue.postponeBackup(backup.id, failure.code, 1, 0);
    }
    // As with packs: a line that moved bytes since the last attempt is a good line.
    const attempts = moved ? 0 : queue.backup(backup.id)!.attempts + 1;
    this.#postpone(failure, attempts, (count, at) =>
      queue.postponeBackup(backup.id, failure.code, count, at),
    );
  }

  /** Nothing more is tried with it; `also` happens with that, or not at all. */
  async #giveUp(backup: Backup, failure: Failure, also: () => void): Promise<void> {
    const { queue, sources } = this.#device;
    queue.atomically(() => {
      queue.advance(backup.id, 'refused');
      also();
      sources.failed(backup.source_id, failure.code, failure.message);
    });
    await abandon(this.#device, backup, 'refused');
  }

  /** Decides when to try again; `attempts`: those that failed in a row, this one too. */
  #postpone(failure: Failure, attempts: number, record: (attempts: number, at: number) => void): void {
    const { now, chance, progress, line } = this.#device;
    // While the machine wakes up, names can't be looked up yet: that is no attempt.
    const counted = line.waking && isUnresolved(failure) ? 1 : attempts;
    const asked = Math.min(LONGEST_WAIT_MS, Number(failure.detail.retryAfterMs ?? 0));
    const wait = Math.max(asked, counted === 0 ? 0 : backoffMs(counted - 1, chance()));
    if (attempts > 0 && !this.#troubled) progress.say(`${failure.message} ${failure.hint}`);
    this.#troubled ||= attempts > 0;
    record(counted, now() + wait);
  }

  /** Whether receipts were set aside that the server has forgotten, so that it may be asked for a new one. */
  async #forgetForgotten(signal: AbortSignal): Promise<boolean> {
    const { setForgottenAside } = await import('../healing/receipts-held.ts');
    return (await setForgottenAside(this.#device, signal).catch(() => 0)) > 0;
  }
}

/** A proxy that takes less than the server is no reason: until somebody mends it, the next commit gets no further. */
function isCommitWrong({ code, detail }: Failure): boolean {
  return COMMIT_IS_WRONG.has(code) && detail.ours !== false;
}

/** Whether a request failed because the server's name could not be looked up. */
function isUnresolved({ cause }: Failure): boolean {
  return ['ENOTFOUND', 'EAI_AGAIN'].includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
}
