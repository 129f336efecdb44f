// Doctor: the way to the server step by step, each only where the one before it led on, so that the first that fails is what to mend.
import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import { asFailure, type Failure } from '../../shared/failure.ts';
import { causeOf } from '../http/connection-failure.ts';
import { HttpClient, type HttpResponse } from '../http/http-client.ts';
import type { HttpProxy } from '../http/proxy-rule.ts';
import { ServerClient } from '../http/server-client.ts';
import type { Way } from '../http/way.ts';
import { provenServer } from '../moving.ts';
import type { Identity } from '../state/state-directory.ts';
import type { Finding } from './finding.ts';

/** How long one step may take: ms. */
const PATIENCE_MS = 10_000;
/** A clock further off than this shows times that mislead people, and ends TLS where it is much further: ms. */
const CLOCK_MS = 120_000;

/** The steps, in their order. */
const STEPS = ['name', 'connection', 'proxy', 'tls', 'server', 'key', 'device', 'clock', 'interim'] as const;
type Check = (typeof STEPS)[number];

const found = (check: Check, state: 'ok' | 'skipped', said: string): Finding => ({ check, state, said });
const failed = (check: Check, said: string, todo: string): Finding => ({
  check,
  state: 'failed',
  said,
  todo,
});
const failedBy = (check: Check, { message, hint }: Failure): Finding => failed(check, message, hint);

/**
 * Tries the way and tells each step; those behind one that failed are skipped. Sends the credential only to a server that proved its key,
 * or to one of 0.1, which can't. `now`: ms since 1970. Never rejects for what is wrong with the way.
 */
export async function serverFindings(identity: Identity, way: Way, now: () => number): Promise<Finding[]> {
  const { server } = identity;
  const findings: Finding[] = [...noteOf(way)];
  const url = new URL(server);
  const proxy = usableProxy(url, way.proxy);
  const isSecure = url.protocol === 'https:';
  const applies = (check: Check) =>
    check === 'tls' ? isSecure : check === 'proxy' ? proxy !== null && !('code' in proxy) : true;
  for await (const finding of stepsTo({ identity, way, now, url, proxy })) findings.push(finding);
  const last = findings.findLast(({ check }) => STEPS.includes(check as Check))?.check as Check;
  if (findings.at(-1)?.state === 'failed')
    for (const check of STEPS.slice(STEPS.indexOf(last) + 1))
      if (applies(check)) findings.push(found(check, 'skipped', `Not tried, as ${last} failed.`));
  return findings;
}

interface Steps {
  readonly identity: Identity;
  readonly way: Way;
  readonly now: () => number;
  readonly url: URL;
  /** A Failure where one is named that can't be used. */
  readonly proxy: HttpProxy | Failure | null;
}

/** Yields the steps up to the first that fails. */
async function* stepsTo({ identity, way, now, url, proxy }: Steps): AsyncGenerator<Finding> {
  if (proxy !== null && 'code' in proxy) return yield failedBy('proxy', proxy);
  for await (const finding of connectionSteps(proxy?.url ?? url, proxy)) {
    yield finding;
    if (finding.state === 'failed') return;
  }
  const http = new HttpClient({ way });
  try {
    yield* answerSteps({ identity, now, url, proxy, http });
  } finally {
    http.close();
  }
}

/** The name and the port of the first host on the way. */
async function* connectionSteps(first: URL, proxy: HttpProxy | null): AsyncGenerator<Finding> {
  const host = first.hostname.replace(/^\[|\]$/g, '');
  const whose = proxy ? `The proxy's name ${host}` : `The name ${host}`;
  if (isIP(host)) yield found('name', 'ok', `${host} is an address, and no name is looked up.`);
  else {
    const addresses = await within(lookup(host, { all: true })).catch((error: Error) => error);
    if (addresses instanceof Error)
      return yield failed(
        'name',
        `${whose} leads to no address: ${causeOf(addresses).why}.`,
        'See whether this network, or its VPN, knows the name; or whether it is right.',
      );
    yield found('name', 'ok', `${whose} leads to ${addresses.map(({ address }) => address).join(', ')}.`);
  }
  const port = Number(first.port || (first.protocol === 'https:' ? 443 : 80));
  const what = `${proxy ? 'The proxy ' : ''}${first.host}`;
  const cause = await connected(host, port);
  if (cause !== null)
    return yield failed(
      'connection',
      `${what} can't be reached on port ${port}: ${causeOf(cause).why}.`,
      'See whether it runs, and whether a firewall or the VPN keeps this machine from it.',
    );
  yield found('connection', 'ok', `${what} takes connections on port ${port}.`);
}

/** Why no connection is made; null: one was, and is closed. */
function connected(host: string, port: number): Promise<Error | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: PATIENCE_MS });
    const over = (outcome: Error | null) => {
      socket.destroy();
      resolve(outcome);
    };
    socket.once('connect', () => over(null));
    socket.once('error', over);
    socket.once('timeout', () => over(Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' })));
  });
}

async function within<T>(work: Promise<T>): Promise<T> {
  const late = Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), PATIENCE_MS);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

type Answering = Pick<Steps, 'identity' | 'now' | 'url'> & {
  readonly proxy: HttpProxy | null;
  readonly http: HttpClient;
};

/** Codes of what fails before anything can be asked of the server. */
const STEP_OF: Readonly<Record<string, Check>> = {
  proxy_failed: 'proxy',
  tls_untrusted: 'tls',
  tls_failed: 'tls',
};

async function* answerSteps({ identity, now, url, proxy, http }: Answering): AsyncGenerator<Finding> {
  let at = identity.server;
  // Without the credential: nothing is proven yet.
  const asked = new ServerClient(http, at, null);
  // The device itself follows at its next look.
  asked.whenMoved(async (to) => {
    at = await provenServer(http, to, identity.receiptKey);
    return at;
  });
  const answer = await answerOf(asked);
  const failure = 'code' in answer ? answer : null;
  const step = STEP_OF[failure?.code ?? ''];
  if (proxy && step !== 'proxy')
    yield found(
      'proxy',
      'ok',
      `The server is asked through the proxy ${proxy.url.host} (named by ${proxy.from}).`,
    );
  if (url.protocol === 'https:' && step === undefined)
    yield found('tls', 'ok', 'The way is encrypted, and the certificate is trusted here.');
  if (failure !== null) return yield failedBy(step ?? 'server', failure);
  const proof = await proofOf(http, at, identity.receiptKey);
  if (proof !== null && proof.code !== 'server_differs') return yield failedBy('server', proof);
  yield at === identity.server
    ? found('server', 'ok', `${at} answers, and is a Mailferry server.`)
    : {
        check: 'server',
        state: 'warning',
        said: `${identity.server} has moved to ${at}, for good.`,
        todo: 'Nothing: this device follows at its next look.',
      };
  if (proof?.detail.isOld) yield found('key', 'skipped', 'A server of 0.1 can not prove its key.');
  else if (proof !== null) return yield failedBy('key', proof);
  else yield found('key', 'ok', 'It proved the key that this device enrolled with.');
  const server = new ServerClient(http, at, identity.credential);
  const known = await deviceFinding(server, identity.device);
  yield known;
  yield clockFinding((answer as HttpResponse).headers.date, now());
  if (known.state === 'failed') return yield found('interim', 'skipped', 'Not tried, as device failed.');
  const carries = await http.interim.carries(at, server.headers);
  yield found(
    'interim',
    'ok',
    carries
      ? 'Interim answers come through: an upload is one request.'
      : 'Interim answers do not come through here: an upload is made of requests of 1 to 8 MiB, which is well.',
  );
}

async function answerOf(server: ServerClient): Promise<HttpResponse | Failure> {
  try {
    const answer = await server.request('GET', '/healthz', { signal: AbortSignal.timeout(PATIENCE_MS) });
    answer.body.resume();
    return answer;
  } catch (error) {
    return asFailure(error);
  }
}

/** Why the key is not proven at `server`; null: it is. */
async function proofOf(http: HttpClient, server: string, receiptKey: string): Promise<Failure | null> {
  return provenServer(http, server, receiptKey).then(() => null, asFailure);
}

async function deviceFinding(server: ServerClient, device: string): Promise<Finding> {
  try {
    await server.newest({}, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return found('device', 'ok', `The server knows this device as ${device}.`);
  } catch (error) {
    return failedBy('device', asFailure(error));
  }
}

/** What Windows says of proxies that is not followed. */
function noteOf({ proxyNote }: Way): Finding[] {
  if (proxyNote === null) return [];
  const todo = 'Where the server is reached through a proxy alone, name it by the setting `proxy`.';
  return [{ check: 'proxy', state: 'warning', said: `${proxyNote}.`, todo }];
}

function usableProxy(url: URL, rule: Way['proxy']): HttpProxy | Failure | null {
  try {
    return rule(url);
  } catch (error) {
    return asFailure(error);
  }
}

/** What the server's Date header (RFC 9110 6.6.1; whole seconds) says about this clock. */
export function clockFinding(date: string | undefined, now: number): Finding {
  const theirs = Date.parse(date ?? '');
  if (Number.isNaN(theirs))
    return { check: 'clock', state: 'skipped', said: 'The server does not tell its time.' };
  const off = now - theirs;
  const seconds = Math.round(Math.abs(off) / 1000);
  if (Math.abs(off) <= CLOCK_MS) {
    return {
      check: 'clock',
      state: 'ok',
      said: `The clocks of server and device are ${seconds} s apart at most.`,
    };
  }
  return {
    check: 'clock',
    state: 'warning',
    said: `This clock is ${seconds} s ${off > 0 ? 'ahead of' : 'behind'} the server's.`,
    todo: 'Set it, or the time service of this machine.',
  };
}
