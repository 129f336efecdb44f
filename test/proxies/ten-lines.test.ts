// The operator's ten lines, as the README prints them, run as root on a machine of their own: /etc, /srv, /run and the network are apart.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { lacks, lacksRoot, named } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { makeCertificates } from './real-proxy.ts';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const reason =
  lacksRoot() ??
  lacks('nginx', 'openssl', 'unshare', 'runuser', 'useradd', 'curl', 'ip') ??
  (spawnSync('unshare', ['--mount', '--net', 'true']).status === 0 ? null : 'no namespaces here');

function tenLines(): string {
  const readme = readFileSync(join(CHECKOUT, 'README.md'), 'utf8');
  const lines = /## For the operator of a server\n.*?```sh\n(.*?)```/s.exec(readme)?.[1] ?? '';
  expect(lines.trim().split('\n')).toHaveLength(10);
  return lines;
}

/** What is done before: a machine apart, with the checkout in its place and the name known. */
const BEFORE = `
set -eu
mount --make-rprivate /
cp -a /etc "$ROOT/etc"
mkdir "$ROOT/srv"
mount --bind "$ROOT/etc" /etc
mount --bind "$ROOT/srv" /srv
mount -t tmpfs none /run
mount -t tmpfs none /opt
mkdir /opt/mailferry
mount --bind "$CHECKOUT" /opt/mailferry
ip link set lo up
echo "127.0.0.1 $NAME" >>/etc/hosts
rm -f /etc/nginx/sites-enabled/*
# An access log that nobody has to look at, and no IPv6, which this machine may lack.
sed -i 's|/var/log/nginx/|/run/|' /etc/nginx/nginx.conf
umask 022
`;

/** A backup and a restore by a device, over TLS, by the name. */
const AFTER = `
cd /
for n in 1 2 3 4 5 6 7 8 9 10; do curl -sf --cacert "$CA" "https://$NAME/readyz" && break; sleep 1; done
export SSL_CERT_FILE="$CA"
head -c 300000 /dev/urandom >"$ROOT/mail.pst"
MAILFERRY_TOKEN=$(tail -n 1 "$ROOT/token") mailferry enroll --server "https://$NAME" --state "$ROOT/state"
mailferry backup "$ROOT/mail.pst" --wait --snapshot live --state "$ROOT/state"
mailferry restore "$ROOT/mail.pst" --to "$ROOT/restored" --state "$ROOT/state"
cmp "$ROOT/mail.pst" "$ROOT/restored"
stat -c '%U %a' /srv/mailferry/catalogue.db
echo all is well
`;

/** Programs that are not tried here: the package is there, the checkout is built, and no systemd runs in a namespace. */
const STAND_INS: Record<string, string> = {
  'apt-get': '#!/bin/sh\n[ "$*" = "install -y nginx" ]\n',
  npm: '#!/bin/sh\nexit 0\n',
  mailferry: `#!/bin/sh\nexec /opt/mailferry/node_modules/.bin/node /opt/mailferry/dist/client/mailferry.js "$@"\n`,
  systemctl: `#!/bin/sh
case "$*" in
"enable --now mailferry-server")
  unit=/etc/systemd/system/mailferry-server.service
  line=$(sed -n 's/^ExecStart=//p' $unit)
  user=$(sed -n 's/^User=//p' $unit)
  cd / && setsid runuser -u "$user" -- $line >"$ROOT/server.log" 2>&1 &
  sleep 3 ;;
"reload nginx") exec nginx ;;
*) exit 1 ;;
esac
`,
};

test(named('4: ten lines of the README lead to a TLS server behind nginx', reason), {
  timeout: 120_000,
}, (context) => {
  context.skip(reason !== null, reason ?? '');
  const root = tempDir();
  // The server's user goes through it.
  chmodSync(root, 0o755);
  const programs = join(root, 'bin');
  mkdirSync(programs);
  for (const [name, text] of Object.entries(STAND_INS))
    writeFileSync(join(programs, name), text, { mode: 0o755 });
  const { ca, cert, key } = makeCertificates(root);
  const lines = tenLines().trim().split('\n');
  // A shell of people goes on after a line that fails; here none may. The last one gives the token.
  const script = [BEFORE, 'set -x', ...lines.slice(0, -1), `${lines.at(-1)} >"$ROOT/token"`, AFTER].join(
    '\n',
  );
  const ended = spawnSync(
    'unshare',
    ['--mount', '--net', '--pid', '--fork', '--mount-proc', '--kill-child', 'bash', '-c', script],
    {
      encoding: 'utf8',
      env: {
        PATH: `${programs}:${process.env.PATH}`,
        HOME: root,
        ROOT: root,
        CHECKOUT,
        NAME: 'localhost',
        CERTIFICATE: cert,
        KEY: key,
        CA: ca,
      },
    },
  );
  expect(`${ended.stdout}${ended.stderr}`).toContain('all is well');
  expect(ended.stdout).toContain('mailferry 600');
  expect(ended.status).toBe(0);
});
