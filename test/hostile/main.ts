// node dist/test/hostile/main.js --requests N --packs N --slow N --seed S: attacks a server of its own and says what came of it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { mailferryOk, startServer, stop } from '../support/mailferry.ts';
import {
  type Attack,
  attackFromOutside,
  type Outcome,
  type Probed,
  probed,
  residentBytes,
} from './attack.ts';
import { chanceOf } from './chance.ts';
import { openSlow } from './slow.ts';
import { stateDigest } from './state-digest.ts';
import { prepare } from './target.ts';

const MIB = 1_048_576;
/** What the memory may grow by, over what it was after a warm-up. */
const MOST_GROWTH = 64 * MIB;
const IDLE_MS = 8_000;
/** What the server bears of a connection that moves nothing; the limit that it has otherwise would be more than the run takes. */
const STALL_MS = 8_000;
/** Long enough for each kind of slow connection to be cut: a header after 15 to 20 s, and what was not read is looked at after 2.5 stalls. */
const SLOW_MS = 30_000;

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    packs: { type: 'string', default: '10000' },
    costly: { type: 'string', default: '5000' },
    slow: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now()) },
    /** Number of the first request and pack: with --requests 1, one that failed is sent alone. */
    from: { type: 'string', default: '0' },
    'at-once': { type: 'string', default: '4' },
  },
});
const { seed } = values;
const from = Number(values.from);
const atOnce = Number(values['at-once']);
process.stdout.write(`seed ${seed}\n`);

const root = mkdtempSync(join(tmpdir(), 'mailferry-hostile-'));
const data = join(root, 'data');
const server = await startServer(data, 0, '--stall', `${STALL_MS / 1_000}s`);
const target = await prepare(server.url, async () => {
  const { json } = await mailferryOk('server', 'token', 'create', '--data', data, '--json');
  return json.token as string;
});
const send = (what: Attack['what'], first: number, count: number): Promise<Outcome> =>
  attackFromOutside(target, { seed, what, from: first, to: first + count, atOnce });

// The least that makes a server that just started one that has worked.
await send('requests', 1e9, 500);
await send('packs', 1e9, 200);
await send('costly', 1e9, 100);
const idle = await probed(target, () => pause(IDLE_MS));
const before = stateDigest(data, target.working.device);
const memory = residentBytes(server.pid);
let most = memory ?? 0;
/** The longest that the event loop was held up, as /readyz tells it, while the attack ran. */
let heldUp = 0;
const sampling = setInterval(() => {
  most = Math.max(most, residentBytes(server.pid) ?? 0);
}, 200);
const asking = setInterval(async () => {
  const ready = await fetch(`${server.url}/readyz`)
    .then((answer) => answer.json())
    .catch(() => null);
  heldUp = Math.max(heldUp, (ready as { eventLoop?: { max: number } } | null)?.eventLoop?.max ?? 0);
}, 2_000);

const told: string[] = [];
const wrong: string[] = [];
const rows: { name: string; count: number; probe: Probed }[] = [
  { name: 'idle', count: 0, probe: idle.probe },
];
const phase = async (name: string, count: number, work: () => Promise<Outcome>): Promise<void> => {
  if (count === 0) return;
  const { probe, result } = await probed(target, work);
  rows.push({ name, count, probe });
  if (memory !== null) told.push(`${name}: ${((most - memory) / MIB).toFixed(1)} MiB more until then`);
  wrong.push(...result.wrong);
  const kinds = Object.entries(result.kinds).map(([kind, n]) => `${n} ${kind}`);
  if (kinds.length > 0) told.push(`${name}: ${kinds.join(', ')}`);
};
await phase('requests', Number(values.requests), () => send('requests', from, Number(values.requests)));
await phase('packs', Number(values.packs), () => send('packs', from, Number(values.packs)));
await phase('costly', Number(values.costly), () => send('costly', from, Number(values.costly)));
await phase('slow connections', Number(values.slow), async () => {
  const chance = chanceOf(seed, 'slow', 0);
  const slow = openSlow(target, { count: Number(values.slow), stallMs: STALL_MS, chance });
  await pause(SLOW_MS);
  slow.close();
  const kinds: Record<string, number> = {};
  const wrong: string[] = [];
  for (const [kind, { cut, refused, borne }] of Object.entries(slow.ends())) {
    kinds[`${kind} cut`] = cut;
    if (refused > 0) kinds[`${kind} refused`] = refused;
    if (borne > 0) wrong.push(`${borne} connections with ${kind} were borne`);
  }
  for (const kind of slow.neverCut()) wrong.push(`no connection with ${kind} was cut`);
  return { kinds, wrong };
});
clearInterval(sampling);
clearInterval(asking);
await pause(3_000);
const isSame = stateDigest(data, target.working.device) === before;
const grown = memory === null ? null : most - memory;
await stop(server);
rmSync(root, { recursive: true, force: true });

for (const line of told) process.stdout.write(`${line}\n`);
process.stdout.write(
  '\n| while | count | rounds of the honest devices | failed | p50 ms | p95 ms | of idle |\n|---|---|---|---|---|---|---|\n',
);
for (const { name, count, probe } of rows) {
  const share = (probe.p95 / idle.probe.p95).toFixed(2);
  process.stdout.write(
    `| ${name} | ${count} | ${probe.rounds} | ${probe.failures.length} | ${probe.p50.toFixed(1)} | ${probe.p95.toFixed(1)} | ${share} |\n`,
  );
}
const failures = rows.flatMap(({ probe }) => probe.failures);
const slow = rows.filter(({ probe }) => !(probe.p95 <= 3 * idle.probe.p95)).map(({ name }) => name);
process.stdout.write(
  `\nnot refused as they should be: ${wrong.length}\nstate unchanged: ${isSame}\n` +
    `event loop held up: ${heldUp} ms at most\n` +
    `memory: ${grown === null ? 'not known here' : `${(grown / MIB).toFixed(1)} MiB more at most`}\n` +
    `p95 of more than three times idle while: ${slow.join(', ') || 'never'}\n`,
);
for (const line of [...wrong, ...failures].slice(0, 50)) process.stdout.write(`${line}\n`);
const isGood =
  wrong.length + failures.length + slow.length === 0 && isSame && heldUp <= 200 && (grown ?? 0) < MOST_GROWTH;
process.exitCode = isGood ? 0 : 1;
