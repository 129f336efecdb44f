// Signing of programs, scripts and installers, where a certificate is given.
import { rename } from 'node:fs/promises';
import { tool } from './tools.ts';

export interface Certificate {
  /** A PKCS#12 file. */
  readonly file: string;
  /** A file that holds its password and nothing else. */
  readonly passwordFile?: string;
  /** Of an RFC 3161 time stamp server: a signature with a time stamp outlives its certificate. */
  readonly timestampUrl?: string;
}

/** The certificate that the environment names: MAILFERRY_SIGN_CERTIFICATE, ..._PASSWORD_FILE, MAILFERRY_SIGN_TIMESTAMP_URL. */
export function certificateOf(env: Readonly<Record<string, string | undefined>>): Certificate | null {
  const file = env.MAILFERRY_SIGN_CERTIFICATE;
  if (!file) return null;
  const passwordFile = env.MAILFERRY_SIGN_CERTIFICATE_PASSWORD_FILE;
  const timestampUrl = env.MAILFERRY_SIGN_TIMESTAMP_URL;
  return { file, ...(passwordFile ? { passwordFile } : {}), ...(timestampUrl ? { timestampUrl } : {}) };
}

/** Signs `path` in its place with SHA-256. */
export async function sign(path: string, { file, passwordFile, timestampUrl }: Certificate): Promise<void> {
  const signed = `${path}.signed`;
  await tool('osslsigncode', [
    'sign',
    ...['-pkcs12', file],
    ...(passwordFile ? ['-readpass', passwordFile] : []),
    ...(timestampUrl ? ['-ts', timestampUrl] : []),
    ...['-h', 'sha256', '-n', 'Mailferry'],
    ...['-in', path, '-out', signed],
  ]);
  await rename(signed, path);
}
