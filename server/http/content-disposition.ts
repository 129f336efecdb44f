// The Content-Disposition of a download, safe for any name a file ever had (RFC 6266, RFC 8187). Pure.

/** `attachment` with the last segment of a path, of either system, in plain ASCII and, encoded, as it is. */
export function attachment(path: string): string {
  const last = path.split(/[/\\]/).findLast((segment) => segment !== '') ?? '';
  // Dots alone are a folder and no name.
  const name = /^\.*$/.test(last) ? 'download' : last;
  const plain = name.replace(/[^A-Za-z0-9 ._()-]/g, '_');
  return `attachment; filename="${plain}"; filename*=UTF-8''${encode(name)}`;
}

function encode(name: string): string {
  // A lone surrogate is no character and encodeURIComponent throws at it.
  const text = name.replace(LONE_SURROGATE, '\ufffd');
  return encodeURIComponent(text).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
