// What goes where: under --json nothing but JSON lines on standard output, for people the result there and the rest beside it.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { bytesText, humanTerminal, jsonTerminal } from '../../client/terminal.ts';
import { lacks, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';

function streams() {
  const said = { out: '', err: '' };
  let clock = 0;
  return {
    said,
    tick: (ms: number) => {
      clock += ms;
    },
    streams: {
      out: {
        write: (text: string) => {
          said.out += text;
        },
      },
      err: {
        isTTY: false,
        write: (text: string) => {
          said.err += text;
        },
      },
      now: () => clock,
    },
  };
}

const report = (done: number, total = 100) => ({ phase: 'send' as const, path: '/a\n"b', done, total });

test('JSON: every line is one object, the last is the result', () => {
  const { streams: to, said, tick } = streams();
  const terminal = jsonTerminal(to);
  terminal.report(report(0));
  tick(1_000);
  terminal.report(report(50));
  terminal.say('A line\nthat is broken.');
  terminal.clear();
  terminal.result('for people', { versions: [] });
  const lines = said.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toEqual([
    { progress: { phase: 'send', path: '/a\n"b', done: 0, total: 100, rate: 0, secondsLeft: null } },
    { progress: { phase: 'send', path: '/a\n"b', done: 50, total: 100, rate: 50, secondsLeft: 1 } },
    { progress: { message: 'A line\nthat is broken.' } },
    { versions: [] },
  ]);
  expect(said.out.endsWith('\n')).toBe(true);
  expect(said.err).toBe('');
});

test('JSON: two lines of progress a second at most, but the end of it always', () => {
  const { streams: to, said, tick } = streams();
  const terminal = jsonTerminal(to);
  for (let done = 0; done < 100; done++) {
    terminal.report(report(done));
    tick(10);
  }
  terminal.report(report(100));
  const lines = said.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).progress.done);
  expect(lines).toEqual([0, 50, 100]);
});

test('for people, into a pipe: the result alone on standard output, sentences beside it, no bar', () => {
  const { streams: to, said } = streams();
  const terminal = humanTerminal(to);
  terminal.report(report(10));
  terminal.say('A sentence.');
  terminal.clear();
  terminal.result('The result.', { ignored: true });
  expect(said).toEqual({ out: 'The result.\n', err: 'A sentence.\n' });
});

const lackingScript = lacks('script');

test.skipIf(lackingScript)(
  named('on a screen: a bar that was shown last does not keep the program alive', lackingScript),
  () => {
    const program = join(tempDir(), 'bar.mjs');
    const terminal = fileURLToPath(new URL('../../dist/client/terminal.js', import.meta.url));
    writeFileSync(
      program,
      `const { humanTerminal } = await import(${JSON.stringify(terminal)});
     const terminal = humanTerminal({ out: process.stdout, err: process.stderr, now: Date.now });
     terminal.report({ phase: 'scan', path: '/a', done: 1, total: 2 });
     await new Promise((resolve) => setTimeout(resolve, 100));
     // The last report and the result, as a small source brings them: in one turn.
     terminal.report({ phase: 'scan', path: '/a', done: 2, total: 2 });
     terminal.result('done', {});`,
    );
    const command = `${JSON.stringify(process.execPath)} ${JSON.stringify(program)}`;
    const { status, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
      timeout: 4_000,
      encoding: 'utf8',
    });
    expect(stdout).toContain('done');
    expect(status).toBe(0);
  },
);

test.each([
  [0, '0 B'],
  [1, '1 B'],
  [999, '999 B'],
  [1_000, '1.0 kB'],
  [4_300_000, '4.3 MB'],
  [99_949, '99.9 kB'],
  [100_000, '100 kB'],
  [1_073_741_824, '1.1 GB'],
  [5_000_000_000_000, '5.0 TB'],
  [5_000_000_000_000_000, '5000 TB'],
])('%d bytes are %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});

test.each([
  [999_500, '1.0 MB'],
  [99_960, '100 kB'],
  [999_999_999, '1.0 GB'],
])('%d bytes, rounded up past a unit, are %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});
