// tus-js-client's URL storage over the queue: a URL is durable before the first byte is sent to it.
import type { PreviousUpload, UrlStorage } from 'tus-js-client';
import type { QueuedPack } from '../queue.ts';

/** Keeps the URL of one pack through `keep`; finds nothing, since a known URL is resumed by itself (upload-pack.ts). */
export function queueUrlStorage(pack: Pick<QueuedPack, 'id'>, keep: (url: string) => void): UrlStorage {
  return {
    findAllUploads: async () => [],
    findUploadsByFingerprint: async () => [],
    removeUpload: async () => {},
    addUpload: async (_fingerprint: string, upload: PreviousUpload) => {
      if (upload.uploadUrl) keep(upload.uploadUrl);
      return pack.id;
    },
  };
}
