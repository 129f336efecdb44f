// The routes on Fastify: who asks is settled before a body is read, and every failure leaves as problem+json.
import { setImmediate } from 'node:timers/promises';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Failure } from '../../shared/failure.ts';
import { CODECS_SAID } from '../../shared/pack.ts';
import { EnrolRequest, MAX_COMMIT_BYTES, ServerQuery } from '../../shared/protocol.ts';
import { CODECS_HEADER, ROUTES } from '../../shared/routes.ts';
import { serverProofText } from '../../shared/server-proof.ts';
import { type DeviceScope, DeviceScopes, type ScopePorts } from '../device-scope.ts';
import { isFatal, serverFailure } from '../disk-failure.ts';
import { enrolDevice } from '../enrol.ts';
import { FairTurns } from '../fair-turns.ts';
import type { Front } from '../front.ts';
import { LoopWatch } from '../loop-delay.ts';
import { showInterim } from '../upload/interim-answers.ts';
import { exchangeTus } from '../upload/tus-exchange.ts';
import { authenticate } from './authenticate.ts';
import { beforeRouting, isOfEveryAnswer, prefixOf } from './before-routing.ts';
import { clientBehindProxy } from './client-network.ts';
import { DEVICE_ROUTES } from './device-routes.ts';
import { createHttpServer } from './http-server.ts';
import { InFlight } from './in-flight.ts';
import { parseJson } from './json-body.ts';
import { noteKnown } from './known-requests.ts';
import { lingerThenCut } from './linger.ts';
import { parseRequest } from './parse-request.ts';
import { notFound, PROBLEM_TYPE, problemOf } from './problem.ts';

export interface AppPorts extends ScopePorts {
  readonly front: Front;
  /** Called where going on would be a lie, such as after a failed fsync. */
  readonly fatal: (error: unknown) => void;
}

export interface App {
  readonly fastify: FastifyInstance;
  readonly scopes: DeviceScopes;
  /** Resolves when no upload request is being worked on. */
  uploadsAtRest(): Promise<void>;
}

/** Bodies of the largest size that may be under way at once, of all devices together. */
const LARGE_BODIES = 4;
/** Most bytes of a body other than a commit's. */
const SMALL_BODY = 16_384;

/** Requests without a credential that one client behind a proxy may have under way. */
const STRANGERS_PER_CLIENT = 32;

/** The methods that a server answers whose disk is full. */
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** No route has a schema of Fastify's: shared/protocol.ts reads what comes in. Fastify's own compilers took a third of a server's start. */
const noCompiler = (): never => {
  throw new Error("A route has a schema of Fastify's, which this server compiles none of.");
};

export function createApp(ports: AppPorts): App {
  const scopes = new DeviceScopes(ports);
  const gate: Gate = { inFlight: new InFlight(ports.limits.requestsPerDevice), starts: new FairTurns() };
  const exchanges = new Set<Promise<void>>();
  const loop = new LoopWatch(ports.log);
  const app = fastify({
    serverFactory: (handler) =>
      createHttpServer(
        (request, response) => {
          if (!beforeRouting(ports.front, request, response)) handler(request, response);
        },
        { ...ports.limits, isProxy: ports.front.isProxy },
      ),
    // http-server.ts answers what the parser gives up.
    clientErrorHandler: () => undefined,
    bodyLimit: SMALL_BODY,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 200 },
    logger: false,
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
  });
  const failed = (request: FastifyRequest, failure: Failure): void => {
    if (failure.code === 'internal' || failure.code === 'pack_damaged' || failure.code === 'server_full') {
      ports.log.error(
        { method: request.method, route: request.routeOptions.url, err: failure },
        failure.message,
      );
    }
    if (isFatal(failure)) ports.fatal(failure);
  };
  app.setErrorHandler((error, request, reply) => {
    const failure = edgeFailure(error, request.routeOptions.bodyLimit);
    failed(request, failure);
    return sendProblem(reply, failure);
  });
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, notFound()));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, parseJson(String(body)));
    } catch (error) {
      done(error as Error);
    }
  });
  if (ports.readOnly) {
    app.addHook('onRequest', async ({ method, routeOptions }) => {
      if (READING.has(method) || routeOptions.url === ROUTES.searchVersions) return;
      throw new Failure('server_full', 'The server has no room left, and only reads until it has.');
    });
  }
  app.addHook('onResponse', async (request, reply) => {
    if (!request.raw.complete) lingerThenCut(request.raw);
    const ms = Math.round(reply.elapsedTime);
    ports.log.info({
      method: request.method,
      route: request.routeOptions.url,
      status: reply.raw.statusCode,
      ms,
    });
  });
  app.addHook('onClose', async () => loop.close());
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const reason = await unready(ports);
    const eventLoop = loop.delay;
    if (reason === null) return { status: 'ready', eventLoop };
    return reply.code(503).header('retry-after', '10').send({ status: 'unready', reason, eventLoop });
  });
  const strangers = new InFlight(STRANGERS_PER_CLIENT);
  const countStranger = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const client = clientBehindProxy(ports.front, request.raw);
    if (client !== undefined) strangers.take(client, 1, reply.raw);
  };
  app.post(ROUTES.devices, { onRequest: countStranger }, async (request, reply) => {
    const body = parseRequest(EnrolRequest, request.body);
    const { catalogue, capabilities } = ports;
    reply.code(201).header(CODECS_HEADER, CODECS_SAID);
    return enrolDevice(catalogue.enrolment, capabilities, ports, body);
  });
  app.get(ROUTES.server, { onRequest: countStranger }, async (request) => {
    const { nonce } = parseRequest(ServerQuery, request.query);
    return { signature: ports.signer.signText(serverProofText(nonce)) };
  });
  app.register(async (plugin) => registerDeviceRoutes(plugin, ports, scopes, gate));
  app.register(async (plugin) => registerUploads(plugin, ports, scopes, gate, exchanges, failed));
  return { fastify: app, scopes, uploadsAtRest: async () => void (await Promise.allSettled(exchanges)) };
}

async function registerDeviceRoutes(
  plugin: FastifyInstance,
  ports: AppPorts,
  scopes: DeviceScopes,
  gate: Gate,
): Promise<void> {
  const scopeOf = requireDevice(plugin, ports, scopes, gate);
  const bodies = {
    ofDevice: new InFlight(MAX_COMMIT_BYTES),
    ofAll: new InFlight(LARGE_BODIES * MAX_COMMIT_BYTES),
  };
  for (const { method, url, bodyLimit, handle } of DEVICE_ROUTES) {
    plugin.route({
      method,
      url,
      ...(bodyLimit === undefined
        ? {}
        : {
            bodyLimit,
            onRequest: async (request, reply) => takeBody(scopeOf(request).device, request, reply, bodies),
          }),
      handler: (request, reply) => {
        reply.header(CODECS_HEADER, CODECS_SAID);
        return handle(scopeOf(request), request, reply);
      },
    });
  }
}

interface Bodies {
  readonly ofDevice: InFlight;
  readonly ofAll: InFlight;
}

/** Room for a large body, by the length it states: bodies are held in memory, one of the largest size for each device at most. */
function takeBody(device: string, request: FastifyRequest, reply: FastifyReply, bodies: Bodies): void {
  const length = request.headers['content-length'];
  if (length === undefined)
    throw new Failure('malformed', 'This request states the Content-Length of its body.');
  const bytes = Math.min(Number(length), MAX_COMMIT_BYTES);
  bodies.ofDevice.take(device, bytes, reply.raw);
  bodies.ofAll.take('all', bytes, reply.raw);
}

async function registerUploads(
  plugin: FastifyInstance,
  ports: AppPorts,
  scopes: DeviceScopes,
  gate: Gate,
  exchanges: Set<Promise<void>>,
  failed: (request: FastifyRequest, failure: Failure) => void,
): Promise<void> {
  const scopeOf = requireDevice(plugin, ports, scopes, gate);
  // The body is the upload's: nothing may read it before the store does.
  plugin.removeAllContentTypeParsers();
  plugin.addContentTypeParser('*', (_request, _payload, done) => done(null));
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    reply.hijack();
    const { id } = request.params as { id?: string };
    const exchange = exchangeTus(
      { scope: scopeOf(request), id, prefix: prefixOf(ports.front, request.raw), limits: ports.limits },
      request.raw,
      reply.raw,
      (failure) => failed(request, failure),
    );
    exchanges.add(exchange);
    await exchange.finally(() => exchanges.delete(exchange));
  };
  plugin.post(ROUTES.interim, showInterim);
  plugin.route({ method: ['POST', 'OPTIONS'], url: ROUTES.uploads, handler });
  plugin.route({ method: ['HEAD', 'PATCH', 'DELETE', 'OPTIONS'], url: `${ROUTES.uploads}/:id`, handler });
}

/** What the requests of all devices pass. */
interface Gate {
  readonly inFlight: InFlight;
  /**
   * Requests begin one in each turn of the event loop, the devices in turns: who sends many at once has the others wait for one of them,
   * not for all.
   */
  readonly starts: FairTurns;
}

const aTurnOfTheLoop = () => setImmediate();

/** Lets only devices in; the function returned gives the scope of the device that sent a request. */
function requireDevice(
  plugin: FastifyInstance,
  { catalogue }: AppPorts,
  scopes: DeviceScopes,
  gate: Gate,
): (request: FastifyRequest) => DeviceScope {
  const asking = new WeakMap<FastifyRequest, DeviceScope>();
  plugin.addHook('onRequest', async (request, reply) => {
    const device = await authenticate(request.headers, catalogue.enrolment);
    gate.inFlight.take(device.id, 1, reply.raw);
    noteKnown(request.raw);
    await gate.starts.take(device.id, 1, aTurnOfTheLoop);
    asking.set(request, await scopes.of(device.id));
  });
  return (request) => {
    const scope = asking.get(request);
    if (!scope) throw new Error('a route for devices was reached without one');
    return scope;
  };
}

/** Why the server can't take backups now, as the code of a failure; null: it can. */
async function unready({ catalogue, room, readOnly, log }: AppPorts): Promise<string | null> {
  try {
    await catalogue.check();
    return !readOnly && (await room.has()) ? null : 'server_full';
  } catch (error) {
    log.error({ err: error }, 'not ready');
    return serverFailure(error).code;
  }
}

/** Fastify's own refusals (a body that is too large or no JSON) and everything else, as a Failure. */
function edgeFailure(error: unknown, bodyLimit = SMALL_BODY): Failure {
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  if (
    typeof code !== 'string' ||
    !code.startsWith('FST_') ||
    typeof statusCode !== 'number' ||
    statusCode >= 500
  ) {
    return serverFailure(error);
  }
  if (statusCode === 413)
    return new Failure('too_large', `The body of the request has more than ${bodyLimit} bytes.`, {
      detail: { limit: bodyLimit },
    });
  return new Failure('malformed', 'The request is not as the protocol describes it.');
}

function sendProblem(reply: FastifyReply, failure: Failure): FastifyReply {
  const { status, headers, body } = problemOf(failure);
  // What was said of the thing itself (its length, its tag) is not true of the problem.
  for (const name of Object.keys(reply.getHeaders())) if (!isOfEveryAnswer(name)) reply.removeHeader(name);
  return reply.code(status).headers(headers).type(PROBLEM_TYPE).send(body);
}
