// tus-client-main send FILE ENDPOINT: uploads a whole file, prints its URL. tus-client-main fetch URL FILE: the way back.
import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { Upload } from 'tus-js-client';

const [what, from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) throw new Error('usage: tus-client-main send|fetch FROM TO');
if (what === 'send') console.log(await send(from, to));
else await fetchTo(from, to);

function send(path: string, endpoint: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const upload = new Upload(createReadStream(path), {
      endpoint,
      retryDelays: null,
      onError: reject,
      onSuccess: () => resolve(upload.url ?? ''),
    });
    upload.start();
  });
}

async function fetchTo(url: string, path: string): Promise<void> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}`);
  await pipeline(Readable.fromWeb(response.body as ReadableStream), createWriteStream(path));
}
