// What the doctor finds: one line for each thing it looked at, and what to do where something is wrong.

export interface Finding {
  /** What was looked at: a stable word for machines. */
  readonly check: string;
  /** failed: mail is not backed up, or will not be. warning: it is, but something may hurt. skipped: does not apply here. */
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  /** A sentence. */
  readonly said: string;
  /** What to do, as a sentence; where the state is failed or warning. */
  readonly todo?: string;
}

const MARKS = { ok: 'ok', warning: 'warning', failed: 'FAILED', skipped: 'skipped' } as const;

/** A finding as one line. */
export function findingLine({ check, state, said, todo }: Finding): string {
  return `${MARKS[state].padEnd(8)}${check.padEnd(16)}${said}${todo ? ` ${todo}` : ''}`;
}
