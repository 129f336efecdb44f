// A private authority and certificates of it, made by openssl for one test.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** PEM files. */
  readonly key: string;
  readonly certificate: string;
}

const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'] });

function keyAt(path: string): string {
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path);
  return path;
}

/** A root authority, which signed itself. */
export function authority(folder: string, name: string): Certificate {
  const key = keyAt(join(folder, `${name}.key`));
  const certificate = join(folder, `${name}.pem`);
  const words = ['-subj', `/CN=${name}`, '-days', '30', '-out', certificate];
  openssl('req', '-x509', '-new', '-key', key, ...words, '-addext', 'keyUsage=critical,keyCertSign,cRLSign');
  return { key, certificate };
}

export interface Signing {
  readonly name: string;
  /** As openssl writes it, such as "IP:127.0.0.1". */
  readonly names?: string;
  /** Days from now, which may be in the past. */
  readonly from?: number;
  readonly until?: number;
  /** It may sign others itself. */
  readonly isAuthority?: boolean;
}

/** A certificate that `issuer` signed. */
export function signedBy(folder: string, issuer: Certificate, signing: Signing): Certificate {
  const { name, names = 'IP:127.0.0.1,DNS:localhost', from = -1, until = 30, isAuthority = false } = signing;
  const key = keyAt(join(folder, `${name}.key`));
  const request = join(folder, `${name}.csr`);
  const certificate = join(folder, `${name}.pem`);
  openssl('req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', request);
  const extensions = join(folder, `${name}.ext`);
  writeFileSync(
    extensions,
    isAuthority
      ? 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
      : `basicConstraints=CA:FALSE\nsubjectAltName=${names}\n`,
  );
  // The `x509` command of OpenSSL 3.0 takes no first day; `ca` does.
  const index = join(folder, `${name}.index`);
  const settings = join(folder, `${name}.cnf`);
  writeFileSync(index, '');
  writeFileSync(
    settings,
    `[ca]\ndefault_ca=own\n[own]\ndatabase=${index}\nnew_certs_dir=${folder}\nrand_serial=yes\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n`,
  );
  const days = ['-startdate', stamp(from), '-enddate', stamp(until)];
  const by = ['-cert', issuer.certificate, '-keyfile', issuer.key, '-extfile', extensions];
  openssl(
    'ca',
    '-batch',
    '-notext',
    '-config',
    settings,
    '-in',
    request,
    '-out',
    certificate,
    ...by,
    ...days,
  );
  return { key, certificate };
}

/** A file with both certificates, the server's first. */
export function chain(server: Certificate, ...others: Certificate[]): Certificate {
  const certificate = server.certificate.replace(/\.pem$/, '-chain.pem');
  writeFileSync(certificate, [server, ...others].map((one) => readFileSync(one.certificate)).join('\n'));
  return { key: server.key, certificate };
}

function stamp(days: number): string {
  const at = new Date(Date.now() + days * 86_400_000).toISOString();
  return at.replace(/[-:T]|\.\d+/g, '');
}
