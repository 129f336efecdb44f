// The bytes of a version over HTTP: whole or in part, resumable, exact or cut off. Never a wrong byte with a good end.
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DeviceScope } from '../device-scope.ts';
import { attachment } from './content-disposition.ts';
import { notFound } from './problem.ts';
import { isKnown, rangeHolds, wantedRange } from './range.ts';

/** Bytes that wait for a slow reader, besides the blocks that are read ahead: one block. */
const BUFFERED_BYTES = 65_536;

/**
 * Answers GET and HEAD of a complete version's content. A Failure `not_found` for any other, `pack_damaged` where the server knows
 * that it has lost bytes that are asked for. Where it finds that out while it answers, the answer is cut off.
 */
export async function sendContent(
  scope: DeviceScope,
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
): Promise<FastifyReply> {
  const version = await scope.catalogue.versions.map(id);
  if (!version || version.complete === 0) throw notFound();
  const validators = { etag: `"${version.root}"`, lastModified: new Date(version.mtime).toUTCString() };
  reply.headers({
    etag: validators.etag,
    'last-modified': validators.lastModified,
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
    'content-disposition': attachment(version.path),
    'x-content-type-options': 'nosniff',
  });
  const { range, 'if-range': ifRange, 'if-none-match': ifNoneMatch } = request.headers;
  if (isKnown(ifNoneMatch, validators)) return reply.code(304).send();
  const isRanged = request.method === 'GET' && rangeHolds(ifRange as string | undefined, validators);
  const wanted = wantedRange(isRanged ? range : undefined, version.size);
  if (wanted.kind === 'unsatisfiable') {
    return reply.code(416).header('content-range', `bytes */${version.size}`).send();
  }
  const { from, to } = wanted.kind === 'part' ? wanted : { from: 0, to: version.size };
  if (wanted.kind === 'part') {
    reply.code(206).header('content-range', `bytes ${from}-${to - 1}/${version.size}`);
  }
  await scope.reader.assertThere(version, from, to);
  reply.header('content-length', to - from);
  if (request.method === 'HEAD' || from === to) return reply.send();
  const bytes = watched(scope.reader.bytes(version, from, to), scope);
  return reply.send(Readable.from(bytes, { objectMode: false, highWaterMark: BUFFERED_BYTES }));
}

/** Passes bytes on; where they end in damage, that is looked after. */
async function* watched(bytes: AsyncIterable<Uint8Array>, scope: DeviceScope): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } catch (error) {
    scope.damage.suspectLater(error);
    throw error;
  }
}
