// State that others can read, or that others put there: mended at the start, or refused before anything is put or removed.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeMailFile } from '../support/mail-file.ts';
import { mailferry, PROGRAM, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

async function device() {
  const root = tempDir();
  const { server, data, state } = await serverAndDevice(root);
  onTestFinished(async () => void (await stop(server)));
  const store = join(root, 'mail.pst');
  makeMailFile(store, 200_000, 4);
  const backup = () =>
    mailferry('backup', store, '--wait', '--snapshot', 'live', '--state', state, '--json').ended;
  return { root, data, state, backup };
}

const modeOf = (file: string) => statSync(file).mode & 0o777;

test("H14: databases are their owner's alone, and one that was not is mended", {
  timeout: 120_000,
}, async () => {
  const { data, state, backup } = await device();
  expect(modeOf(join(data, 'catalogue.db'))).toBe(0o600);
  chmodSync(join(state, 'device.db'), 0o644);
  expect((await backup()).code).toBe(0);
  for (const name of readdirSync(state).filter((each) => /^(device|identity)/.test(each)))
    expect([name, modeOf(join(state, name))]).toEqual([name, 0o600]);
});

for (const name of ['staging', 'fingerprints', 'exports']) {
  test(`H9: ${name} that leads elsewhere is refused, and nothing there is removed`, {
    timeout: 120_000,
  }, async () => {
    const { root, state, backup } = await device();
    const elsewhere = join(root, 'elsewhere');
    mkdirSync(join(elsewhere, 'sub'), { recursive: true });
    writeFileSync(join(elsewhere, 'sub', 'precious'), 'x');
    rmSync(join(state, name), { recursive: true, force: true });
    symlinkSync(elsewhere, join(state, name));
    expect((await backup()).json.error.code).toBe('state_unusable');
    expect(existsSync(join(elsewhere, 'sub', 'precious'))).toBe(true);
  });
}

test('H9: settings that others can write are refused', { timeout: 120_000 }, async () => {
  const file = join(tempDir(), 'settings.json');
  writeFileSync(file, '{"everyMinutes": 20}');
  const shown = () =>
    start(process.execPath, [PROGRAM, 'settings', '--json'], { MAILFERRY_SETTINGS: file }).ended;
  for (const [mode, code] of [
    [0o644, undefined],
    [0o666, 'settings_invalid'],
    [0o664, 'settings_invalid'],
  ] as const) {
    chmodSync(file, mode);
    expect((await shown()).json.error?.code).toBe(code);
  }
});

test.skipIf(process.getuid?.() !== 0)(
  'H9: staging of another user is refused (needs root)',
  { timeout: 120_000 },
  async () => {
    const { state, backup } = await device();
    mkdirSync(join(state, 'staging'), { recursive: true });
    chownSync(join(state, 'staging'), 12_345, 12_345);
    expect((await backup()).json.error.code).toBe('state_unusable');
  },
);
