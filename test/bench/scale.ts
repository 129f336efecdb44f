// Mailferry alone at one size and at four times that, with the same changes: what follows the file, what the change?
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { generateBase } from './outlook-days.ts';
import { mailferry } from './peers/mailferry.ts';
import type { Room, StepCost } from './peers/peer.ts';
import { megabytes, ratio, seconds, table } from './table.ts';
import { sha256, stampDay } from './work-file.ts';

const OTHER_STORES = 3;
const STEP = 4 << 20;

export type ScaleRow = {
  readonly figure: string;
  readonly unit: 's' | 'MB';
  readonly small: number;
  readonly large: number;
};
export type ScaleOptions = { readonly size: number; readonly seed: number; readonly days: readonly string[] };
type Costs = { readonly first: StepCost; readonly days: readonly StepCost[]; readonly restore: StepCost };

/**
 * The large file is the small one followed by three other stores. The small one's part is as long as its longest day,
 * so that what follows stays where it is: a PST does not move its bytes either.
 */
export async function scale(
  options: ScaleOptions,
  room: Room,
  note: (text: string) => void,
): Promise<ScaleRow[]> {
  const small = await measure('small', options, 0, room, note);
  const large = await measure('large', options, OTHER_STORES, room, note);
  const row = (figure: string, unit: 's' | 'MB', of: (costs: Costs) => number): ScaleRow => ({
    figure,
    unit,
    small: of(small),
    large: of(large),
  });
  return [
    row('first: up', 'MB', ({ first }) => first.up ?? 0),
    row('first: device CPU', 's', ({ first }) => first.device.cpuSeconds),
    row('first: server CPU', 's', ({ first }) => first.server?.cpuSeconds ?? 0),
    row('first: device peak', 'MB', ({ first }) => first.device.peakBytes),
    row('first: server peak', 'MB', ({ first }) => first.server?.peakBytes ?? 0),
    row('all days: up', 'MB', ({ days }) => sum(days.map((day) => day.up ?? 0))),
    row('all days: device CPU', 's', ({ days }) => sum(days.map((day) => day.device.cpuSeconds))),
    row('all days: server CPU (upload and commit)', 's', ({ days }) =>
      sum(days.map((day) => day.server?.cpuSeconds ?? 0)),
    ),
    row('a day: device peak', 'MB', ({ days }) => Math.max(...days.map((day) => day.device.peakBytes))),
    row('a day: server peak', 'MB', ({ days }) => Math.max(...days.map((day) => day.server?.peakBytes ?? 0))),
    row('restore: device peak', 'MB', ({ restore }) => restore.device.peakBytes),
    row('restore: server peak', 'MB', ({ restore }) => restore.server?.peakBytes ?? 0),
  ];
}

export function scaleTable(rows: readonly ScaleRow[]): string {
  const show = (row: ScaleRow, value: number): string =>
    row.unit === 's' ? seconds(value) : megabytes(value);
  return table(
    ['figure', 'unit', 'x 1', 'x 4', 'ratio'],
    rows.map((row) => [
      row.figure,
      row.unit,
      show(row, row.small),
      show(row, row.large),
      ratio(row.large, row.small),
    ]),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function measure(
  name: string,
  options: ScaleOptions,
  otherStores: number,
  room: Room,
  note: (text: string) => void,
): Promise<Costs> {
  const directory = join(room.directory, name);
  mkdirSync(directory, { recursive: true });
  const work = join(directory, 'Outlook.pst');
  const head = Math.max(...options.days.map((day) => statSync(day).size));
  note(`${name}: making the file`);
  appendStores(work, head, otherStores, options);
  const costs = await mailferry.run({ ...room, directory }, async ({ backup, restore }) => {
    const steps: StepCost[] = [];
    for (const [day, source] of options.days.entries()) {
      overwrite(work, 0, source);
      stampDay(work, day);
      note(`${name}: ${day === 0 ? 'first' : `day ${day}`}`);
      steps.push(await backup(work));
    }
    note(`${name}: restore`);
    const restored = join(directory, 'restored.pst');
    const restoreCost = await restore(work, restored);
    if ((await sha256(restored)) !== (await sha256(work)))
      throw new Error('the restored file differs from the source');
    const [first, ...days] = steps;
    return { first: first!, days, restore: restoreCost };
  });
  rmSync(directory, { recursive: true });
  return costs;
}

function appendStores(work: string, head: number, count: number, { size, seed }: ScaleOptions): void {
  closeSync(openSync(work, 'w'));
  const part = `${work}.part`;
  let end = head;
  for (let i = 1; i <= count; i++) {
    generateBase(part, { size, seed: seed + i, policy: 'dense' });
    overwrite(work, end, part);
    end += statSync(part).size;
    rmSync(part);
  }
  const descriptor = openSync(work, 'r+');
  ftruncateSync(descriptor, end);
  closeSync(descriptor);
}

/** Days never get shorter, so nothing of an earlier one is left behind a later one's end. */
function overwrite(path: string, at: number, source: string): void {
  const from = openSync(source, 'r');
  const to = openSync(path, 'r+');
  const part = Buffer.alloc(STEP);
  try {
    const { size } = fstatSync(from);
    for (let done = 0; done < size; ) {
      const got = readSync(from, part, 0, STEP, done);
      writeSync(to, part, 0, got, at + done);
      done += got;
    }
  } finally {
    closeSync(from);
    closeSync(to);
  }
}
