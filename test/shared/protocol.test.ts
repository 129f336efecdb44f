// What comes over the wire is taken as the protocol describes it, or refused with the place of every mistake.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_VERSION_BYTES } from '../../shared/block.ts';
import {
  CommitRequest,
  EnrolRequest,
  PackId,
  Problem,
  VersionId,
  VersionList,
  VersionQuery,
  VersionSummary,
} from '../../shared/protocol.ts';
import { ROUTES } from '../../shared/routes.ts';
import { MAX_PATH_BYTES } from '../../shared/stored-path.ts';
import { sha256Hex } from './sha256.ts';

const ID = '0199a0e0-7b1c-7000-8000-0123456789ab';
const HASH = sha256Hex('x');

const commit: CommitRequest = {
  path: 'C:\\Users\\a\\Outlook\\archive.pst',
  kind: 'pst',
  base: ID,
  complete: true,
  size: 1_024,
  mtime: '2025-11-24T08:00:00.000Z',
  takenAt: '2025-11-24T09:00:00+01:00',
  sha256: HASH,
  root: HASH,
  snapshot: 'vss',
  health: 'clean',
  healthNotes: ['The allocation maps are marked as not valid.'],
  changes: 'TUZDTAE=',
};

const summary: VersionSummary = {
  ...(({ path, kind, size, mtime, takenAt, sha256, root, complete, snapshot, health, healthNotes }) => ({
    ...{ path, kind, size, mtime, takenAt, sha256, root, complete, snapshot, health, healthNotes },
  }))(commit),
  id: ID,
  sequence: 7,
  receivedAt: commit.takenAt,
  receipt: { statement: '{}', signature: '00' },
};

/** The places of the mistakes in a commit that differs in these fields from one that is right. */
const mistakes = (fields: Record<string, unknown>): string[] => {
  const parsed = CommitRequest.safeParse({ ...commit, ...fields });
  return parsed.success ? [] : parsed.error.issues.map((issue) => issue.path.join('.'));
};

describe('a commit', () => {
  it('is taken as it is', () => {
    expect(CommitRequest.parse(commit)).toEqual(commit);
    expect(CommitRequest.parse(JSON.parse(JSON.stringify(commit)))).toEqual(commit);
  });

  it.each<[string, Record<string, unknown>]>([
    ['of the first version', { base: null }],
    ['of nothing', { size: 0, changes: '' }],
    ['of the largest size', { size: MAX_VERSION_BYTES }],
    ['without a hash of the whole', { sha256: null, complete: false }],
    ['of the longest path', { path: 'p'.repeat(MAX_PATH_BYTES) }],
    ['of the longest path in another script', { path: '王'.repeat(Math.floor(MAX_PATH_BYTES / 3)) }],
    ['of a path with everything but what no name of mail needs', { path: '../\\"\u202e\u{10ffff}✉ e\u0301' }],
    ['of a path that looks like one of a server', { path: '/../../etc/passwd' }],
    ['with a time to the nanosecond', { mtime: '1601-01-01T00:00:00.000000001Z' }],
    ['on the 29th of February of a leap year', { mtime: '2024-02-29T23:59:59Z' }],
    ['made while Outlook ran', { outlookRunning: true }],
    ['made while Outlook did not run', { outlookRunning: false }],
    ['with many notes', { healthNotes: Array(20).fill('n'.repeat(500)) }],
  ])('%s is taken', (_, fields) => {
    expect(mistakes(fields)).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['path', ''],
    ['path', 'a\u0000b'],
    ['path', '\u0000'],
    ['path', 'a\n\u0000'],
    ['path', 'a\nb'],
    ['path', 'a\u007f'],
    ['path', '\u0085'],
    ['path', 'half a pair \ud800'],
    ['path', '\udc00'],
    ['path', ''],
    ['path', 'p'.repeat(MAX_PATH_BYTES + 1)],
    ['path', '王'.repeat(Math.ceil(MAX_PATH_BYTES / 3))],
    ['path', 7],
    ['kind', 'PST'],
    ['kind', 'mbox'],
    ['base', ''],
    ['base', 'latest'],
    ['base', ID.toUpperCase()],
    ['base', ID.replaceAll('-', '')],
    ['base', `${ID}\n`],
    ['base', `{${ID}}`],
    ['base', HASH],
    ['complete', 'true'],
    ['complete', 1],
    ['size', -1],
    ['size', 0.5],
    ['size', 2 ** 53],
    ['size', MAX_VERSION_BYTES + 1],
    ['size', '1024'],
    ['size', Number.NaN],
    ['size', null],
    ['mtime', '2025-11-24'],
    ['mtime', '2025-11-24T08:00:00'],
    ['mtime', '2025-11-24 08:00:00Z'],
    ['mtime', '2025-02-29T08:00:00Z'],
    ['mtime', '2025-13-01T08:00:00Z'],
    ['mtime', '2025-11-24T24:00:00Z'],
    ['mtime', '2025-11-24T08:00:00+99:00'],
    ['mtime', '2025-11-24T08:00:00Z\n'],
    ['mtime', 1_763_971_200_000],
    ['takenAt', ''],
    ['sha256', HASH.toUpperCase()],
    ['sha256', HASH.slice(1)],
    ['sha256', `${HASH}0`],
    ['sha256', `${HASH}\n`],
    ['sha256', `g${HASH.slice(1)}`],
    ['sha256', undefined],
    ['root', HASH.toUpperCase()],
    ['root', null],
    ['root', ''],
    ['snapshot', 'none'],
    ['health', 'fine'],
    ['outlookRunning', 'yes'],
    ['outlookRunning', null],
    ['healthNotes', 'fine'],
    ['healthNotes', Array(21).fill('n')],
    ['changes', 'TUZDTAE'],
    ['changes', 'TUZDTA==='],
    ['changes', 'TUZD TAE='],
    ['changes', 'TUZDTAE=\n'],
    ['changes', 'TUZD-_E='],
    ['changes', '===='],
    ['changes', null],
  ])('with the %s %j is refused, and the place is named', (name, value) => {
    expect(mistakes({ [name]: value })).toContain(name);
  });

  it('names every mistake at once', () => {
    const wrong = { path: '', size: -1, root: HASH.toUpperCase(), healthNotes: ['ok', 'n'.repeat(501)] };
    expect(mistakes(wrong).toSorted()).toEqual(['healthNotes.1', 'path', 'root', 'size']);
  });

  it.each(['more', '__proto__', 'constructor', 'Path'])('with the unknown key %s is refused', (key) => {
    const body = JSON.parse(`${JSON.stringify(commit).slice(0, -1)},${JSON.stringify(key)}:1}`);
    const parsed = CommitRequest.safeParse(body);
    expect(parsed.error?.issues).toMatchObject([{ code: 'unrecognized_keys', keys: [key] }]);
  });

  it.each(Object.keys(commit))('without %s is refused', (name) => {
    const { [name as keyof CommitRequest]: _, ...rest } = commit;
    expect(CommitRequest.safeParse(rest).error?.issues[0]?.path).toEqual([name]);
  });

  it.each([null, undefined, [], 'text', 7])('that is %j is refused', (body) => {
    expect(CommitRequest.safeParse(body).success).toBe(false);
  });

  it('takes every change list, and of other texts only what decodes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(mistakes({ changes: Buffer.from(bytes).toString('base64') })).toEqual([]);
      }),
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        if (mistakes({ changes: text }).length > 0) return;
        expect(Buffer.from(text, 'base64').length).toBe(
          (text.length / 4) * 3 - (text.match(/=/g)?.length ?? 0),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes a change list of many megabytes', () => {
    expect(mistakes({ changes: 'TUZD'.repeat(4_000_000) })).toEqual([]);
    expect(mistakes({ changes: `${'TUZD'.repeat(4_000_000)}!!!!` })).toEqual(['changes']);
  });

  it('has times that a clock understands', () => {
    const date = fc.date({
      min: new Date(0),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, (any) => {
        expect(mistakes({ mtime: any.toISOString() })).toEqual([]);
      }),
    );
    fc.assert(
      fc.property(
        fc.stringMatching(/^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,4})?(Z|[+-]\d\d:\d\d)$/),
        (text) => {
          if (mistakes({ mtime: text }).length === 0) expect(Number.isNaN(Date.parse(text))).toBe(false);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('ids', () => {
  it('of a version are UUIDs in lower case, made by the device', () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        expect(VersionId.safeParse(id).success).toBe(true);
        if (id !== id.toUpperCase()) expect(VersionId.safeParse(id.toUpperCase()).success).toBe(false);
      }),
    );
    for (const id of ['', '..', `${ID}/content`, ` ${ID}`, `${ID} `, ID.replace('0199', 'ABCD')]) {
      expect(VersionId.safeParse(id).success, id).toBe(false);
    }
  });

  it('of a pack are 64 digits in lower case', () => {
    expect(PackId.safeParse(HASH).success).toBe(true);
    for (const id of [
      '',
      '..',
      HASH.toUpperCase(),
      HASH.slice(2),
      `${HASH}00`,
      ` ${HASH}`,
      `${HASH}\n`,
      `../${HASH.slice(3)}`,
    ]) {
      expect(PackId.safeParse(id).success, id).toBe(false);
    }
  });

  it('stay within their segment of a route, whatever they hold', () => {
    for (const route of [ROUTES.pack, ROUTES.version, ROUTES.content, ROUTES.fingerprint]) {
      const plain = route('x').split('/');
      for (const id of ['a/b', 'a?b', 'a#b', 'a%2fb', 'a b', '\n', 'ü']) {
        const segments = new URL(route(id), 'http://server').pathname.split('/');
        expect(segments).toHaveLength(plain.length);
        expect(decodeURIComponent(segments[3]!)).toBe(id);
      }
    }
    expect(ROUTES.content(ID)).toBe(`/v1/versions/${ID}/content`);
    expect(ROUTES.fingerprint(ID)).toBe(`/v1/versions/${ID}/fingerprint`);
    expect(ROUTES.pack(HASH)).toBe(`/v1/packs/${HASH}`);
  });
});

describe('an enrolment', () => {
  it.each([
    [{ token: 't', name: 'n' }, true],
    [{ token: 't'.repeat(200), name: 'n'.repeat(200) }, true],
    [{ token: '', name: 'n' }, false],
    [{ token: 't', name: '' }, false],
    [{ token: 't'.repeat(201), name: 'n' }, false],
    [{ token: 't', name: 'n'.repeat(201) }, false],
    [{ token: 't' }, false],
    [{ token: 7, name: 'n' }, false],
    [{ token: 't', name: 'n', admin: true }, false],
  ])('%j: %s', (body, taken) => {
    expect(EnrolRequest.safeParse(body).success).toBe(taken);
  });
});

describe('a query for versions', () => {
  it.each<[Record<string, unknown>, unknown]>([
    [{}, {}],
    [
      { path: 'a', partial: 'true', limit: '10000' },
      { path: 'a', partial: 'true', limit: 10_000 },
    ],
    [{ limit: '0' }, null],
    [{ limit: '' }, null],
    [{ limit: '10001' }, null],
    [{ limit: '1.5' }, null],
    [{ limit: '-1' }, null],
    [{ limit: 'all' }, null],
    [{ limit: ['1', '2'] }, null],
    [{ partial: 'yes' }, null],
    [{ partial: '' }, null],
    [{ path: 'a\u0000' }, null],
    [{ path: ['a', 'b'] }, null],
    [{ device: 'other' }, null],
  ])('%j', (query, expected) => {
    expect(VersionQuery.safeParse(query).data ?? null).toEqual(expected);
  });
});

describe('an answer', () => {
  it('of versions is read, and what a newer server adds is left aside', () => {
    expect(VersionSummary.parse(summary)).toEqual(summary);
    expect(VersionList.parse({ versions: [{ ...summary, newer: 1 }], next: 'page' })).toEqual({
      versions: [summary],
      next: 'page',
    });
  });

  it.each<[string, unknown]>([
    ['id', 'x'],
    ['root', HASH.toUpperCase()],
    ['size', -1],
    ['kind', 'mbox'],
    ['receipt', null],
    ['receipt', { statement: '{}' }],
    ['receipt', undefined],
  ])('with the %s %j is refused', (name, value) => {
    expect(VersionSummary.safeParse({ ...summary, [name]: value }).success).toBe(false);
  });

  it('of a problem is read with what it needs', () => {
    const problem = { type: 'about:blank', title: 'Conflict', status: 409, code: 'packs_missing' };
    expect(Problem.parse({ ...problem, instance: '/x' })).toEqual(problem);
    expect(Problem.safeParse({ ...problem, detail: { ids: [HASH] }, hint: 'h' }).success).toBe(true);
    expect(Problem.safeParse({ ...problem, status: '409' }).success).toBe(false);
    expect(Problem.safeParse({ ...problem, code: undefined }).success).toBe(false);
  });
});
