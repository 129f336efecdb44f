// What the command line of the campaign says.
import { parseArgs } from 'node:util';

export interface Options {
  /** No run begins after this many minutes. */
  readonly minutes: number;
  readonly seed: string;
  /** Names of faults, or beginnings of names; empty: all. */
  readonly only: readonly string[];
  readonly without: readonly string[];
  /** The number of the first run of each fault. */
  readonly from: number;
  /** Most runs of each fault. */
  readonly runs: number;
  /** Worlds that work, and worlds for faults that mostly wait, side by side. */
  readonly worlds: number;
  readonly patient: number;
  /** Where worlds live. */
  readonly directory: string | null;
  readonly json: boolean;
  readonly help: boolean;
}

export const USAGE = `npm run campaign -- [options]

  --minutes N     no run begins after N minutes (90)
  --seed S        everything the campaign chooses follows from it (the date)
  --only NAME     only faults whose name begins so; may be repeated
  --without NAME  not those; may be repeated
  --from I        begin with run I of each fault (0)
  --runs N        at most N runs of each fault
  --worlds N      worlds side by side (2)
  --patient N     and for faults that mostly wait (4)
  --directory D   where worlds are made; about 2 GB each at most (the system's folder for temporary files)
  --json          results as one JSON object

It needs root, loop devices, e2fsprogs, xfsprogs, gcc and perl: it mounts file systems of its own and cuts their power.
It ends with 0 where nothing was violated.`;

/** Throws an Error with one sentence for what can't be understood. */
export function parseOptions(words: readonly string[], today: string): Options {
  const { values } = parseArgs({
    args: [...words],
    options: {
      minutes: { type: 'string', default: '90' },
      seed: { type: 'string', default: today },
      only: { type: 'string', multiple: true, default: [] },
      without: { type: 'string', multiple: true, default: [] },
      from: { type: 'string', default: '0' },
      runs: { type: 'string', default: String(Number.MAX_SAFE_INTEGER) },
      worlds: { type: 'string', default: '2' },
      patient: { type: 'string', default: '4' },
      directory: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    minutes: positive('minutes', values.minutes),
    seed: values.seed,
    only: values.only,
    without: values.without,
    from: whole('from', values.from, 0),
    runs: whole('runs', values.runs, 1),
    worlds: whole('worlds', values.worlds, 0),
    patient: whole('patient', values.patient, 0),
    directory: values.directory ?? null,
    json: values.json,
    help: values.help,
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} takes a number above 0, not ${text}`);
  return value;
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`--${name} takes a whole number from ${least} on, not ${text}`);
  return value;
}
