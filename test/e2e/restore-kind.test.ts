// Everything of a kind back to where it belongs, by the built program: dry run, restore, what is there kept, programs closed.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { samplePaths } from '../support/mail-file.ts';
import { PROGRAM, serverAndDevice, start, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

/** A home folder with a Thunderbird profile and a store, and the program run in it. */
async function homeWithMail() {
  const root = tempDir();
  const { server, state } = await serverAndDevice(root);
  const home = join(root, 'Józef 邮件');
  const profile = join(home, '.thunderbird', 'p.domyślny');
  const files = {
    [join(home, '.thunderbird', 'profiles.ini')]: '[Profile0]\nName=a\nIsRelative=1\nPath=p.domyślny\n',
    [join(profile, 'prefs.js')]: '// none\n',
    [join(profile, 'Mail', 'Local Folders', 'Wysłane 📬')]: 'From - \nSubject: a\n\nb\n',
    [join(profile, 'Mail', 'Local Folders', 'Wysłane 📬.msf')]: 'built again',
  };
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  const run = (...words: string[]) =>
    start(process.execPath, [PROGRAM, ...words, '--state', state, '--json'], { HOME: home }).ended;
  return { root, server, state, home, profile, run };
}

describe('restore --kind', () => {
  test('mail-client: told, done, left where something else is, replaced where told, kept aside', async () => {
    const { root, server, state, profile, home, run } = await homeWithMail();
    const backup = await run('backup', '--wait', '--snapshot', 'live');
    expect(backup).toMatchObject({ code: 0, json: { failed: [] } });
    // Three files, and the list of the profile's set.
    expect(backup.json.versions).toHaveLength(4);
    const inbox = join(profile, 'Mail', 'Local Folders', 'Wysłane 📬');
    const content = readFileSync(inbox, 'utf8');
    rmSync(profile, { recursive: true });

    const dry = await run('restore', '--kind', 'mail-client', '--dry-run');
    expect(dry).toMatchObject({ code: 0, json: { dryRun: true, restored: [] } });
    expect(dry.json.left.map(({ to, action }: { to: string; action: string }) => [to, action])).toEqual([
      [inbox, 'write'],
      [join(profile, 'prefs.js'), 'write'],
      [join(home, '.thunderbird', 'profiles.ini'), 'same'],
    ]);
    expect(existsSync(profile)).toBe(false);

    expect(await run('restore', '--kind', 'mail-client')).toMatchObject({ code: 0, json: { kept: [] } });
    expect(readFileSync(inbox, 'utf8')).toBe(content);

    writeFileSync(inbox, 'newer mail');
    const left = await run('restore', '--kind', 'mail-client');
    expect(left.code).toBe(1);
    expect(left.json.left).toContainEqual(expect.objectContaining({ to: inbox, action: 'exists' }));
    expect(readFileSync(inbox, 'utf8')).toBe('newer mail');

    const replaced = await run('restore', '--kind', 'mail-client', '--overwrite');
    expect(replaced.code).toBe(0);
    expect(readFileSync(inbox, 'utf8')).toBe(content);
    const [kept] = replaced.json.kept;
    expect(dirname(dirname(kept))).toBe(join(state, 'replaced'));
    expect(readFileSync(kept, 'utf8')).toBe('newer mail');

    const to = join(root, 'elsewhere');
    expect(await run('restore', '--kind', 'mail-client', '--to', to)).toMatchObject({ code: 0 });
    expect(readFileSync(join(to, inbox), 'utf8')).toBe(content);
    await stop(server);
  });

  test('nothing is written while the program runs that would write over it', async () => {
    const { root, server, profile, run } = await homeWithMail();
    await run('backup', '--wait', '--snapshot', 'live');
    rmSync(profile, { recursive: true });
    const program = join(root, 'thunderbird');
    copyFileSync('/bin/sleep', program);
    const running = start(program, ['60']);
    const refused = await run('restore', '--kind', 'mail-client');
    expect(refused).toMatchObject({ code: 1, json: { error: { code: 'program_running' } } });
    expect(existsSync(profile)).toBe(false);
    running.child.kill('SIGKILL');
    await running.ended;
    expect(await run('restore', '--kind', 'mail-client')).toMatchObject({ code: 0 });
    await stop(server);
  });

  test('what can not be meant is refused before anything is asked for', async () => {
    const { server, run } = await homeWithMail();
    for (const words of [
      [],
      ['/a', '--kind', 'pst'],
      ['--kind', 'letters'],
      ['--kind', 'pst', '--version', 'x'],
      ['/a', '--at', 'noon'],
    ]) {
      expect(await run('restore', ...words)).toMatchObject({ code: 2, json: { error: { code: 'usage' } } });
    }
    expect(await run('restore', '--kind', 'mapi-profiles')).toMatchObject({
      json: { error: { code: 'not_found' } },
    });
    await stop(server);
  });
});

describe('restore of a path without --to', () => {
  test('a store goes to its place, beside what is there, and is found there again; an OST is refused', async () => {
    const { server, home, run } = await homeWithMail();
    const [sample, ost] = samplePaths();
    const store = join(home, 'Pliki', 'archiwum żółte.pst');
    mkdirSync(dirname(store));
    copyFileSync(sample!, store);
    await run('backup', store, ost!, '--wait', '--snapshot', 'live');
    const bytes = readFileSync(store);

    rmSync(store);
    const placed = await run('restore', store);
    expect(placed).toMatchObject({ code: 0, json: { restored: [{ to: store, kept: null }] } });
    expect(readFileSync(store).equals(bytes)).toBe(true);

    writeFileSync(store, 'in use');
    const beside = await run('restore', store);
    expect(beside.code).toBe(0);
    const [{ to }] = beside.json.restored;
    expect(basename(to)).toMatch(/^archiwum żółte \(\d{4}-\d{2}-\d{2} \d{4}\)\.pst$/);
    expect(readFileSync(to).equals(bytes)).toBe(true);
    expect(readFileSync(store, 'utf8')).toBe('in use');
    expect(await run('restore', store)).toMatchObject({
      code: 0,
      json: { restored: [], left: [{ to, action: 'same' }] },
    });
    expect(readdirSync(dirname(store))).toHaveLength(2);

    const old = join(home, 'old.pst');
    const dry = await run('restore', store, '--to', old, '--dry-run');
    expect(dry).toMatchObject({ code: 0, json: { dryRun: true, left: [{ to: old, action: 'write' }] } });
    expect(existsSync(old)).toBe(false);
    expect(await run('restore', store, '--to', old)).toMatchObject({ code: 0, json: { path: old } });

    const refused = await run('restore', ost!);
    expect(refused).toMatchObject({ code: 1, json: { left: [{ action: 'refused' }] } });
    const live = await run('restore', ost!, '--to', join(home, 'Microsoft', 'Outlook', 'x.ost'));
    expect(live.json.error.code).toBe('target_refused');
    expect(await run('restore', ost!, '--to', join(home, 'x.ost'))).toMatchObject({ code: 0 });
    await stop(server);
  });
});
