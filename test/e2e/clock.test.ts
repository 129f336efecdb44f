// A device whose clock is days off: it is told where people look, and nothing is told of a clock that is about right.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { makeMailFile } from '../support/mail-file.ts';
import { PROGRAM, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const CLOCK = fileURLToPath(new URL('../../dist/test/campaign/shifted-clock.js', import.meta.url));

const CLOCKS: [string, shiftMs: number, said: string | null][] = [
  ['3 days ahead', 3 * DAY_MS + HOUR_MS, "clock is 3 days ahead of the server's"],
  ['3 days behind', -3 * DAY_MS - HOUR_MS, "clock is 3 days behind the server's"],
  ['a day and an hour ahead', DAY_MS + HOUR_MS, "clock is 1 day ahead of the server's"],
  ['23 hours ahead', 23 * HOUR_MS, null],
  ['23 hours behind', -23 * HOUR_MS, null],
  ['right', 0, null],
];

test.each(CLOCKS)('B2: a clock that is %s, in backup, status and doctor', async (_, shiftMs, said) => {
  const root = tempDir();
  const { server, state } = await serverAndDevice(root);
  onTestFinished(async () => void (await stop(server)));
  const source = join(root, 'mail.pst');
  makeMailFile(source, 200_000, 9);
  const clock = join(root, 'clock');
  writeFileSync(clock, String(shiftMs));
  const run = (...words: string[]) =>
    start(process.execPath, ['--import', CLOCK, PROGRAM, ...words, '--state', state], {
      CAMPAIGN_CLOCK: clock,
      HOME: root,
    }).ended;
  const tells = (text: string) => {
    if (said === null) expect(text).not.toContain("This machine's clock");
    else expect(text).toContain(said);
  };
  // The Date header has whole seconds, and a busy machine takes some.
  const isShift = (ms: number) => expect(Math.abs(ms - shiftMs)).toBeLessThan(30_000);

  for (const words of [['backup', source, '--wait', '--snapshot', 'live'], ['status']]) {
    const text = await run(...words);
    expect(text.code).toBe(0);
    tells(text.stdout);
    const { code, json } = await run(...words, '--json');
    expect(code).toBe(0);
    isShift(json.clock.differenceMs);
  }

  const doctor = await run('doctor', '--json');
  const found = doctor.json.findings.find(({ check }: { check: string }) => check === 'clock');
  if (shiftMs === 0) expect(found.state).toBe('ok');
  else {
    expect(found.state).not.toBe('ok');
    const [seconds] = /\d+(?= s (?:ahead|behind))/.exec(found.said)!;
    isShift(Math.sign(shiftMs) * Number(seconds) * 1_000);
    expect(found.said).toContain(shiftMs > 0 ? 'ahead of' : 'behind');
  }
});
