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
  #open = new AbortController();

  /** The agent for an address; false: none, for a connection of the request's own. */
  async of(url: URL, { proxy, trusted, fresh }: AgentOptions): Promise<http.Agent | false> {
    if (proxy === null) return fresh ? false : url.protocol === 'https:' ? this.#secure : this.#plain;
    const key = proxy.url.href;
    // Loaded where there is a proxy: most machines have none.
    const { HttpsProxyAgent } = await import('https-proxy-agent');
    const known = this.#proxied.get(key);
    if (known && !fresh) return known;
    const agent = new HttpsProxyAgent(proxy.url, {
      ...(fresh ? { keepAlive: false } : KEPT),
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
    for (const agent of [this.#plain, this.#secure, ...this.#proxied.values()]) agent.destroy();
    this.#proxied.clear();
  }
}
