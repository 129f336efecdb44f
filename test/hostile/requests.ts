// Requests that no server may take: each kind is wrong by construction, and its details are left to chance.
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { isFailureCode } from '../../shared/failure.ts';
import type { Chance } from './chance.ts';
import { bearer, send, type Target, type Told } from './target.ts';

const TUS = { 'tus-resumable': '1.0.0' };
const JSON_TYPE = { 'content-type': 'application/json' };
const PATCH_TYPE = { ...TUS, 'content-type': 'application/offset+octet-stream' };
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'] as const;

type Kind = (target: Target, chance: Chance) => Promise<Told | string>;

const encode = (text: string): string => Buffer.from(text).toString('base64');

function commit(chance: Chance, changes: Record<string, unknown> = {}): string {
  return JSON.stringify({
    path: '/x',
    kind: 'file',
    base: null,
    complete: true,
    size: 1 + chance.int(1e9),
    mtime: '2026-11-23T08:00:00.000Z',
    takenAt: '2026-11-23T09:00:00.000Z',
    sha256: chance.hex(64),
    root: chance.hex(64),
    snapshot: 'vss',
    health: 'clean',
    healthNotes: [],
    changes: chance.bytes(chance.int(2_000)).toString('base64'),
    ...changes,
  });
}

/** Sends bytes as they are and gives back how the answer begins; the empty text where the connection was just closed. */
function raw(target: Target, bytes: Buffer | string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(target.port, '127.0.0.1');
    let text = '';
    const end = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(20_000, end);
    socket.on('data', (part) => {
      text += part;
      if (text.includes('\r\n\r\n')) end();
    });
    socket.on('error', end).on('close', end);
    socket.write(bytes);
    socket.end();
  });
}

const put = (target: Target, body: string): Promise<Told> =>
  send(target, {
    method: 'PUT',
    path: `/v1/versions/${randomUUID()}`,
    headers: { ...bearer(target.hostile.credential), ...JSON_TYPE },
    body,
  });

const WRONG_VALUES: readonly unknown[] = [
  null,
  -1,
  1.5,
  1e308,
  '',
  '\0',
  [],
  {},
  true,
  'x'.repeat(5_000),
  '../../etc',
];
const FIELDS = ['path', 'kind', 'base', 'complete', 'size', 'mtime', 'takenAt', 'root', 'snapshot', 'health'];
/** Values that a field takes, and that would not be wrong in it. */
const RIGHT: Readonly<Record<string, readonly unknown[]>> = {
  path: ['x'.repeat(5_000), '../../etc'],
  base: [null],
  complete: [true],
};

export const KINDS: Readonly<Record<string, Kind>> = {
  'no route': (target, chance) =>
    send(target, {
      method: chance.pick(METHODS),
      path: `/${encodeURIComponent(chance.bytes(20).toString('latin1'))}`,
    }),
  'no credential': (target, chance) =>
    send(target, {
      method: chance.pick(['GET', 'HEAD', 'PUT']),
      path: `/v1/versions/${randomUUID()}`,
      ...(chance.int(2) === 0 ? {} : { headers: { authorization: `Bearer ${chance.hex(43)}` } }),
    }),
  'foreign version': (target, chance) =>
    send(target, {
      method: 'GET',
      path: `/v1/versions/${target.healthy.version}${chance.pick(['', '/content', '/fingerprint'])}`,
      headers: bearer(target.hostile.credential),
    }),
  'foreign pack': (target) =>
    send(target, {
      method: 'GET',
      path: `/v1/packs/${target.healthy.pack}`,
      headers: bearer(target.hostile.credential),
    }),
  'id that is none': (target, chance) =>
    send(target, {
      method: 'GET',
      path: `/v1/${chance.pick(['packs', 'versions', 'versions/x'])}/${encodeURIComponent(chance.pick(['../..', '%2e%2e', 'a\0b', 'x'.repeat(150), '..\\..', 'CON', '\u202e']))}`,
      headers: bearer(target.hostile.credential),
    }),
  'method that no route has': (target, chance) =>
    send(target, {
      method: chance.pick(['DELETE', 'PATCH', 'POST']),
      path: `/v1/${chance.pick([`versions/${target.hostile.version}`, `packs/${target.hostile.pack}`])}`,
      headers: bearer(target.hostile.credential),
    }),
  'query that is none': (target, chance) =>
    send(target, {
      method: 'GET',
      path: `/v1/versions?${chance.pick(['limit=-1', 'limit=1e9', 'partial=maybe', 'path=', 'x=1', 'limit=0', 'damaged=2', 'path=%00', 'limit=1&limit=2'])}`,
      headers: bearer(target.hostile.credential),
    }),
  'commit with a wrong field': (target, chance) => {
    const field = chance.pick(FIELDS);
    const wrong = WRONG_VALUES.filter((value) => !RIGHT[field]?.some((right) => right === value));
    return put(target, commit(chance, { [field]: chance.pick(wrong) }));
  },
  'commit without a field': (target, chance) =>
    put(target, commit(chance, { [chance.pick(FIELDS)]: undefined })),
  'commit with a field too many': (target, chance) =>
    put(target, commit(chance, { [`x${chance.hex(8)}`]: 1 })),
  'commit of changes that are none': (target, chance) => put(target, commit(chance)),
  'commit over a foreign base': (target, chance) =>
    put(target, commit(chance, { base: target.healthy.version })),
  'body that is no JSON': (target, chance) => put(target, chance.bytes(chance.int(3_000)).toString('latin1')),
  'body of brackets': (target, chance) =>
    put(target, chance.pick(['[', '{"a":', '[1,']).repeat(1 + chance.int(20_000))),
  'body of another type': (target, chance) =>
    send(target, {
      method: 'PUT',
      path: `/v1/versions/${randomUUID()}`,
      headers: {
        ...bearer(target.hostile.credential),
        'content-type': chance.pick(['text/xml', 'a/b; c', 'multipart/form-data; boundary=x']),
      },
      body: commit(chance),
    }),
  'enrolment with a wrong token': (target, chance) =>
    send(target, {
      method: 'POST',
      path: '/v1/devices',
      headers: JSON_TYPE,
      body: JSON.stringify({ token: chance.hex(43), name: chance.pick(['n', '\u202e', 'x'.repeat(100)]) }),
    }),
  'enrolment that is none': (target, chance) =>
    send(target, {
      method: 'POST',
      path: '/v1/devices',
      headers: JSON_TYPE,
      body: chance.pick([
        '',
        '{',
        'null',
        '[]',
        '{"token":1,"name":2}',
        `{"token":"${'x'.repeat(300)}","name":"n"}`,
        'x'.repeat(20_000),
      ]),
    }),
  'upload of a length that is none': (target, chance) =>
    send(target, {
      method: 'POST',
      path: '/v1/uploads',
      headers: {
        ...bearer(target.hostile.credential),
        ...TUS,
        'upload-length': chance.pick([
          '-1',
          'abc',
          '1e9',
          '9007199254740993',
          '1.5',
          '',
          '99999999999999999999',
        ]),
        'upload-metadata': `kind ${encode('file')},path ${encode('/x')}`,
      },
    }),
  'upload of what is not said': (target, chance) =>
    send(target, {
      method: 'POST',
      path: '/v1/uploads',
      headers: {
        ...bearer(target.hostile.credential),
        ...TUS,
        'upload-length': '100',
        'upload-metadata': chance.pick([
          'kind',
          `kind ${encode('pack')}`,
          `kind ${encode('pack')},id ${encode('../../x')}`,
          `kind ${encode('file')}`,
          `kind ${encode('file')},path ${encode('a\0b')}`,
          `kind ${encode('file')},path ${encode('/x')},mtime ${encode('yesterday')}`,
          `kind ${encode(chance.hex(10))}`,
          '!!! ???',
          `kind ${encode('pack')},id ${encode(chance.hex(64))},kind ${encode('file')}`.slice(
            0,
            40 + chance.int(40),
          ),
        ]),
      },
    }),
  'upload without its version': (target, chance) =>
    send(target, {
      method: chance.pick(['POST', 'PATCH', 'HEAD']),
      path: chance.pick(['/v1/uploads', `/v1/uploads/${chance.hex(32)}`]),
      headers: {
        ...bearer(target.hostile.credential),
        ...(chance.int(2) === 0 ? {} : { 'tus-resumable': '0.2' }),
      },
    }),
  'part of an upload that is not there': (target, chance) =>
    send(target, {
      method: 'PATCH',
      path: `/v1/uploads/${chance.pick([chance.hex(32), chance.hex(31), '..%2f..', 'x'])}`,
      headers: {
        ...bearer(target.hostile.credential),
        ...PATCH_TYPE,
        'upload-offset': chance.pick(['0', '-1', '5', 'x']),
      },
      body: chance.bytes(chance.int(5_000)),
    }),
  'request line that is none': (target, chance) =>
    raw(target, `${chance.bytes(chance.int(200) + 1).toString('latin1')}\r\n\r\n`),
  'headers that smuggle': (target, chance) =>
    raw(
      target,
      `POST /v1/devices HTTP/1.1\r\nhost: x\r\n${chance.pick([
        'content-length: 5\r\ncontent-length: 6',
        'content-length: 5\r\ntransfer-encoding: chunked',
        'transfer-encoding: nonsense',
        'content-length: -1',
        'content-length: 0x5',
        'content-length : 5',
        'x\r\n y: z',
        `x: ${'y'.repeat(20_000)}`,
        `x: \0`,
      ])}\r\n\r\nabcde`,
    ),
  'version of HTTP that is none': (target, chance) =>
    raw(target, `GET / ${chance.pick(['HTTP/9.9', 'HTTP/2.0', 'FTP/1.1', 'HTTP/1.1.1'])}\r\nhost: x\r\n\r\n`),
};

const NAMES = Object.keys(KINDS);

/** Sends one; what is wrong with the answer, or null where it was refused as it should be. */
export async function hostileRequest(
  target: Target,
  chance: Chance,
): Promise<{ name: string; wrong: string | null }> {
  const name = chance.pick(NAMES);
  const told = await KINDS[name]!(target, chance);
  return { name, wrong: typeof told === 'string' ? wrongRaw(told) : wrongAnswer(told) };
}

/** A refusal: 4xx with a problem that has a code of ours (a HEAD has no body). */
export function wrongAnswer({ status, type, text }: Told): string | null {
  if (status < 400 || status > 499) return `answered ${status}: ${text.slice(0, 200)}`;
  if (text === '') return null;
  if (!type.startsWith('application/problem+json')) return `${status} of type ${type}`;
  try {
    const { code } = JSON.parse(text) as { code?: unknown };
    return isFailureCode(code) ? null : `${status} with code ${String(code)}`;
  } catch {
    return `${status} with a body that is no JSON`;
  }
}

function wrongRaw(text: string): string | null {
  return text === '' || /^HTTP\/1\.1 4\d\d /.test(text) ? null : `answered ${text.slice(0, 60)}`;
}
