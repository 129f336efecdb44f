// Speaks to a server as a device does, with nothing but fetch: each call is one request, and says what came back.

import { sha256 } from '../../../server/sha256.ts';
import { coarseCount, coarseLength } from '../../../shared/block.ts';
import { toHex } from '../../../shared/byte-codec.ts';
import { encodeChangeList } from '../../../shared/change-list.ts';
import type { PlacedExtent } from '../../../shared/extents.ts';
import { merkleRoot } from '../../../shared/merkle.ts';
import type { CommitRequest } from '../../../shared/protocol.ts';
import type { BuiltPack } from './build-pack.ts';

const TUS = { 'tus-resumable': '1.0.0' };

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects of a body
  readonly json: any;
}

export class DeviceClient {
  readonly device: string;
  readonly credential: string;
  readonly receiptKey: string;
  readonly #url: () => string;

  constructor(url: () => string, device: string, credential: string, receiptKey: string) {
    this.#url = url;
    this.device = device;
    this.credential = credential;
    this.receiptKey = receiptKey;
  }

  async send(
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | Uint8Array<ArrayBuffer>,
  ): Promise<Reply> {
    const response = await fetch(this.#url() + path, {
      method,
      headers: { authorization: `Bearer ${this.credential}`, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const isJson = response.headers.get('content-type')?.includes('json') && bytes.length > 0;
    const json = isJson ? JSON.parse(bytes.toString()) : undefined;
    return { status: response.status, headers: response.headers, bytes, json };
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Reply> {
    return this.send('GET', path, headers);
  }

  createUpload(metadata: Record<string, string>, length: number): Promise<Reply> {
    const text = Object.entries(metadata).map(
      ([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`,
    );
    return this.send('POST', '/v1/uploads', {
      ...TUS,
      'upload-length': String(length),
      'upload-metadata': text.join(','),
    });
  }

  patch(location: string, offset: number, bytes: Uint8Array): Promise<Reply> {
    return this.send(
      'PATCH',
      location,
      { ...TUS, 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
      new Uint8Array(bytes),
    );
  }

  head(location: string): Promise<Reply> {
    return this.send('HEAD', location, TUS);
  }

  /** Creates an upload, sends all of it, and returns the last answer. */
  async upload(metadata: Record<string, string>, bytes: Uint8Array): Promise<Reply> {
    const created = await this.createUpload(metadata, bytes.length);
    if (created.status !== 201) return created;
    return this.patch(created.headers.get('location')!, 0, bytes);
  }

  sendPack(pack: BuiltPack): Promise<Reply> {
    return this.upload({ kind: 'pack', id: pack.id }, pack.bytes);
  }

  putVersion(id: string, body: unknown): Promise<Reply> {
    return this.send(
      'PUT',
      `/v1/versions/${id}`,
      { 'content-type': 'application/json' },
      JSON.stringify(body),
    );
  }
}

/** SHA-256 of each coarse block of `bytes`, one after another. */
export function coarseHashes(bytes: Uint8Array): Uint8Array {
  const hashes = new Uint8Array(32 * coarseCount(bytes.length));
  for (let index = 0; index < coarseCount(bytes.length); index++) {
    const start = index * 65_536;
    hashes.set(sha256(bytes.subarray(start, start + coarseLength(index, bytes.length))), 32 * index);
  }
  return hashes;
}

/** The commit of `bytes` over a base, where `runs` are what changed and `blocks` the coarse blocks they touch. */
export function commitOf(
  bytes: Uint8Array,
  base: string | null,
  runs: readonly PlacedExtent[],
  blocks: readonly number[],
  more: Partial<CommitRequest> = {},
): CommitRequest {
  const hashes = coarseHashes(bytes);
  const coarse = blocks.map((index) => ({ index, hash: hashes.subarray(32 * index, 32 * index + 32) }));
  return {
    path: 'C:\\Users\\Änne\\Outlook.pst',
    kind: 'pst',
    base,
    complete: true,
    size: bytes.length,
    mtime: '2026-11-23T08:00:00.000Z',
    takenAt: '2026-11-23T09:00:00.000Z',
    sha256: toHex(sha256(bytes)),
    root: toHex(merkleRoot(hashes, sha256)),
    snapshot: 'vss',
    health: 'clean',
    healthNotes: [],
    changes: Buffer.from(encodeChangeList({ runs, coarse }, sha256)).toString('base64'),
    ...more,
  };
}

/** The indices of all coarse blocks of a source. */
export function allBlocks(size: number): number[] {
  return Array.from({ length: coarseCount(size) }, (_, index) => index);
}
