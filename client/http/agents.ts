// Node's agents, which keep connections: one for http, one for https, and one for each proxy.
import http from 'node:http';
import https from 'node:https';
import type { HttpProxy } from './proxy-rule.ts';

const KEPT = { keepAlive: true, maxSockets: 8 };

interface AgentOptions {
  readonly proxy: HttpProxy | null;
  /** What a TLS connection to the proxy itself trusts. */
  readonly trusted: () => object;
  /** On a connection that nothing was sent on before. */
  readonly fresh: boolean;
}

export class Agents {
  #plain = new http.Agent(KEPT);
  #secure = new https.Agent(KEPT);
  readonly #proxied = new Map<string, http.Agent>();
  /** Those of one request each. */
  readonly #single = new Set<http.Agent>();
  #open = new AbortController();

  /** The agent for an address. A `fresh` one is for one request, after which over() is called with it. */
  async of(url: URL, { proxy, trusted, fresh }: AgentOptions): Promise<http.Agent> {
    const agent = await this.#of(url, { proxy, trusted, fresh });
    if (fresh) this.#single.add(agent);
    return agent;
  }

  /** The request of a fresh agent is over: its connection closes. Does nothing with another one. */
  over(agent: http.Agent): void {
    if (this.#single.delete(agent)) agent.destroy();
  }

  async #of(url: URL, { proxy, trusted, fresh }: AgentOptions): Promise<http.Agent> {
    if (proxy === null) {
      const secure = url.protocol === 'https:';
      // It keeps its connection too: a server sends no interim answers where the client closes behind the first answer.
      if (fresh) return secure ? new https.Agent(KEPT) : new http.Agent(KEPT);
      return secure ? this.#secure : this.#plain;
    }
    const key = proxy.url.href;
    // Loaded where there is a proxy: most machines have none.
    const { HttpsProxyAgent } = await import('https-proxy-agent');
    const known = this.#proxied.get(key);
    if (known && !fresh) return known;
    const agent = new HttpsProxyAgent(proxy.url, {
      ...KEPT,
      ...(proxy.url.protocol === 'https:' ? trusted() : {}),
      // Not in the address: what the agent says of itself, such as by DEBUG, holds the address.
      headers: proxy.authorization === null ? {} : { 'Proxy-Authorization': proxy.authorization },
      // A proxy that is silent would keep the process alive.
      signal: this.#open.signal,
    });
    if (!fresh) this.#proxied.set(key, agent);
    return agent;
  }

  /** Breaks every connection; new ones may be made. */
  reset(): void {
    this.destroy();
    this.#plain = new http.Agent(KEPT);
    this.#secure = new https.Agent(KEPT);
    this.#open = new AbortController();
  }

  destroy(): void {
    this.#open.abort();
    for (const agent of [this.#plain, this.#secure, ...this.#proxied.values(), ...this.#single])
      agent.destroy();
    this.#proxied.clear();
    this.#single.clear();
  }
}
