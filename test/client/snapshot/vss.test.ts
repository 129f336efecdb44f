// The VSS provider with a stand-in for PowerShell: keeps the contract of snapshots, and every way PowerShell can fail has its state
// and its sentence. Windows itself has no say in this file.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import {
  openSnapshot,
  reapSnapshots,
  type SnapshotProvider,
  withSnapshot,
} from '../../../client/snapshot/snapshot.ts';
import { SnapshotJournal } from '../../../client/snapshot/snapshot-journal.ts';
import type { Shadow } from '../../../client/snapshot/vss/answer.ts';
import { RETURN_CODES } from '../../../client/snapshot/vss/return-codes.ts';
import { vssSnapshots } from '../../../client/snapshot/vss.ts';
import { openDeviceDb } from '../../../client/state/device-db.ts';
import type { Failure } from '../../../shared/failure.ts';
import { testSnapshotProvider } from '../../contracts/snapshot.ts';
import { type Asked, type Fault, ShadowHost, VOLUME } from '../../support/shadow-host.ts';
import { tempDir } from '../../support/temp-dir.ts';

const DOUBLE = fileURLToPath(new URL('../../support/powershell-double.mjs', import.meta.url));
const SCRIPT = fileURLToPath(new URL('../../../client/snapshot/vss/shadow-copy.ps1', import.meta.url));

let root: string;
let host: ShadowHost;
/** The clock of everything here, and how long the provider waited by it. */
let clock = 1_700_000_000_000;
let waited: number[] = [];
const now = () => clock;

const provider = (
  more: { program?: string; createDeadlineMs?: number; onPause?: () => void } = {},
): SnapshotProvider =>
  vssSnapshots({
    powershell: { program: more.program ?? DOUBLE, script: SCRIPT },
    now,
    chance: () => 0.5,
    pause: async (ms) => {
      more.onPause?.();
      waited.push(ms);
      clock += ms;
    },
    stop: new AbortController().signal,
    path: posix,
    ...(more.createDeadlineMs ? { createDeadlineMs: more.createDeadlineMs } : {}),
  });

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'mailferry-vss-'));
  const copies = mkdtempSync(join(tmpdir(), 'mailferry-shadows-'));
  host = await ShadowHost.start(`${root}/`, {
    copy: (volume, number) => {
      const copy = join(copies, String(number));
      cpSync(volume.root, copy, { recursive: true });
      return copy;
    },
    drop: (copy) => rmSync(copy, { recursive: true }),
    now,
  });
  process.env.MAILFERRY_SHADOW_HOST = host.url;
  return () => rmSync(copies, { recursive: true });
});
afterAll(() => {
  host.close();
  delete process.env.MAILFERRY_SHADOW_HOST;
  rmSync(root, { recursive: true });
});

testSnapshotProvider('vss', {
  provider: provider(),
  place: () => root,
  left: () => host.shadows.length,
  frozen: true,
  now,
});

describe('what PowerShell may answer', () => {
  let rows: SnapshotJournal;
  const path = () => join(root, 'mail.pst');
  beforeEach(() => {
    host.clear();
    waited = [];
    clock += 600_000;
    writeFileSync(path(), 'mail');
    rows = new SnapshotJournal(openDeviceDb(join(tempDir(), 'device.db')));
  });

  /** Takes a snapshot with `faults` in its way; the failure, and what was told of snapshots left. */
  async function attempt(faults: Fault[], by: SnapshotProvider = provider()) {
    host.fault('create', ...faults);
    const left: Failure[] = [];
    const volume = (await by.volumeOf(path()))!;
    const failure = await withSnapshot(
      by,
      volume,
      { journal: rows, now, onLeft: (each) => left.push(each) },
      async () => null,
    ).catch((error: Failure) => error);
    return { failure, left };
  }

  const returns = (returnValue: number) => (asked: Asked, at: ShadowHost) =>
    at.answer(asked, { returnValue, outlook: false, id: null, device: null });
  const made = (asked: Asked, at: ShadowHost) => at.serve(asked);

  test('a snapshot: made once, deleted once, whether Outlook runs is known', async () => {
    host.outlook = true;
    onTestFinished(() => {
      host.outlook = false;
    });
    const by = provider();
    const volume = (await by.volumeOf(path()))!;
    const { snapshot, close } = await openSnapshot(by, volume, { journal: rows, now });
    expect(snapshot.outlookRunning).toBe(true);
    expect(rows.all()).toMatchObject([{ handle: host.shadows[0]!.id }]);
    await close();
    expect(host.asked.map(({ action }) => action)).toEqual(['look', 'create', 'delete']);
    expect(rows.all()).toEqual([]);
    expect(host.words.at(-1)).toEqual([
      ...['-NoLogo', '-NoProfile', '-NonInteractive', '-InputFormat', 'Text', '-OutputFormat', 'Text'],
      ...['-ExecutionPolicy', 'Bypass', '-File', SCRIPT],
    ]);
  });

  test.each([
    [1, 'snapshot_denied', /no administrator rights/, 1],
    [2, 'snapshot_failed', /for a mistake/, 1],
    [3, 'snapshot_unavailable', /does not find the volume/, 1],
    [4, 'snapshot_unavailable', /can't make shadow copies of the volume/, 1],
    [5, 'snapshot_unavailable', /no client-accessible shadow copies/, 1],
    [6, 'snapshot_storage', /no room for a shadow copy/, 1],
    [7, 'snapshot_failed', /in use in a way/, 2],
    [8, 'snapshot_storage', /as many shadow copies as Windows allows/, 1],
    [10, 'snapshot_failed', /provider of shadow copies refused/, 2],
    [11, 'snapshot_failed', /not registered/, 1],
    [12, 'snapshot_failed', /provider of shadow copies failed/, 2],
    [13, 'snapshot_failed', /did not say why/, 2],
    [99, 'snapshot_failed', /return value 99/, 1],
  ] as const)(
    'return code %d is %s, a sentence, and that many tries',
    async (code, failureCode, sentence, tries) => {
      const { failure, left } = await attempt(Array(tries).fill(returns(code)));
      expect(failure).toMatchObject({ code: failureCode, message: expect.stringMatching(sentence) });
      expect(failure).toMatchObject({ message: expect.stringMatching(/^[^\n{}]+[.]$/) });
      expect(host.count('create')).toBe(tries);
      expect(waited).toEqual(tries === 1 ? [] : [30_000]);
      // Windows made none, so none is looked for and none deleted.
      expect(host.asked.filter(({ action }) => action === 'look')).toHaveLength(1);
      expect(host.deletions).toEqual([]);
      expect(rows.all()).toEqual([]);
      expect(left).toEqual([]);
    },
  );

  test('return code 9, another is being made: again after 5 to 10 s, until the deadline', async () => {
    const { failure } = await attempt(Array(30).fill(returns(9)));
    expect(failure).toMatchObject({
      code: 'snapshot_failed',
      message: expect.stringMatching(/^Another program/),
    });
    // The last one still had 30 s.
    expect(waited).toEqual(Array(12).fill(7_500));
    expect(rows.all()).toEqual([]);
  });

  /** Another program makes one while ours has to wait, and our next try is never answered. */
  const meanwhile =
    (more: Partial<Shadow>): Fault =>
    (asked, at) => {
      at.make({ installed: new Date(clock + 3_000).toISOString(), ...more });
      return returns(9)(asked, at);
    };

  test.each<[string, Fault[]]>([
    ['a restore point that came to be while we waited', [meanwhile({ noWriters: false }), {}]],
    ['one of our kind that came to be while we waited', [meanwhile({}), {}]],
    [
      'a restore point that came to be in the very try',
      [
        returns(9),
        (_, at) => {
          at.make({ noWriters: false });
          return {};
        },
      ],
    ],
  ])('%s is not taken for ours, though ours is nowhere', async (_, faults) => {
    const { failure } = await attempt(faults);
    expect(failure).toMatchObject({ code: 'snapshot_failed' });
    expect(host.count('create')).toBe(2);
    clock += 600_000;
    await reapSnapshots([provider()], { journal: rows, now });
    expect(host.deletions).toEqual([]);
    expect(host.shadows).toHaveLength(1);
    expect(rows.all()).toEqual([]);
  });

  test('one of our kind that came to be while we waited does not keep ours from being deleted', async () => {
    let ours = '';
    await attempt([
      meanwhile({}),
      (_, at) => {
        ours = at.make().id;
        return {};
      },
    ]);
    expect(host.deletions).toEqual([ours]);
    expect(rows.all()).toEqual([]);
  });

  test('the journal tells of the try that is under way, and of nothing while we wait', async () => {
    const began: string[] = [];
    const inTry: Fault = (asked, at) => {
      expect(rows.all()).toMatchObject([{ made_at: new Date(clock).toISOString(), handle: null }]);
      began.push(rows.all()[0]!.made_at);
      return returns(9)(asked, at);
    };
    const inWait: number[] = [];
    const by = provider({ onPause: () => inWait.push(rows.all().length) });
    const { failure } = await attempt([inTry, inTry], by);
    expect(failure).toBeNull();
    expect(new Set(began).size).toBe(2);
    expect(inWait).toEqual([0, 0]);
    expect(host.deletions).toHaveLength(1);
  });

  test.each([7, 9, 10, 12, 13])('return code %d that passes is no failure', async (code) => {
    const { failure } = await attempt([returns(code)]);
    expect(failure).toBeNull();
    expect(host.count('create')).toBe(2);
    expect(host.deletions).toHaveLength(1);
  });

  test('the table has every code of Microsoft’s', () => {
    expect(Object.keys(RETURN_CODES).map(Number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
  });

  test.each([
    [
      'WBEM access denied',
      'HRESULT 0x80041003,Microsoft.Management.Infrastructure.CimCmdlets',
      'NotSpecified',
      'snapshot_denied',
    ],
    ['COM access denied', 'HRESULT 0x80070005,x', 'NotSpecified', 'snapshot_denied'],
    ['a category alone', 'x', 'PermissionDenied', 'snapshot_denied'],
    ['no room, as VSS says it', 'HRESULT 0x8004231F,x', 'NotSpecified', 'snapshot_storage'],
    ['too many, as VSS says it', 'HRESULT 0x80042317,x', 'NotSpecified', 'snapshot_storage'],
    ['anything else', 'HRESULT 0x80041010,x', 'NotSpecified', 'snapshot_failed'],
  ])('an error in place of a return code: %s', async (_, error, category, code) => {
    const { failure } = await attempt([(asked, at) => at.problem(asked, error, category, 'Odmowa dostępu.')]);
    expect(failure).toMatchObject({ code });
    expect(host.deletions).toEqual([]);
  });

  const HRESULTS = [
    ['8004230e', 'snapshot_unavailable', /can't make shadow copies of the volume/, 1],
    ['8004230f', 'snapshot_failed', /provider of shadow copies failed/, 2],
    ['80042313', 'snapshot_failed', /programs wrote to the disk for longer than Windows waits/, 2],
    ['80042314', 'snapshot_failed', /programs wrote to the disk for longer than Windows waits/, 2],
    [
      '80070422',
      'snapshot_unavailable',
      /service "Volume Shadow Copy" is disabled; set its start type to Manual/,
      1,
    ],
  ] as const;
  const ways: [string, (hresult: string) => Fault][] = [
    ['the id of an error', (hresult) => (asked, at) => at.problem(asked, `HRESULT 0x${hresult},Cim`)],
    [
      'the message of a generic error',
      (hresult) => (asked, at) =>
        at.problem(
          asked,
          'HRESULT 0x80041001,Cim',
          'NotSpecified',
          `Fehler (0x${hresult.toUpperCase()})\r\n`,
        ),
    ],
    ['a return value', (hresult) => returns(Number.parseInt(hresult, 16))],
    ['a return value with a sign', (hresult) => returns(Number.parseInt(hresult, 16) - 2 ** 32)],
  ];
  test.each(HRESULTS.flatMap((row) => ways.map(([way, fault]) => [...row, way, fault] as const)))(
    'C22: %s is %s, %s, and %d tries, as %s',
    async (hresult, code, sentence, tries, _, fault) => {
      const { failure, left } = await attempt(Array(tries).fill(fault(hresult)));
      expect(failure).toMatchObject({ code, message: expect.stringMatching(sentence) });
      expect(failure).toMatchObject({ message: expect.stringMatching(/^[^\n\r{}]+[^.]\.$/) });
      expect(host.count('create')).toBe(tries);
      expect(waited).toEqual(tries === 1 ? [] : [30_000]);
      expect(rows.all()).toEqual([]);
      expect(left).toEqual([]);
    },
  );

  test.each<[string, string, string]>([
    [
      'a method',
      'MethodInvocationNotSupportedInConstrainedLanguage,Microsoft.X',
      'Cannot invoke method. Method invocation is supported only on core types in this language mode.',
    ],
    [
      'a type, with a category of its own',
      'CannotCreateTypeConstrainedLanguage,X',
      'Der Typ kann nicht erstellt werden.',
    ],
    ['its mode by the message alone', 'x', 'It cannot run in this language mode.'],
  ])('C22: Constrained Language Mode that stops %s is named, with what to allow', async (_, id, message) => {
    const { failure } = await attempt([(asked, at) => at.problem(asked, id, 'PermissionDenied', message)]);
    expect(failure).toMatchObject({
      code: 'snapshot_denied',
      message: expect.stringMatching(/Constrained Language Mode .*; allow shadow-copy\.ps1 .*[^.]\.$/),
    });
    expect(host.count('create')).toBe(1);
  });

  test('C22: Constrained Language Mode in place of an answer is named too, and what may have been made is looked for', async () => {
    const body =
      'Cannot invoke method.\r\n    + FullyQualifiedErrorId : MethodInvocationNotSupportedInConstrained\r\n   Language';
    const { failure } = await attempt([
      (_, at) => {
        at.make();
        return { stderr: body, code: 1 };
      },
    ]);
    expect(failure).toMatchObject({
      code: 'snapshot_denied',
      message: expect.stringMatching(/^Windows PowerShell runs in Constrained Language Mode [^\r\n]+\.$/),
    });
    expect(host.shadows).toEqual([]);
    expect(rows.all()).toEqual([]);
  });

  test('C22: a disabled service is named where shadow copies are only asked for', async () => {
    host.fault('look', (asked, at) => at.problem(asked, 'HRESULT 0x80070422,x'));
    await expect(provider().volumeOf(path())).rejects.toMatchObject({
      code: 'snapshot_unavailable',
      message: expect.stringMatching(/^Windows could not list the volumes: .*is disabled; set .* Manual\.$/),
    });
  });

  const CLIXML =
    '#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04"><S S="Error">Invoke-CimMethod : Access &lt;x&gt; is odd_x000D__x000A_</S><S S="progress">nothing</S></Objs>';
  test.each<[string, Fault, string, RegExp]>([
    ['nothing, with exit code 0', {}, 'snapshot_failed', /said nothing although it claims success/],
    ['nothing, with exit code 1', { code: 1 }, 'snapshot_failed', /ended with code 1\.$/],
    [
      'garbage',
      { stdout: 'Loading personal profile...\r\n' },
      'snapshot_failed',
      /gave no answer: Loading personal/,
    ],
    ['half a frame', { stdout: '<<mailferry:{"request":' }, 'snapshot_failed', /gave no answer/],
    ['a frame without JSON', { stdout: '<<mailferry:oops:mailferry>>' }, 'snapshot_failed', /no JSON/],
    [
      'an answer to another request',
      (_, at) => at.answer({ action: 'create', request: 'other' }, { returnValue: 0 }),
      'snapshot_failed',
      /answer to something else/,
    ],
    [
      'a result of another shape',
      (asked, at) => at.answer(asked, { returnValue: 'nought' }),
      'snapshot_failed',
      /answer to something else/,
    ],
    [
      'CLIXML on standard error',
      { stderr: CLIXML, code: 1 },
      'snapshot_failed',
      /code 1: Invoke-CimMethod : Access <x> is odd\.$/,
    ],
    ['CLIXML on standard output', { stdout: CLIXML }, 'snapshot_failed', /gave no answer: Invoke-CimMethod/],
    [
      'a policy that forbids scripts',
      {
        stderr: 'File shadow-copy.ps1 cannot be loaded.\r\n + FullyQualifiedErrorId : UnauthorizedAccess',
        code: 1,
      },
      'snapshot_denied',
      /not allowed to run the script/,
    ],
    [
      'its end by another program',
      { kill: 'SIGKILL' },
      'snapshot_failed',
      /ended by another program \(SIGKILL\)/,
    ],
    [
      'megabytes without a frame',
      { stdout: 'x'.repeat(3_000_000) },
      'snapshot_failed',
      /gave no answer: x{200}\.\.\.\.$/,
    ],
  ])('no answer but %s', async (_, fault, code, sentence) => {
    const { failure, left } = await attempt([fault]);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(sentence) });
    expect(failure).toMatchObject({ message: expect.stringMatching(/^Windows PowerShell [^\n\r]+\.$/) });
    expect(host.count('create')).toBe(1);
    expect(host.deletions).toEqual([]);
    expect(left).toEqual([]);
    // One may have been made all the same: the journal remembers, until it would have shown itself.
    const sure = code === 'snapshot_denied';
    expect(rows.all()).toHaveLength(sure ? 0 : 1);
    clock += 600_000;
    await reapSnapshots([provider()], { journal: rows, now });
    expect(rows.all()).toEqual([]);
    expect(host.deletions).toEqual([]);
  });

  test('an answer that the console broke into lines is one answer', async () => {
    const { failure } = await attempt([
      async (asked, at) => {
        const { stdout } = await at.serve(asked);
        return { stdout: `\r\nprofile says hello\r\n${stdout!.replace(/(.{80})/g, '$1\r\n')}` };
      },
    ]);
    expect(failure).toBeNull();
    expect(host.deletions).toHaveLength(1);
  });

  test('a time-out: PowerShell is ended, and what Windows made all the same is deleted, once', async () => {
    const { failure } = await attempt(
      [
        async (asked, at) => {
          await made(asked, at);
          return { hang: true };
        },
      ],
      provider({ createDeadlineMs: 1_000 }),
    );
    expect(failure).toMatchObject({
      code: 'snapshot_failed',
      message: expect.stringMatching(/within 1 s\.$/),
    });
    expect(host.shadows).toEqual([]);
    expect(host.deletions).toHaveLength(1);
    expect(rows.all()).toEqual([]);
  });

  test('no PowerShell', async () => {
    const by = provider({ program: '/nowhere/powershell.exe' });
    await expect(by.volumeOf(path())).rejects.toMatchObject({
      code: 'snapshot_unavailable',
      message: 'Windows PowerShell is not there: /nowhere/powershell.exe.',
    });
  });

  test('one that was made but not found again is deleted by its id', async () => {
    const { failure } = await attempt([
      async (asked, at) => {
        const { id } = at.make();
        return at.answer(asked, { returnValue: 0, outlook: false, id, device: null });
      },
    ]);
    expect(failure).toMatchObject({
      code: 'snapshot_failed',
      message: expect.stringMatching(/can't be found/),
    });
    expect(host.deletions).toHaveLength(1);
    expect(host.shadows).toEqual([]);
  });

  test('one that comes after we gave up is deleted by the next run', async () => {
    const { failure } = await attempt([{}]);
    expect(failure).toMatchObject({ code: 'snapshot_failed' });
    expect(rows.all()).toHaveLength(1);
    clock += 30_000;
    const late = host.make();
    expect(await reapSnapshots([provider()], { journal: rows, now })).toBe(1);
    expect(host.deletions).toEqual([late.id]);
    expect(await reapSnapshots([provider()], { journal: rows, now })).toBe(0);
    expect(host.deletions).toEqual([late.id]);
  });

  test('never those of others: older, newer, of another volume, of another kind, or known as another of ours', async () => {
    const other = '\\\\?\\Volume{99999999-2222-3333-4444-555555555555}\\';
    host.look.volumes.push({ device: other, name: '/', fileSystem: 'NTFS', driveType: 3, free: 1 });
    onTestFinished(() => void host.look.volumes.pop());
    const at = (offset: number) => new Date(clock + offset).toISOString();
    const copies = { device: tempDir() };
    host.shadows.push(
      {
        id: '{00000000-0000-0000-0000-000000000001}',
        volume: VOLUME,
        ...copies,
        clientAccessible: true,
        noWriters: true,
        installed: at(-1),
      },
      {
        id: '{00000000-0000-0000-0000-000000000002}',
        volume: VOLUME,
        ...copies,
        clientAccessible: true,
        noWriters: true,
        installed: at(180_001),
      },
      {
        id: '{00000000-0000-0000-0000-000000000003}',
        volume: other,
        ...copies,
        clientAccessible: true,
        noWriters: true,
        installed: at(1),
      },
      {
        id: '{00000000-0000-0000-0000-000000000004}',
        volume: VOLUME,
        ...copies,
        clientAccessible: false,
        noWriters: true,
        installed: at(1),
      },
      // As those of System Restore are.
      {
        id: '{00000000-0000-0000-0000-000000000006}',
        volume: VOLUME,
        ...copies,
        clientAccessible: true,
        noWriters: false,
        installed: at(1),
      },
      {
        id: '{00000000-0000-0000-0000-000000000005}',
        volume: VOLUME,
        ...copies,
        clientAccessible: true,
        noWriters: true,
        installed: at(1),
      },
    );
    const entry = { provider: 'vss', volume: `${root}/`, made_at: at(0) };
    const held = { ...entry, id: 'held', handle: '{00000000-0000-0000-0000-000000000005}' };
    expect(await provider().remove({ ...entry, id: 'x', handle: null }, [held])).toBe(false);
    expect(host.deletions).toEqual([]);
    host.shadows.length = 0;
  });

  test('two that may be ours: none is deleted, and it is said', async () => {
    rows.expect({ id: 'asked', provider: 'vss', volume: `${root}/`, made_at: new Date(clock).toISOString() });
    const [a, b] = [host.make(), host.make()];
    const left: Failure[] = [];
    const surroundings = { journal: rows, now, onLeft: (failure: Failure) => left.push(failure) };
    expect(await reapSnapshots([provider()], surroundings)).toBe(0);
    expect(left[0]!.message).toContain(a.id);
    expect(left[0]!.message).toContain(b.id);
    expect(host.deletions).toEqual([]);
    expect(rows.all()).toHaveLength(1);
  });

  test('a deletion that is refused is said, kept in the journal and asked for again', async () => {
    host.fault('delete', (asked, at) => at.problem(asked, 'HRESULT 0x80041003,x', 'PermissionDenied'));
    const { failure, left } = await attempt([]);
    expect(failure).toBeNull();
    expect(left).toMatchObject([
      { code: 'snapshot_denied', message: expect.stringContaining('could not delete') },
    ]);
    expect(rows.all()).toHaveLength(1);
    expect(await reapSnapshots([provider()], { journal: rows, now })).toBe(1);
    expect(new Set(host.deletions).size).toBe(1);
    expect(host.shadows).toEqual([]);
  });

  test('a process that died between the deletion and its note: it is not asked for again', async () => {
    const by = provider();
    const volume = (await by.volumeOf(path()))!;
    const { close } = await openSnapshot(by, volume, { journal: rows, now });
    const asAtTheDeath = new SnapshotJournal(openDeviceDb(join(tempDir(), 'device.db')));
    const [entry] = rows.all();
    asAtTheDeath.expect(entry!);
    asAtTheDeath.made(entry!.id, entry!.handle!);
    await close();
    expect(host.count('delete')).toBe(1);
    expect(await reapSnapshots([by], { journal: asAtTheDeath, now })).toBe(1);
    expect(asAtTheDeath.all()).toEqual([]);
    expect(host.count('delete')).toBe(1);
    expect(host.deletions).toHaveLength(1);
  });

  test('where three can’t be deleted, no fourth is made', async () => {
    const refused: Fault = (asked, at) => at.problem(asked, 'blocked');
    host.fault('delete', refused, refused, refused);
    for (let i = 0; i < 3; i++) expect((await attempt([])).failure).toBeNull();
    const { failure } = await attempt([]);
    expect(failure).toMatchObject({
      code: 'snapshot_failed',
      message: expect.stringMatching(/^3 earlier snapshots/),
    });
    expect(host.count('create')).toBe(3);
    await reapSnapshots([provider()], { journal: rows, now });
    expect((await attempt([])).failure).toBeNull();
  });

  test('shadow storage that is full while it is read: the snapshot counts as lost', async () => {
    const by = provider();
    const volume = (await by.volumeOf(path()))!;
    const { snapshot, close } = await openSnapshot(by, volume, { journal: rows, now });
    const { Failure } = await import('../../../shared/failure.ts');
    const unreadable = new Failure('source_unreadable', 'mail.pst can’t be read at byte 5: EIO.');
    expect(await snapshot.judge(unreadable)).toBe(unreadable);
    const locked = new Failure('source_locked', 'mail.pst is locked.');
    expect(await snapshot.judge(locked)).toMatchObject({
      code: 'snapshot_lost',
      message: expect.stringMatching(/was locked/),
    });
    host.lose(host.shadows[0]!.id);
    expect(await snapshot.judge(unreadable)).toMatchObject({
      code: 'snapshot_lost',
      message: `The snapshot of ${root}/ went away: mail.pst can’t be read at byte 5: EIO.`,
      retry: 'now',
    });
    const full = new Failure('staging_full', 'Full.');
    expect(await snapshot.judge(full)).toBe(full);
    await close();
    expect(rows.all()).toEqual([]);
  });
});
