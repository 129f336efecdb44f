// One request of the upload protocol: handed to @tus/server as a web request, its answer written without what it adds unasked.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Failure } from '../../shared/failure.ts';
import { ROUTES } from '../../shared/routes.ts';
import type { DeviceScope } from '../device-scope.ts';
import { serverFailure } from '../disk-failure.ts';
import { lingerThenCut } from '../http/linger.ts';
import { type Answer, PROBLEM_TYPE, problemOf, problemOfTus, uploadGone } from '../http/problem.ts';
import { type Limits, MAX_METADATA_BYTES } from '../limits.ts';
import { CHECKSUM_ALGORITHMS, checksumIn } from './checksum.ts';
import { answerMeanwhile } from './interim-answers.ts';

const TUS_VERSION = '1.0.0';
const UPLOAD_ID = /^[0-9a-f]{32}$/;
const CHUNK_TYPE = 'application/offset+octet-stream';

export interface Asked {
  readonly scope: DeviceScope;
  /** The upload; undefined: all of them. */
  readonly id: string | undefined;
  /** What stands before a route from the outside. */
  readonly prefix: string;
  readonly limits: Limits;
}

type TusRequest = Parameters<DeviceScope['tus']['handleWeb']>[0];

/**
 * Answers one request on /v1/uploads or /v1/uploads/{id}. Everything that goes wrong becomes a problem+json answer and is
 * given to `failed` besides; never rejects but where the answer itself can't be written.
 */
export async function exchangeTus(
  asked: Asked,
  raw: IncomingMessage,
  response: ServerResponse,
  failed: (failure: Failure) => void,
): Promise<void> {
  const { scope, id } = asked;
  const ended = id === undefined ? () => undefined : answerMeanwhile(scope.store, id, raw, response);
  let answer: Answer | Response;
  try {
    answer = refusal(raw, id) ?? (await handle(scope, id, raw, failed));
  } catch (error) {
    const failure = serverFailure(error);
    failed(failure);
    answer = problemOf(failure);
  } finally {
    ended();
  }
  if (answer instanceof Response) await addTold(answer.headers, asked, raw);
  await send(answer, raw, response);
}

/** What @tus/server does not say: where an upload is from the outside, when it will be forgotten, what is taken here. */
async function addTold(
  headers: Headers,
  { scope, id, prefix, limits }: Asked,
  raw: IncomingMessage,
): Promise<void> {
  if (raw.method === 'OPTIONS') {
    headers.set('tus-max-size', String(limits.fileBytes));
    headers.set('tus-checksum-algorithm', CHECKSUM_ALGORITHMS);
    return;
  }
  const location = headers.get('location');
  if (location !== null) headers.set('location', prefix + location);
  const upload = id ?? location?.split('/').at(-1);
  const expires =
    upload === undefined || raw.method === 'DELETE' ? undefined : await scope.store.expiresAt(upload);
  if (expires !== undefined) headers.set('upload-expires', new Date(expires).toUTCString());
}

/** What the protocol refuses before anything is looked up; @tus/server gives some of it other statuses than tus 1.0 does. */
function refusal(raw: IncomingMessage, id: string | undefined): Answer | undefined {
  if (raw.method !== 'OPTIONS' && raw.headers['tus-resumable'] !== TUS_VERSION) {
    return problemOfTus(412, 'This server speaks tus 1.0.0 only.');
  }
  if (id !== undefined && !UPLOAD_ID.test(id)) return problemOf(uploadGone());
  const metadata = String(raw.headers['upload-metadata'] ?? '');
  if (metadata.length > MAX_METADATA_BYTES) {
    const text = `Upload-Metadata has ${metadata.length} bytes, more than the ${MAX_METADATA_BYTES} allowed.`;
    return problemOfTus(431, text, { length: metadata.length, limit: MAX_METADATA_BYTES });
  }
  const checksum = raw.headers['upload-checksum'];
  if (checksum !== undefined && !checksumIn(String(checksum)))
    return problemOfTus(400, `Upload-Checksum is none of ${CHECKSUM_ALGORITHMS} in base64.`);
  if (raw.method !== 'PATCH') return undefined;
  if (raw.headers['content-type'] !== CHUNK_TYPE) return problemOfTus(415, `A PATCH carries ${CHUNK_TYPE}.`);
  if (raw.headers['upload-offset'] === undefined)
    return problemOfTus(400, 'A PATCH states its Upload-Offset.');
  return undefined;
}

async function handle(
  scope: DeviceScope,
  id: string | undefined,
  raw: IncomingMessage,
  failed: (failure: Failure) => void,
): Promise<Answer | Response> {
  const request = webRequest(id, raw);
  const response = await scope.tus.handleWeb(request as TusRequest);
  const error = scope.tusErrors.get(request);
  if (error === undefined) {
    return response.status < 400 ? response : problemOfTus(response.status, (await response.text()).trim());
  }
  const { status_code: status, body } = error as { status_code?: unknown; body?: unknown };
  if (typeof status === 'number') return problemOfTus(status, String(body).trim());
  const failure = serverFailure(error);
  failed(failure);
  return problemOf(failure);
}

/** The request as @tus/server reads it. Its URL is ours: nothing is ever derived from the Host header. */
function webRequest(id: string | undefined, raw: IncomingMessage): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw.headers)) {
    // Of what proxies say, a list in X-Forwarded-Proto would be refused as no header of tus.
    if (!name.startsWith('x-forwarded-')) headers.set(name, String(value));
  }
  const request = new Request(`http://server.invalid${ROUTES.uploads}${id === undefined ? '' : `/${id}`}`, {
    method: raw.method ?? 'GET',
    headers,
  });
  // By this @tus/server sees a connection that breaks, and the store finds the body that it takes from there itself.
  return Object.assign(request, { runtime: { node: { req: raw } } });
}

async function send(
  answer: Answer | Response,
  raw: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (response.destroyed || response.headersSent) return;
  response.setHeader('tus-resumable', TUS_VERSION);
  if (answer instanceof Response) {
    for (const [name, value] of answer.headers) {
      if (!name.startsWith('access-control-') && name !== 'cache-control') response.setHeader(name, value);
    }
    response.writeHead(answer.status);
    response.end(await answer.text());
  } else {
    const body = JSON.stringify(answer.body);
    if (answer.status === 412) response.setHeader('tus-version', TUS_VERSION);
    response.writeHead(answer.status, {
      ...answer.headers,
      'content-type': PROBLEM_TYPE,
      'content-length': Buffer.byteLength(body),
    });
    // Node leaves it out where the request itself was a HEAD, and not one that stands for a HEAD.
    response.end(body);
  }
  if (!raw.complete) lingerThenCut(raw);
}
