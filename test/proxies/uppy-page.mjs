// What a page with Uppy does, bundled for the browser: sends one file by tus, and says how it ended.
import Uppy from '@uppy/core';
import Tus from '@uppy/tus';

globalThis.send = async ({ endpoint, credential, name, base64, chunkSize }) => {
  const uppy = new Uppy();
  uppy.use(Tus, {
    endpoint,
    chunkSize,
    headers: { Authorization: `Bearer ${credential}` },
    allowedMetaFields: ['kind', 'path', 'name'],
    retryDelays: [],
  });
  const content = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
  uppy.addFile({ name, data: new Blob([content]), meta: { kind: 'file', path: `/${name}` } });
  const { successful, failed } = await uppy.upload();
  return failed.length > 0
    ? failed.map(({ error }) => String(error)).join('\n')
    : `sent ${successful.length}`;
};
