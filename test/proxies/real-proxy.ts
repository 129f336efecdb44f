// nginx, Caddy, HAProxy and Apache as child processes, each with the file of server/proxies and the places of a test in it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';

export type ProxyName = 'nginx' | 'caddy' | 'haproxy' | 'apache2';

/** A private authority and a certificate of `localhost` from it. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly all: string;
}

export function makeCertificates(root: string): Certificates {
  const at = (name: string) => join(root, name);
  const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: 'ignore' });
  const made = { ca: at('ca.pem'), cert: at('fullchain.pem'), key: at('key.pem'), all: at('all.pem') };
  const fresh = ['-newkey', 'rsa:2048', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...fresh,
    '-days',
    '2',
    '-subj',
    '/CN=Test',
    '-keyout',
    at('ca.key'),
    '-out',
    made.ca,
  );
  openssl('req', ...fresh, '-subj', '/CN=localhost', '-keyout', made.key, '-out', at('csr'));
  writeFileSync(at('ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  const signed = ['-CA', made.ca, '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2'];
  openssl('x509', '-req', '-in', at('csr'), ...signed, '-extfile', at('ext'), '-out', made.cert);
  writeFileSync(made.all, readFileSync(made.cert, 'utf8') + readFileSync(made.key, 'utf8'));
  return made;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface Place {
  readonly root: string;
  readonly port: number;
  readonly certificates: Certificates;
}

/** What is run, given the documented configuration with the places of the test in it. */
const RUNS: Record<
  ProxyName,
  (config: string, place: Place & { readonly connections: number }) => { file: string; words: string[] }
> = {
  nginx: (site, { root, connections }) => {
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${join(root, name)};`,
    );
    const http = `http {\naccess_log off;\n${temp.join('\n')}\n${site}}\n`;
    const all = `daemon off;\nerror_log stderr;\npid ${join(root, 'pid')};\nevents { worker_connections ${connections}; }\n${http}`;
    writeFileSync(join(root, 'nginx.conf'), all);
    return { file: 'nginx', words: ['-p', root, '-c', join(root, 'nginx.conf')] };
  },
  caddy: (site, { root }) => {
    writeFileSync(join(root, 'Caddyfile'), `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`);
    return { file: 'caddy', words: ['run', '--adapter', 'caddyfile', '--config', join(root, 'Caddyfile')] };
  },
  haproxy: (config, { root }) => {
    writeFileSync(join(root, 'haproxy.cfg'), config);
    return { file: 'haproxy', words: ['-db', '-f', join(root, 'haproxy.cfg')] };
  },
  apache2: (site, { root, port }) => {
    const modules = ['mpm_event', 'authz_core', 'ssl', 'socache_shmcb', 'proxy', 'proxy_http'].map(
      (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`,
    );
    const own = [
      `ServerRoot ${root}`,
      `PidFile ${join(root, 'pid')}`,
      `ErrorLog ${join(root, 'error.log')}`,
      'ServerName localhost',
    ];
    const rest = [
      `Mutex file:${root} default`,
      'User www-data',
      'Group www-data',
      `Listen 127.0.0.1:${port}`,
    ];
    writeFileSync(join(root, 'apache.conf'), [...modules, ...own, ...rest, site].join('\n'));
    return { file: 'apache2', words: ['-DFOREGROUND', '-f', join(root, 'apache.conf')] };
  },
};

const FILES: Record<ProxyName, string> = {
  nginx: 'nginx.conf',
  caddy: 'Caddyfile',
  haproxy: 'haproxy.cfg',
  apache2: 'apache.conf',
};

export interface RealProxy {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts a proxy before the server at `target`; `edit`: what is different from the documented configuration. */
export async function startProxy(
  name: ProxyName,
  options: {
    root: string;
    target: number;
    certificates: Certificates;
    edit?: (config: string) => string;
    /** What nginx takes at once, in its main file; its own default where nothing is said. */
    connections?: number;
  },
): Promise<RealProxy> {
  const { root, target, certificates, edit = (config) => config, connections = 512 } = options;
  mkdirSync(root, { recursive: true });
  const port = await freePort();
  const file = new URL(`../../server/proxies/${FILES[name]}`, import.meta.url);
  const { cert, key, all } = certificates;
  const documented = readFileSync(file, 'utf8');
  const config = edit(documented)
    .replaceAll('127.0.0.1:8787', `127.0.0.1:${target}`)
    .replace('listen 443', `listen 127.0.0.1:${port}`)
    .replace('bind :443', `bind 127.0.0.1:${port}`)
    .replace('*:443', `127.0.0.1:${port}`)
    .replace(/^backup\.example\.org \{$/m, `localhost:${port} {\n\ttls ${cert} ${key}`)
    .replaceAll('backup.example.org', 'localhost')
    .replace('/etc/ssl/mailferry/fullchain.pem', cert)
    .replace('/etc/ssl/mailferry/key.pem', key)
    .replace('/etc/ssl/mailferry/all.pem', all);
  const { file: program, words } = RUNS[name](config, { root, port, certificates, connections });
  const child = spawn(program, words, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HOME: root },
  });
  let said = '';
  child.stderr.on('data', (bytes) => {
    said += bytes;
  });
  for (let tries = 0; !(await connects(port)); tries++) {
    if (child.exitCode !== null || tries > 150) throw new Error(`${program} does not listen: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { port, stop: () => end(child) };
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const over = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => over(true)).once('error', () => over(false));
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
