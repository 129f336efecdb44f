// What the server has lost of what this device backs up: it is asked for at the start of a run, and sent again by it.
import { RECEIPTS_HEADER, ROUTES } from '../../shared/routes.ts';
import type { Device } from '../device.ts';
import { readText } from '../http/http-client.ts';
import { setForgottenAside } from './receipts-held.ts';

/** A run waits no longer for this answer, in milliseconds: on a line that is down, everything is queued all the same. */
const PATIENCE_MS = 5_000;

/**
 * Lets go of each fingerprint whose version lacks something on the server. The backup after it takes the server's own
 * fingerprint, which has no hash for what is lost, and sends just that. The same where the server was restored from an old copy.
 * Does nothing where the server can't be asked.
 */
export async function forgetDamagedBases(device: Device): Promise<void> {
  const { sources, queue, server, progress, stop } = device;
  if (!sources.all().some(({ base }) => base)) return;
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const signal = AbortSignal.any([stop, patience.signal]);
    const held = queue.lastReceipt();
    const route = `${ROUTES.versions}?damaged=true&partial=true`;
    const damaged = new Set<string>();
    for (let next: string | undefined, first = true; first || next !== undefined; first = false) {
      const more = next === undefined ? '' : `&cursor=${encodeURIComponent(next)}`;
      const response = await server.request('GET', route + more, { signal });
      const text = await readText(response);
      const given = Number(response.headers[RECEIPTS_HEADER] ?? Number.NaN);
      if (first && given < held) await setForgottenAside(device, signal);
      // As good as always; the parsers take longer to load than a look that finds nothing new.
      if (text === '{"versions":[]}') break;
      const { VersionList } = await import('../../shared/protocol.ts');
      const page = VersionList.parse(JSON.parse(text));
      for (const { id } of page.versions) damaged.add(id);
      next = page.next;
    }
    for (const { id, path, base } of sources.all()) {
      if (!base || !damaged.has(base.version)) continue;
      sources.forgetBase(id);
      progress.say(`The server has lost a part of ${path}; it is sent again.`);
    }
  } catch {
    // The next run asks again. An older server does not know the question.
  } finally {
    clearTimeout(timer);
  }
}
