// The checksum extension of tus 1.0: what a PATCH says its body sums up to, and nothing of the body counted before that was found true.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { type BodyPlace, writeBody } from './write-body.ts';

/** By their names in Upload-Checksum: the bytes of a sum. */
const ALGORITHMS = { sha1: 20, sha256: 32 } as const;
/** As OPTIONS tells them. */
export const CHECKSUM_ALGORITHMS = Object.keys(ALGORITHMS).join(',');

interface Checksum {
  readonly algorithm: keyof typeof ALGORITHMS;
  readonly sum: Buffer;
}

/** The checksum in a header Upload-Checksum; undefined where it is none that is taken here. */
export function checksumIn(header: string): Checksum | undefined {
  const [, algorithm, base64] = /^(sha1|sha256) ([A-Za-z0-9+/]+={0,2})$/.exec(header) ?? [];
  if (algorithm === undefined || base64 === undefined) return undefined;
  const sum = Buffer.from(base64, 'base64');
  const name = algorithm as keyof typeof ALGORITHMS;
  return sum.length === ALGORITHMS[name] && sum.toString('base64') === base64
    ? { algorithm: name, sum }
    : undefined;
}

/**
 * As writeBody(), for a body that says what it sums up to: it is written aside, compared, and only then added to its place, so that
 * neither a break nor a crash leaves a byte there that nobody compared. An error with status 460 where it is another body.
 */
export async function writeCheckedBody(
  body: IncomingMessage,
  place: BodyPlace,
  { algorithm, sum }: Checksum,
): Promise<number> {
  const aside = `${place.path}.unchecked`;
  await writeFile(aside, '', { mode: 0o600 });
  try {
    const end = place.end - place.offset;
    await writeBody(body, { ...place, path: aside, offset: 0, end, written: () => undefined });
    if (place.signal.aborted || !body.complete) return place.offset;
    const hash = createHash(algorithm);
    for await (const part of createReadStream(aside)) hash.update(part as Buffer);
    if (!hash.digest().equals(sum)) throw mismatch(algorithm);
    return await writeBody(createReadStream(aside), place);
  } finally {
    await rm(aside, { force: true });
  }
}

/** In the form of the errors of @tus/server. */
function mismatch(algorithm: string): Error {
  const body = `The body does not have the ${algorithm} that its Upload-Checksum says; nothing of it was kept.`;
  return Object.assign(new Error(body), { status_code: 460, body });
}
