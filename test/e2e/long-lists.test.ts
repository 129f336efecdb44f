// A change list of more than 10 MB, and a fingerprint of as much, over a line that breaks: both are resumed, neither starts over.
import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ChaosProxy } from '../support/chaos-proxy.ts';
import { enrol, mailferryOk, startServer, stop } from '../support/mailferry.ts';
import { tempDir } from '../support/temp-dir.ts';

const MIB = 1_048_576;
/**
 * All of it a hole: the coarse blocks of 20 GiB make a list of 11 MB, and packs of next to nothing. To read 20 GiB twice takes minutes,
 * so that a tenth of it runs each time, over a line that is cut ten times as often.
 */
const GIB = Number(process.env.MAILFERRY_GIB ?? 2);
const SIZE = GIB * 1_024 * MIB;
const RESET_AFTER = GIB * 100_000;
/** What may be sent again for each reset; less where a line carries less than that between two. */
const AGAIN = Math.min(MIB, RESET_AFTER);

test(`2.1: a store of ${GIB} GiB over a line that is reset every ${RESET_AFTER} bytes`, {
  timeout: 1_200_000,
}, async () => {
  const root = tempDir();
  const [data, state, source] = [join(root, 'data'), join(root, 'state'), join(root, 'mail.pst')];
  const server = await startServer(data);
  const proxy = await ChaosProxy.start(server.port);
  await enrol(data, proxy.url, state);
  writeFileSync(source, '');
  truncateSync(source, SIZE);
  const backup = () =>
    mailferryOk('backup', source, '--wait', '--snapshot', 'live', '--state', state, '--json');
  proxy.set({ resetAfter: RESET_AFTER });
  const { json } = await backup();
  expect(json.versions).toHaveLength(1);
  expect(json.versions[0].sent).toBeGreaterThan(GIB * 500_000);
  expect(proxy.counted.cuts).toBeGreaterThanOrEqual(4);
  expect((proxy.counted.up - json.versions[0].sent) / proxy.counted.cuts).toBeLessThan(AGAIN);
  // The fingerprint is lost with the database: it comes through the same line, and nothing of the store goes again.
  for (const name of readdirSync(state)) if (name.startsWith('device.db')) rmSync(join(state, name));
  rmSync(join(state, 'fingerprints'), { recursive: true, force: true });
  const before = { ...proxy.counted };
  proxy.set({ resetDownAfter: RESET_AFTER });
  const again = await backup();
  expect(again.json.unchanged + again.json.versions.length).toBe(1);
  const cuts = proxy.counted.cuts - before.cuts;
  expect(cuts).toBeGreaterThanOrEqual(4);
  expect((proxy.counted.down - before.down - (32 * SIZE) / 65_536) / cuts).toBeLessThan(AGAIN);
  expect(proxy.counted.up - before.up).toBeLessThan(AGAIN);
  await stop(server);
  await proxy.close();
});
