// State that others can read, or that others put there: mended at the start, or refused before anything is put or removed.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
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

test('H9: settings that others can write or put there are refused', { timeout: 120_000 }, async () => {
  const folder = join(tempDir(), 'mailferry');
  mkdirSync(folder);
  const file = join(folder, 'settings.json');
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
  chmodSync(file, 0o644);
  chmodSync(folder, 0o777);
  expect((await shown()).json.error?.code).toBe('settings_invalid');
});

test('H9: a state directory that others could write is mended, and refused where they did', {
  timeout: 120_000,
}, async () => {
  const { state, backup } = await device();
  chmodSync(state, 0o777);
  expect((await backup()).code).toBe(0);
  expect(modeOf(state)).toBe(0o755);
  chmodSync(state, 0o777);
  symlinkSync('/etc', join(state, 'replaced'));
  expect((await backup()).json.error.code).toBe('state_unusable');
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

test.skipIf(process.getuid?.() !== 0)(
  'H9: a state directory that another user made beforehand is set aside whole, and refused where one is in use (needs root)',
  { timeout: 120_000 },
  async () => {
    const root = tempDir();
    const state = join(root, 'state');
    const precious = join(root, 'precious');
    writeFileSync(precious, 'x');
    mkdirSync(state);
    symlinkSync(root, join(state, 'staging'));
    writeFileSync(join(state, 'identity.json'), '{}');
    chownSync(state, 12_345, 12_345);
    const { server } = await serverAndDevice(root);
    onTestFinished(async () => void (await stop(server)));
    expect(readFileSync(precious, 'utf8')).toBe('x');
    const aside = readdirSync(root).find((name) => name.startsWith('state.of-another-'));
    expect(readdirSync(join(root, aside!)).sort()).toEqual(['identity.json', 'staging']);
    expect(readdirSync(state)).toContain('identity.json');
    chownSync(state, 12_345, 12_345);
    const { json } = await mailferry('status', '--state', state, '--json').ended;
    expect(json.error.code).toBe('state_unusable');
  },
);

test.skipIf(process.getuid?.() !== 0)(
  "H9: a device is not made in another user's own folder (needs root)",
  { timeout: 120_000 },
  async () => {
    const home = join(tempDir(), 'jan');
    const state = join(home, 'state');
    mkdirSync(state, { recursive: true });
    for (const folder of [home, state]) chownSync(folder, 12_345, 12_345);
    const words = ['--server', 'http://127.0.0.1:9', '--token', 'x', '--state', state, '--json'];
    expect((await mailferry('enroll', ...words).ended).json.error.code).toBe('state_unusable');
    expect(readdirSync(home)).toEqual(['state']);
  },
);
