// One pack, or one change list, to its end by tus: created once, its URL kept, resumed where the server is; starting over is never the library's choice.
import { DetailedError, Upload, type UploadOptions } from 'tus-js-client';
import { Failure } from '../../shared/failure.ts';
import { ROUTES } from '../../shared/routes.ts';
import { failureOf } from '../http/failure-of-answer.ts';
import type { HttpClient } from '../http/http-client.ts';
import { isRedirect } from '../http/redirect.ts';
import { assertOfServer, isOfServer } from '../http/same-server.ts';
import { MOST_HOPS, type ServerClient } from '../http/server-client.ts';
import type { QueuedPack } from '../state/queue-rows.ts';
import { type LearntSize, learntSize } from './learnt-size.ts';
import { queueUrlStorage } from './queue-url-storage.ts';
import { StagedFileReader, type StagedPack } from './staged-file.ts';
import { INTERIM_REQUEST_BYTES, tusHttpStack, type UploadProgress } from './tus-http-stack.ts';

export interface PackUpload {
  /** What it is to become; a pack unless it says otherwise. */
  readonly kind?: 'pack' | 'change-list';
  /** Its SHA-256, and where it goes on. */
  readonly pack: Pick<QueuedPack, 'id' | 'url'>;
  readonly file: StagedPack;
  readonly http: HttpClient;
  readonly server: ServerClient;
  /** Makes the URL durable. */
  readonly onUrl: (url: string) => void;
  readonly onWritten: UploadProgress;
  readonly signal: AbortSignal;
}

/**
 * Sends the rest of a pack, in requests as large as the way takes; resolves when the server has checked and published it. One attempt:
 * every failure is thrown as a Failure, and whoever called decides when to try again. `upload_gone` only where the URL itself is
 * answered 404 or 410. Where something on the way takes no request of this size, it goes on at once with smaller ones.
 */
export async function uploadPack(upload: PackUpload): Promise<void> {
  const { http, server } = upload;
  let { pack } = upload;
  // Kept by a program that did not look, or changed since: it is made anew.
  if (pack.url && !isOfServer(server.url(''), server.url(pack.url)))
    throw new Failure('upload_gone', `The address of an upload is not below ${server.url('')}.`);
  const onUrl = (url: string): void => {
    upload.onUrl(url);
    pack = { id: pack.id, url };
  };
  for (let hops = 0; ; ) {
    const from = server.url('');
    const size = learntSize(http, server.url('/'));
    const interim = await http.interim.carries(from, server.headers);
    const run = new Run({ ...upload, pack, onUrl }, size, interim);
    try {
      return await run.ended();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const { status, location } = error.detail as { status?: number; location?: string };
      if (location !== undefined && hops++ < MOST_HOPS)
        await server.follow(from, pack.url ?? ROUTES.uploads, Number(status), location);
      else if (!isTooLargeOnTheWay(error) || !size.refused(run.requestBytes)) throw error;
    }
  }
}

/** Whether it was not the server that found a request too large: it takes every request up to the size of the upload. */
function isTooLargeOnTheWay({ code, detail }: Failure): boolean {
  return code === 'too_large' && detail.ours === false;
}

/** One life of tus-js-client's upload. */
class Run {
  readonly #upload: PackUpload;
  readonly #size: LearntSize;
  readonly #interim: boolean;
  /** Most bytes of the request that is under way. */
  requestBytes: number;

  constructor(upload: PackUpload, size: LearntSize, interim: boolean) {
    this.#upload = upload;
    this.#size = size;
    this.#interim = interim;
    this.requestBytes = this.#nextBytes();
  }

  async ended(): Promise<void> {
    const reader = new StagedFileReader();
    try {
      await this.#run(reader);
    } finally {
      await reader.close();
    }
  }

  #nextBytes(): number {
    this.requestBytes = Math.min(
      this.#size.bytes,
      this.#interim ? INTERIM_REQUEST_BYTES : Number.POSITIVE_INFINITY,
    );
    return this.requestBytes;
  }

  #run(fileReader: StagedFileReader): Promise<void> {
    const { pack, kind, file, http, server, signal, onUrl, onWritten } = this.#upload;
    const doubtInterim = () => http.interim.doubt(server.url(''));
    return new Promise((resolve, reject) => {
      const options: UploadOptions = {
        // Never both: with an endpoint at hand the library answers a failed resume by starting from byte 0.
        ...(pack.url ? { uploadUrl: server.url(pack.url) } : { endpoint: server.url(ROUTES.uploads) }),
        headers: server.headers,
        metadata: { kind: kind ?? 'pack', id: pack.id },
        fileReader,
        httpStack: tusHttpStack(http, {
          server: server.url(''),
          size: this.#size,
          interim: this.#interim,
          doubtInterim,
          onWritten,
          signal,
        }),
        urlStorage: queueUrlStorage(pack, (url) => onUrl(ownRoute(server, url)), reject),
        fingerprint: async () => pack.id,
        storeFingerprintForResuming: pack.url === null,
        chunkSize: this.requestBytes,
        retryDelays: null,
        onChunkComplete: (_bytes, offset) => {
          onWritten(offset);
          // The library reads it for each request.
          tus.options.chunkSize = this.#nextBytes();
        },
        onSuccess: () => resolve(),
        onError: (error) => reject(uploadFailure(error)),
      };
      // The reader takes what it is given: a description of the file, not its bytes.
      const tus = new Upload(file as unknown as Buffer, options);
      tus.start();
    });
  }
}

/** What is kept of the URL that the server gave. Failure `answer_refused` where it is not the server's own. */
function ownRoute(server: ServerClient, url: string): string {
  assertOfServer(server.url(ROUTES.uploads), url);
  return server.routeOf(url);
}

/** What an error of tus-js-client means to us. */
function uploadFailure(error: Error | DetailedError): Failure {
  const cause = (error as DetailedError).causingError ?? error;
  if (cause instanceof Failure) return cause;
  const response = error instanceof DetailedError ? error.originalResponse : null;
  if (!response) return new Failure('unreachable', `The upload broke: ${error.message}.`, { cause: error });
  const status = response.getStatus();
  if (isRedirect(status))
    return new Failure('answer_refused', 'The server sends an upload elsewhere.', {
      cause: error,
      detail: { status, location: response.getHeader('Location') },
    });
  const headers = {
    'retry-after': response.getHeader('Retry-After'),
    'content-type': response.getHeader('Content-Type'),
  };
  const failure = failureOf(status, headers, response.getBody());
  // Only from the server itself: a proxy that answers 404 to everything knows nothing of uploads.
  if (failure.code === 'not_found') return new Failure('upload_gone', failure.message, { cause: failure });
  // The offsets differ: asking for the right one is what the next attempt begins with.
  if (status === 409) return new Failure('offset_differs', failure.message, { cause: failure });
  return failure;
}
