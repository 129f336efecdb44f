// A set in place of an older database: cut, stopped and failing at every point, and the older one is as it was until all is there.
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path, { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import { type KindRestore, restoreKind } from '../../../client/restoring/restore-kind.ts';
import type { VersionSummary } from '../../../shared/protocol.ts';
import { SIGNED_FOR, signedVersion } from '../../support/client/signed-version.ts';
import { tempDir } from '../../support/temp-dir.ts';

const NEW = {
  'a.dat': 'the restored accounts, which are long enough to be cut',
  'b.dat': 'the restored mail',
};
const OLD = {
  'a.dat': 'accounts',
  'a.dat-wal': 'what was committed last',
  'a.dat-shm': 'shared',
  'b.dat': 'mail',
  Inbox: 'alone',
};

let home: string;
let keepIn: string;
let said: string[];
/** What was asked of the server: name, and from where on. */
let asked: string[];

beforeEach(() => {
  home = join(tempDir(), 'jan');
  keepIn = join(tempDir(), 'kept');
  mkdirSync(home);
  for (const [name, content] of Object.entries(OLD)) writeFileSync(join(home, name), content);
  said = [];
  asked = [];
});

const versionOf = (name: keyof typeof NEW): VersionSummary =>
  signedVersion(
    {
      id: `0199a0e0-7b1c-4000-8000-00000000000${Object.keys(NEW).indexOf(name)}`,
      sequence: 1,
      path: join(home, name),
      kind: 'mail-client',
      mtime: '2026-11-24T08:00:00.000Z',
      takenAt: '2026-11-24T08:00:00.000Z',
      receivedAt: '2026-11-24T08:00:00.000Z',
      complete: true,
      snapshot: 'vss',
      health: 'not-a-store',
      healthNotes: [],
    },
    Buffer.from(NEW[name]),
  );

interface Chances {
  /** What a server answers that is not well. */
  readonly answer?: (name: string) => Readable | undefined;
  readonly onSay?: (sentence: string) => void;
  readonly stop?: AbortController;
  readonly processes?: () => Promise<{ name: string }[]>;
  readonly dryRun?: boolean;
}

function restoreSet({ answer, onSay, stop, processes, dryRun = false }: Chances = {}) {
  const versions = [versionOf('a.dat'), versionOf('b.dat')];
  const request = async (_: string, route: string, { headers }: { headers: { range?: string } }) => {
    const version = versions.find(({ id }) => route.includes(id))!;
    const name = basename(version.path) as keyof typeof NEW;
    const from = Number(/\d+/.exec(headers.range ?? '0'));
    asked.push(`${name} ${from}`);
    const body = answer?.(name) ?? Readable.from([Buffer.from(NEW[name].slice(from))]);
    const range = `bytes ${from}-${NEW[name].length - 1}/${NEW[name].length}`;
    return from > 0
      ? { status: 206, headers: { 'content-range': range }, body }
      : { status: 200, headers: {}, body };
  };
  const say = (sentence: string) => {
    said.push(sentence);
    onSay?.(sentence);
  };
  const user = { name: 'jan', sid: null, key: null, home, roaming: home, local: home, documents: home };
  const context = {
    server: { request },
    identity: SIGNED_FOR,
    progress: { say, report: () => {}, clear: () => {} },
    stop: (stop ?? new AbortController()).signal,
    chance: () => 0,
    here: { path, user, signatures: 'Signatures', isOwn: () => true },
    registry: null,
    processes: processes ?? (async () => []),
    keepIn,
    scratch: home,
  } as unknown as KindRestore;
  const sets = new Map(versions.map((version) => [version.path, `set:${home}`]));
  const options = {
    kind: 'mail-client',
    from: undefined,
    into: null,
    overwrite: true,
    dryRun,
    sets,
  } as const;
  return restoreKind(context, versions, options);
}

/** What lies in the folder, but for what a restore goes on from. */
function there(): Record<string, string> {
  const names = readdirSync(home).filter((name) => !name.endsWith('.mailferry-part'));
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(home, name), 'utf8')]));
}
const parts = () => readdirSync(home).filter((name) => name.endsWith('.mailferry-part'));
const keptFiles = () =>
  existsSync(keepIn)
    ? readdirSync(keepIn).map((name) => [name.slice(4), readFileSync(join(keepIn, name), 'utf8')])
    : [];

const DONE = { ...NEW, Inbox: OLD.Inbox };
const KEPT = ['a.dat', 'a.dat-shm', 'a.dat-wal', 'b.dat'].map((name) => [
  name,
  OLD[name as keyof typeof OLD],
]);

describe('a set over an older database', () => {
  test('is in place whole; all that was there is kept, told, and named', async () => {
    const { restored, left, kept } = await restoreSet();
    expect(there()).toEqual(DONE);
    expect(keptFiles().sort()).toEqual(KEPT);
    expect([...kept].sort()).toEqual(readdirSync(keepIn).map((name) => join(keepIn, name)));
    expect(restored.map(({ to, kept }) => [basename(to), readFileSync(kept!, 'utf8')])).toEqual([
      ['a.dat', OLD['a.dat']],
      ['b.dat', OLD['b.dat']],
    ]);
    expect(left).toEqual([]);
    for (const name of ['a.dat-wal', 'a.dat-shm']) {
      const about = said.filter((sentence) => sentence.startsWith(`${join(home, name)}: `));
      expect(about).toEqual([
        expect.stringContaining('makes room'),
        expect.stringContaining(`what was there is in ${keepIn}`),
      ]);
    }
    // Told before anything has its new name, and nothing was touched before all had come.
    expect(said[0]).toContain('a.dat-wal: makes room');
  });

  test('in a dry run what would be put aside is told too', async () => {
    const { left } = await restoreSet({ dryRun: true });
    expect(left.map(({ to, action }) => [basename(to!), action])).toEqual([
      ['a.dat', 'replace'],
      ['b.dat', 'replace'],
      ['a.dat-wal', 'put aside'],
      ['a.dat-shm', 'put aside'],
    ]);
    expect(there()).toEqual(OLD);
    expect(asked).toEqual([]);
  });

  test('stopped while the second file comes: as it was, and the next restore goes on', async () => {
    const stop = new AbortController();
    const cut = async function* () {
      yield Buffer.from(NEW['b.dat'].slice(0, 5));
      stop.abort();
      throw new Error('cut');
    };
    const answer = (name: string) => (name === 'b.dat' ? Readable.from(cut()) : undefined);
    await expect(restoreSet({ answer, stop })).rejects.toThrow();
    expect(there()).toEqual(OLD);
    expect(existsSync(keepIn)).toBe(false);
    expect(said.join('\n')).not.toContain('makes room');
    expect(parts()).toHaveLength(2);

    await restoreSet();
    expect(asked).toEqual(['a.dat 0', 'b.dat 0', 'b.dat 5']);
    expect(there()).toEqual(DONE);
    expect(parts()).toEqual([]);
    expect(keptFiles().sort()).toEqual(KEPT);
  });

  test('whose second file can not have its place: as it was, and the next restore fetches nothing', async () => {
    // A program that starts just then makes one of its own.
    rmSync(join(home, 'b.dat'));
    const onSay = (sentence: string) => {
      if (sentence.includes('a.dat-shm: makes room')) writeFileSync(join(home, 'b.dat'), 'somebody else');
    };
    const failure = await restoreSet({ onSay }).catch((error) => error);
    expect(failure).toMatchObject({
      code: 'set_not_placed',
      message: `A set could not be put in place (${join(home, 'b.dat')} exists already); all is as it was.`,
    });
    expect(there()).toEqual({ ...OLD, 'b.dat': 'somebody else' });
    expect(parts()).toHaveLength(2);
    expect(existsSync(keepIn)).toBe(false);

    asked = [];
    await restoreSet();
    expect(asked).toEqual([]);
    expect(there()).toEqual(DONE);
    expect(keptFiles()).toContainEqual(['b.dat', 'somebody else']);
  });

  test('where not all can be put back: told which file is where, and nothing is lost', async () => {
    rmSync(join(home, 'b.dat'));
    const onSay = (sentence: string) => {
      if (!sentence.includes('a.dat-shm: makes room')) return;
      for (const name of ['b.dat', 'a.dat-wal']) writeFileSync(join(home, name), 'somebody else');
    };
    const { message } = await restoreSet({ onSay }).catch((error) => error);
    const [, before] = /not all could be put back: what was \S+a\.dat-wal is (\S+)\.$/.exec(message) ?? [];
    expect(readFileSync(before!, 'utf8')).toBe(OLD['a.dat-wal']);
    expect(there()).toMatchObject({ 'a.dat': OLD['a.dat'], 'a.dat-shm': OLD['a.dat-shm'] });

    // The next one keeps what that left as well.
    const { kept } = await restoreSet();
    expect(there()).toEqual(DONE);
    expect(keptFiles()).toContainEqual(['a.dat-wal', OLD['a.dat-wal']]);
    expect(keptFiles()).toContainEqual(['a.dat-wal', 'somebody else']);
    expect(kept).toHaveLength(keptFiles().length);
  });

  test('when its program was started while the files came: as it was', async () => {
    let looks = 0;
    const processes = async () => (++looks > 1 ? [{ name: 'thunderbird' }] : []);
    await expect(restoreSet({ processes })).rejects.toMatchObject({ code: 'program_running' });
    expect(there()).toEqual(OLD);
    expect(parts()).toHaveLength(2);
  });

  test('of which only the log of an older database is in the way: not while its program runs', async () => {
    for (const name of ['a.dat', 'b.dat'] as const) writeFileSync(join(home, name), NEW[name]);
    const processes = async () => [{ name: 'thunderbird' }];
    await expect(restoreSet({ processes })).rejects.toMatchObject({ code: 'program_running' });
    expect(there()).toEqual({ ...OLD, ...NEW });
    await restoreSet();
    expect(there()).toEqual(DONE);
  });

  test('what can not be kept in the folder for it stays beside, and is named', async () => {
    writeFileSync(keepIn, 'no folder');
    const { kept } = await restoreSet();
    expect(there()).toMatchObject(DONE);
    expect(kept.map((file) => readFileSync(file, 'utf8')).sort()).toEqual(
      KEPT.map(([, content]) => content).sort(),
    );
    expect(said.filter((sentence) => sentence.includes('stays there'))).toHaveLength(4);
  });

  test('a part that is a second name of a file in use is not written to', async () => {
    const [version, target] = [versionOf('a.dat'), join(home, 'a.dat')];
    writeFileSync(target, 'x'.repeat(200));
    linkSync(target, join(home, `.a.dat.${version.id}.mailferry-part`));
    await restoreSet();
    expect(there()).toEqual(DONE);
    expect(keptFiles()).toContainEqual(['a.dat', 'x'.repeat(200)]);
  });
});
