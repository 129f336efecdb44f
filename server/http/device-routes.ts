// Every route that a device's credential opens, but for uploads, as one table: what is registered is what is tested.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { asFailure, Failure } from '../../shared/failure.ts';
import {
  CommitRequest,
  MAX_COMMIT_BYTES,
  MAX_PAGE,
  ReceiptQuery,
  VersionQuery,
  type VersionSummary,
} from '../../shared/protocol.ts';
import { RECEIPTS_HEADER, ROUTES } from '../../shared/routes.ts';
import { suspectReason } from '../../shared/suspect.ts';
import type { Page } from '../catalogue/version-pages.ts';
import type { DeviceScope } from '../device-scope.ts';
import { MAX_QUERY_BYTES } from '../limits.ts';
import { commitVersion } from '../version/commit.ts';
import { sendContent } from './content.ts';
import { sendFingerprint } from './fingerprint.ts';
import { packIdIn, parseRequest, versionIdIn } from './parse-request.ts';
import { notFound } from './problem.ts';

export interface DeviceRoute {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST';
  readonly url: string;
  /** Most bytes of a body; the server's default where it is not given. */
  readonly bodyLimit?: number;
  readonly handle: (scope: DeviceScope, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
}

export const DEVICE_ROUTES: readonly DeviceRoute[] = [
  { method: 'GET', url: '/v1/packs/:id', handle: getPack },
  { method: 'HEAD', url: '/v1/packs/:id', handle: getPack },
  { method: 'GET', url: '/v1/versions', handle: listVersions },
  {
    method: 'POST',
    url: ROUTES.searchVersions,
    bodyLimit: MAX_QUERY_BYTES,
    handle: listVersions,
  },
  { method: 'GET', url: '/v1/receipts', handle: listReceipts },
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
  const { path, kind, partial, damaged, at, newest, id, cursor, limit } = parseRequest(
    VersionQuery,
    request.method === 'POST' ? request.body : request.query,
  );
  const { lists, versions } = scope.catalogue;
  const last = await versions.lastReceipt();
  reply.header(RECEIPTS_HEADER, String(last?.sequence ?? 0));
  const query = {
    path,
    kind,
    damaged: damaged === 'true',
    at: at === undefined ? undefined : new Date(at).toISOString(),
    cursor,
    limit: limit ?? MAX_PAGE,
  };
  if (newest === undefined)
    return versionList(await lists.list({ ...query, id, partial: partial === 'true' }));
  if (partial === 'true' || damaged === 'true' || path !== undefined || id !== undefined)
    throw new Failure('malformed', '`newest=each` goes with `kind` and `at` alone.');
  return versionList(await lists.newestOfEach(query));
}

/** A device of 0.1 compares what it is told of damage with a list that has no other key. */
function versionList({ items, next }: Page<VersionSummary>): unknown {
  return next === undefined ? { versions: items } : { versions: items, next };
}

async function listReceipts(scope: DeviceScope, request: FastifyRequest): Promise<unknown> {
  const { after, limit } = parseRequest(ReceiptQuery, request.query);
  const { items, next } = await scope.catalogue.lists.receiptsAfter(after ?? 0, limit ?? MAX_PAGE);
  return next === undefined ? { receipts: items } : { receipts: items, next };
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
  const suspect = suspectReason(body.healthNotes);
  if (isNew && suspect !== null) {
    const { path } = body;
    const message = 'a device sent a version that is suspect; the ones before it are kept';
    scope.log.warn({ device: scope.device, version: id, path, suspect }, message);
  }
  reply.code(isNew ? 201 : 200);
  return summary;
}

async function getVersion(scope: DeviceScope, request: FastifyRequest): Promise<unknown> {
  const summary = await scope.catalogue.lists.summary(versionIdIn(request.params));
  if (!summary) throw notFound();
  return summary;
}

function getContent(scope: DeviceScope, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  return sendContent(scope, request, reply, versionIdIn(request.params));
}

function getFingerprint(scope: DeviceScope, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  return sendFingerprint(scope, request, reply, versionIdIn(request.params));
}
