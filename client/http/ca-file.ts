// The file of the setting `caFile`: one or several certificates in PEM.
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Failure } from '../../shared/failure.ts';

/** OpenSSL writes the second form with `x509 -trustout`; what it adds is not read, as Node reads none of it. */
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates in the file, PEM. A Failure `settings_invalid` where it can't be read, or holds none, or one that is damaged. */
export async function readCaFile(path: string): Promise<string[]> {
  const text = await readFile(path, 'latin1').catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ENOENT' ? 'is not there' : `can't be read (${cause.code ?? cause.message})`;
    throw new Failure('settings_invalid', `The file ${path} of the setting caFile ${why}.`, { cause });
  });
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0)
    throw new Failure(
      'settings_invalid',
      `The file ${path} of the setting caFile holds no certificate in PEM (-----BEGIN CERTIFICATE-----).`,
    );
  for (const [index, pem] of found.entries()) {
    try {
      new X509Certificate(pem);
    } catch (cause) {
      throw new Failure(
        'settings_invalid',
        `Certificate ${index + 1} in the file ${path} of the setting caFile is damaged.`,
        { cause },
      );
    }
  }
  return found;
}
