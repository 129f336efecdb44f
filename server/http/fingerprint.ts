// The coarse hashes of a version over HTTP: whole or in part, so that a device that lost its own fetches them over any line.
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { coarseCount } from '../../shared/block.ts';
import { toHex } from '../../shared/byte-codec.ts';
import type { DeviceScope } from '../device-scope.ts';
import { sha256 } from '../sha256.ts';
import { PAGE_BLOCKS } from '../version/version-map.ts';
import { notFound } from './problem.ts';
import { isKnown, rangeHolds, wantedRange } from './range.ts';

/** Bytes of the hashes of a page of the map. */
const PAGE_HASHES = 32 * PAGE_BLOCKS;

/**
 * Answers GET and HEAD: 32 bytes for each coarse block, in order, also of a checkpoint; zero for a block that the server has lost. The
 * entity tag is the root, with what is lost beside it where anything is. A Failure `not_found` where there is no such version.
 */
export async function sendFingerprint(
  scope: DeviceScope,
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
): Promise<FastifyReply> {
  const version = await scope.catalogue.versions.map(id);
  if (!version) throw notFound();
  const lost = await scope.reader.lostIn(version);
  // There is no date: If-Range goes by the tag alone.
  const validators = { etag: `"${tagOf(version.root, lost)}"`, lastModified: '' };
  const size = 32 * coarseCount(version.size);
  reply.headers({
    etag: validators.etag,
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    'mailferry-size': version.size,
    'mailferry-root': version.root,
  });
  const { range, 'if-range': ifRange, 'if-none-match': ifNoneMatch } = request.headers;
  if (isKnown(ifNoneMatch, validators)) return reply.code(304).send();
  const isRanged = request.method === 'GET' && rangeHolds(ifRange as string | undefined, validators);
  const wanted = wantedRange(isRanged ? range : undefined, size);
  if (wanted.kind === 'unsatisfiable') {
    return reply.code(416).header('content-range', `bytes */${size}`).send();
  }
  const { from, to } = wanted.kind === 'part' ? wanted : { from: 0, to: size };
  if (wanted.kind === 'part') reply.code(206).header('content-range', `bytes ${from}-${to - 1}/${size}`);
  reply.header('content-length', to - from);
  if (request.method === 'HEAD' || from === to) return reply.send();
  const first = Math.floor(from / PAGE_HASHES);
  const entries = (await scope.reader.open(version)).slice(first, Math.ceil(to / PAGE_HASHES));
  const bytes = partOf(scope.reader.hashes(entries, lost), from - first * PAGE_HASHES, to - from);
  return reply.send(Readable.from(bytes, { objectMode: false, highWaterMark: 65_536 }));
}

function tagOf(root: string, lost: ReadonlySet<string>): string {
  if (lost.size === 0) return root;
  return `${root}-${toHex(sha256(Buffer.from([...lost].sort().join())))}`;
}

/** `count` bytes of what `pieces` give, after the first `skip`. */
async function* partOf(
  pieces: AsyncIterable<Uint8Array>,
  skip: number,
  count: number,
): AsyncGenerator<Uint8Array> {
  let passed = 0;
  for await (const piece of pieces) {
    const from = Math.max(0, skip - passed);
    const to = Math.min(piece.length, skip + count - passed);
    passed += piece.length;
    if (from < to) yield piece.subarray(from, to);
  }
}
