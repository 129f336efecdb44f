// Doctor: whether the server answers, knows this device, and has the same time.
import { asFailure } from '../../shared/failure.ts';
import { HttpClient } from '../http/http-client.ts';
import { ServerClient } from '../http/server-client.ts';
import type { Way } from '../http/way.ts';
import type { Identity } from '../state/state-directory.ts';
import type { Finding } from './finding.ts';

/** How long the server may take: ms. */
const PATIENCE_MS = 10_000;
/** A clock further off than this shows times that mislead people, and ends TLS where it is much further: ms. */
const CLOCK_MS = 120_000;

/** Findings: `proxy` where there is one, `server`, `device`, `clock`. `now`: ms since 1970. */
export async function serverFindings(identity: Identity, way: Way, now: () => number): Promise<Finding[]> {
  const http = new HttpClient({ way });
  const proxy = proxyFindings(identity.server, way);
  try {
    const server = new ServerClient(http, identity.server, identity.credential);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await server.request('GET', '/healthz', { signal }).catch((error) => asFailure(error));
    if ('code' in answer) {
      const { message, hint } = answer;
      return [
        ...proxy,
        { check: 'server', state: 'failed', said: `${identity.server}: ${message}`, todo: hint },
      ];
    }
    answer.body.resume();
    const known = await server.newest({}).then(
      (): Finding => ({
        check: 'device',
        state: 'ok',
        said: `The server knows this device as ${identity.device}.`,
      }),
      (error): Finding => {
        const { message, hint } = asFailure(error);
        return { check: 'device', state: 'failed', said: message, todo: hint };
      },
    );
    return [
      ...proxy,
      { check: 'server', state: 'ok', said: `${identity.server} answers.` },
      known,
      clockFinding(answer.headers.date, now()),
    ];
  } finally {
    http.close();
  }
}

/** Through which proxy it goes, and what Windows says of proxies that is not followed; nothing where there is neither. */
function proxyFindings(server: string, { proxy, proxyNote }: Way): Finding[] {
  const findings: Finding[] = [];
  if (proxyNote !== null)
    findings.push({
      check: 'proxy',
      state: 'warning',
      said: `${proxyNote}.`,
      todo: 'Where the server is reached through a proxy alone, name it by the setting `proxy`.',
    });
  const used = usableProxy(server, proxy);
  if (used)
    findings.push({
      check: 'proxy',
      state: 'ok',
      said: `The server is asked through the proxy ${used.url.host} (named by ${used.from}).`,
    });
  return findings;
}

/** One that can't be used is told by the request. */
function usableProxy(server: string, rule: Way['proxy']): ReturnType<Way['proxy']> {
  try {
    return rule(new URL(server));
  } catch {
    return null;
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
