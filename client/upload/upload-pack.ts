// One pack, or one change list, to its end by tus: created once, its URL kept, resumed where the server is; starting over is never the library's choice.
import { DetailedError, Upload, type UploadOptions } from 'tus-js-client';
import { Failure } from '../../shared/failure.ts';
import { ROUTES } from '../../shared/routes.ts';
import { failureOf } from '../http/failure-of-answer.ts';
import type { HttpClient } from '../http/http-client.ts';
import type { ServerClient } from '../http/server-client.ts';
import type { QueuedPack } from '../state/queue-rows.ts';
import { queueUrlStorage } from './queue-url-storage.ts';
import { StagedFileReader, type StagedPack } from './staged-file.ts';
import { tusHttpStack, type UploadProgress } from './tus-http-stack.ts';

/** Bytes in a request to a server, or through a proxy, that gives no interim acknowledgements. */
const CHUNK_WITHOUT_ACKS = 1_048_576;

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
 * Sends the rest of a pack; resolves when the server has checked and published it. One attempt: every failure is thrown as a
 * Failure, and whoever called decides when to try again. `upload_gone` only where the URL itself is answered 404 or 410.
 */
export async function uploadPack(upload: PackUpload): Promise<void> {
  const reader = new StagedFileReader();
  try {
    await run(upload, reader);
  } finally {
    await reader.close();
  }
}

function run(upload: PackUpload, fileReader: StagedFileReader): Promise<void> {
  const { pack, http, server, signal } = upload;
  return new Promise((resolve, reject) => {
    const options: UploadOptions = {
      // Never both: with an endpoint at hand the library answers a failed resume by starting from byte 0.
      ...(pack.url ? { uploadUrl: server.url(pack.url) } : { endpoint: server.url(ROUTES.uploads) }),
      headers: server.headers,
      metadata: { kind: upload.kind ?? 'pack', id: pack.id },
      fileReader,
      httpStack: tusHttpStack(http, { onWritten: upload.onWritten, signal }),
      urlStorage: queueUrlStorage(pack, (url) => upload.onUrl(server.routeOf(url)), reject),
      fingerprint: async () => pack.id,
      storeFingerprintForResuming: pack.url === null,
      // Where the other side does not say what it has written, only the end of a request does: then they are short.
      chunkSize: http.acknowledges(server.url('/')) ? Number.POSITIVE_INFINITY : CHUNK_WITHOUT_ACKS,
      retryDelays: null,
      // The one word on how far it is where nobody gives interim acknowledgements.
      onChunkComplete: (_bytes, offset) => upload.onWritten(offset),
      onSuccess: () => resolve(),
      onError: (error) => reject(uploadFailure(error)),
    };
    // The reader takes what it is given: a description of the file, not its bytes.
    new Upload(upload.file as unknown as Buffer, options).start();
  });
}

/** What an error of tus-js-client means to us. */
function uploadFailure(error: Error | DetailedError): Failure {
  const cause = (error as DetailedError).causingError ?? error;
  if (cause instanceof Failure) return cause;
  const response = error instanceof DetailedError ? error.originalResponse : null;
  if (!response) return new Failure('unreachable', `The upload broke: ${error.message}.`, { cause: error });
  const status = response.getStatus();
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
