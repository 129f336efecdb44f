// Every route that a device's credential opens, but for uploads, as one table: what is registered is what is tested.
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { coarseCount } from '../../shared/block.ts';
import { asFailure } from '../../shared/failure.ts';
import { CommitRequest, MAX_COMMIT_BYTES, VersionQuery } from '../../shared/protocol.ts';
import { RECEIPTS_HEADER } from '../../shared/routes.ts';
import type { DeviceScope } from '../device-scope.ts';
import { commitVersion } from '../version/commit.ts';
import { openMap } from '../version/version-reader.ts';
import { sendContent } from './content.ts';
import { packIdIn, parseRequest, versionIdIn } from './parse-request.ts';
import { notFound } from './problem.ts';

export interface DeviceRoute {
  readonly method: 'GET' | 'HEAD' | 'PUT';
  readonly url: string;
  /** Most bytes of a body; the server's default where it is not given. */
  readonly bodyLimit?: number;
  readonly handle: (scope: DeviceScope, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
}

/** Versions in a list where the client does not say how many. */
const LIST_LIMIT = 1_000;

export const DEVICE_ROUTES: readonly DeviceRoute[] = [
  { method: 'GET', url: '/v1/packs/:id', handle: getPack },
  { method: 'HEAD', url: '/v1/packs/:id', handle: getPack },
  { method: 'GET', url: '/v1/versions', handle: listVersions },
  { method: 'PUT', url: '/v1/versions/:id', bodyLimit: MAX_COMMIT_BYTES, handle: putVersion },
  { method: 'GET', url: '/v1/versions/:id', handle: getVersion },
  { method: 'HEAD', url: '/v1/versions/:id', handle: getVersion },
  { method: 'GET', url: '/v1/versions/:id/content', handle: getContent },
  { method: 'HEAD', url: '/v1/versions/:id/content', handle: getContent },
  { method: 'GET', url: '/v1/versions/:id/fingerprint', handle: getFingerprint },
  { method: 'HEAD', url: '/v1/versions/:id/fingerprint', handle: getFingerprint },
];

async function getPack(scope: DeviceScope, request: FastifyRequest): Promise<unknown> {
  const pack = await scope.catalogue.packs.get(packIdIn(request.params), 'pack');
  if (!pack || pack.lost === 1) throw notFound();
  return { id: pack.id, bytes: pack.stored };
}

async function listVersions(
  scope: DeviceScope,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { path, kind, partial, damaged, limit } = parseRequest(VersionQuery, request.query);
  const last = await scope.catalogue.versions.lastReceipt();
  reply.header(RECEIPTS_HEADER, String(last?.sequence ?? 0));
  return {
    versions: await scope.catalogue.versions.list({
      path,
      kind,
      partial: partial === 'true',
      damaged: damaged === 'true',
      limit: limit ?? LIST_LIMIT,
    }),
  };
}

async function putVersion(
  scope: DeviceScope,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const id = versionIdIn(request.params);
  const body = parseRequest(CommitRequest, request.body);
  const commit = () => scope.turns.take(scope.device, () => commitVersion(scope.commits, id, body));
  const { isNew, summary } = await commit().catch(async (error: unknown) => {
    const failure = asFailure(error);
    if (failure.code !== 'pack_damaged' || !(await scope.damage.suspect(failure))) throw error;
    // Now the answer names what the device can do about it: send the pack again, or take another base.
    return commit();
  });
  reply.code(isNew ? 201 : 200);
  return summary;
}

async function getVersion(scope: DeviceScope, request: FastifyRequest): Promise<unknown> {
  const summary = await scope.catalogue.versions.summary(versionIdIn(request.params));
  if (!summary) throw notFound();
  return summary;
}

function getContent(scope: DeviceScope, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  return sendContent(scope, request, reply, versionIdIn(request.params));
}

/** The coarse hashes of a version, also of a checkpoint: 32 bytes each, in order; zero for a block that the server has lost. */
async function getFingerprint(
  scope: DeviceScope,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const version = await scope.catalogue.versions.map(versionIdIn(request.params));
  if (!version) throw notFound();
  reply.headers({
    'content-type': 'application/octet-stream',
    'content-length': 32 * coarseCount(version.size),
    'mailferry-size': version.size,
    'mailferry-root': version.root,
  });
  if (request.method === 'HEAD' || version.size === 0) return reply.send();
  const hashes = scope.reader.hashes(openMap(version), await scope.reader.lostIn(version));
  return reply.send(Readable.from(hashes, { objectMode: false, highWaterMark: 65_536 }));
}
