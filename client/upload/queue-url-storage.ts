// tus-js-client's URL storage over the queue: a URL is durable before the first byte is sent to it.
import type { PreviousUpload, UrlStorage } from 'tus-js-client';
import type { QueuedPack } from '../state/queue-rows.ts';

/**
 * Keeps the URL of one pack through `keep`; finds nothing, since a known URL is resumed by itself (upload-pack.ts). A URL that can't
 * be kept is told to `failed` and never used: tus-js-client listens to no failure here, and the process would end of it.
 */
export function queueUrlStorage(
  pack: Pick<QueuedPack, 'id'>,
  keep: (url: string) => void,
  failed: (error: unknown) => void,
): UrlStorage {
  return {
    findAllUploads: async () => [],
    findUploadsByFingerprint: async () => [],
    removeUpload: async () => {},
    addUpload: (_fingerprint: string, upload: PreviousUpload) =>
      new Promise((resolve) => {
        try {
          if (upload.uploadUrl) keep(upload.uploadUrl);
          resolve(pack.id);
        } catch (error) {
          failed(error);
        }
      }),
  };
}
