// The triggers: what each makes of what it sees, and that the lookout takes it.
import { spawn } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { hostLineTrigger, parseHostLine } from '../../../client/triggers/host-lines.ts';
import type { Reason } from '../../../client/triggers/look-plan.ts';
import { Lookout } from '../../../client/triggers/lookout.ts';
import {
  mailProgramsIn,
  mailProgramTrigger,
  programReasons,
  type RunningProgram,
} from '../../../client/triggers/mail-programs.ts';
import { parseTasklist, processList } from '../../../client/triggers/process-list.ts';
import { wake, wakeTrigger } from '../../../client/triggers/wake-file.ts';
import { named } from '../../support/programs.ts';
import { tempDir } from '../../support/temp-dir.ts';

let stop = new AbortController();
afterEach(() => {
  stop.abort();
  stop = new AbortController();
});

const set = (...pids: number[]) => new Set(pids);

test.each([
  ['nothing', set(), set(), []],
  ['it goes on', set(1), set(1), []],
  ['a start', set(), set(1), ['mail-program-started']],
  ['an end', set(1), set(), ['mail-program-ended']],
  ['a second one, of another user', set(1), set(1, 2), ['mail-program-started']],
  ['a restart between two looks', set(1), set(2), ['mail-program-started', 'mail-program-ended']],
])('processes: %s', (_, before, after, expected) => {
  expect(programReasons(before, after)).toEqual(expected);
});

test('mail programs are known in any case, others are not', () => {
  const running = [
    { name: 'OUTLOOK.EXE', pid: 4 },
    { name: 'Thunderbird.exe', pid: 5 },
    { name: 'outlook.exe.bak', pid: 6 },
    { name: 'svchost.exe', pid: 7 },
  ];
  expect([...mailProgramsIn(running)]).toEqual([4, 5]);
});

const rows = '"System","4","Services","0","1.234 K"\r\n"OUTLOOK.EXE","8120","Console","1","301,020 K"\r\n';
const parsed = [
  { name: 'System', pid: 4 },
  { name: 'OUTLOOK.EXE', pid: 8120 },
];

test.each([
  ['in the code page of the console', Buffer.from(rows, 'latin1'), parsed],
  ['in UTF-16', Buffer.from(rows, 'utf16le'), parsed],
  ['in UTF-16 with a mark', Buffer.from(`\uFEFF${rows}`, 'utf16le'), parsed],
  ['a translated notice', Buffer.from('INFORMACJA: brak uruchomionych zada\xf1.\r\n', 'latin1'), []],
  ['nothing', Buffer.alloc(0), []],
])('tasklist: %s', (_, output, expected) => {
  expect(parseTasklist(output)).toEqual(expected);
});

const linux = process.platform === 'linux' ? null : 'reads /proc';

test.skipIf(linux !== null)(named('a real program starts and ends', linux), async () => {
  const told: Reason[] = [];
  const list = processList('linux', {});
  mailProgramTrigger(list, () => {}, 20)((reason) => told.push(reason), stop.signal);
  await pause(200);
  // A mail program as the system names it: any program under its name.
  const program = join(tempDir(), 'thunderbird');
  copyFileSync('/bin/sleep', program);
  const child = spawn(program, ['60']);
  await expect.poll(() => told).toEqual(['mail-program-started']);
  child.kill();
  await expect.poll(() => told).toEqual(['mail-program-started', 'mail-program-ended']);
});

test('processes that can not be listed are told once, and are no change', async () => {
  const said: string[] = [];
  const told: Reason[] = [];
  let turn = 0;
  const outlook: RunningProgram[] = [{ name: 'OUTLOOK.EXE', pid: 1 }];
  const list = async () => {
    turn++;
    if (turn === 2 || turn === 3) throw new Error('no.');
    return outlook;
  };
  mailProgramTrigger(list, (sentence) => said.push(sentence), 5)((reason) => told.push(reason), stop.signal);
  await expect.poll(() => turn).toBeGreaterThan(5);
  expect(said).toEqual(["Which mail programs run can't be found out: no."]);
  expect(told).toEqual([]);
});

test.each([
  ['stop', 'stop'],
  ['preshutdown\r', 'stop'],
  ['power 4', null],
  ['power 7', 'resume'],
  ['power 18', 'resume'],
  ['power 10', null],
  ['session 5 1', 'logon'],
  ['session 7 1', null],
  ['session 8 1', 'unlock'],
  ['', null],
  ['stopped', null],
  ['something of a later host', null],
])('host line %j', (line, expected) => {
  expect(parseHostLine(line)).toBe(expected);
});

test('host lines come in pieces; a stop and the end of the host both stop', async () => {
  const told: Reason[] = [];
  let stops = 0;
  const input = new PassThrough();
  hostLineTrigger(input, () => stops++)((reason) => told.push(reason), stop.signal);
  input.write('session 8');
  input.write(' 2\r\npow');
  input.write('er 18\n');
  await expect.poll(() => told).toEqual(['unlock', 'resume']);
  input.write('stop\n');
  await expect.poll(() => stops).toBe(1);
  input.end();
  await expect.poll(() => stops).toBe(2);
});

test('another process wakes the agent, as often as it likes', async () => {
  const state = tempDir();
  const told: Reason[] = [];
  wakeTrigger(state, () => {})((reason) => told.push(reason), stop.signal);
  expect(await wake(state, 'unlock')).toBe(true);
  expect(told).toEqual(['unlock']);
  expect(await wake(state, 'asked')).toBe(true);
  expect(await wake(state, 'unlock')).toBe(true);
  expect(told).toEqual(['unlock', 'asked', 'unlock']);
});

test('whoever wakes where no agent works is told that none heard of it', async () => {
  expect(await wake(tempDir(), 'asked')).toBe(false);
});

test('the lookout: first at once, then for a reason, and none after the stop', async () => {
  const settings = { everyMs: 3_600_000, minimumMs: 0 };
  let now = 1_000;
  const lookout = new Lookout({ settings, now: () => now, stop: stop.signal });
  expect(await lookout.next()).toEqual(['start']);
  lookout.looked(now);
  let due: readonly Reason[] | undefined;
  void lookout.next().then((reasons) => {
    due = reasons;
  });
  await pause(20);
  expect(due).toBeUndefined();
  now += 1_000;
  lookout.tell('mail-program-started');
  await expect.poll(() => due).toEqual(['mail-program-started']);
  lookout.looked(now);
  const last = lookout.next();
  stop.abort();
  expect(await last).toEqual([]);
});
