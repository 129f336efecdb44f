// Runs simulations: `node dist/test/simulation/main.js --from SEED --count N [--sabotage NAME] [--trace]`; one line of JSON tells what came of it.
import { parseArgs } from 'node:util';
import { mount } from './mount.ts';
import { SABOTAGES } from './sabotage.ts';
import { simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '1' },
    sabotage: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

// What the device loads when it first needs it: reading a file takes real time, and nothing may wait for that.
await Promise.all([
  import('../../client/upload/upload-pack.ts'),
  import('../../client/backup/commit-version.ts'),
  import('../../client/http/failure-of-answer.ts'),
  import('../../client/healing/learn-vault.ts'),
  import('../../client/healing/receipts-held.ts'),
  import('../../shared/protocol.ts'),
]);
mount();
// Failures are what a simulation is made of; where each came from is looked up in one seed, not in thousands.
if (!values.trace) Error.stackTraceLimit = 0;
const broken: { seed: number; violation: string }[] = [];
const started = process.cpuUsage();
const sabotage = values.sabotage === undefined ? {} : SABOTAGES[values.sabotage];
if (!sabotage)
  throw new Error(`There is no sabotage of this name; there are ${Object.keys(SABOTAGES).join(', ')}.`);
const met: Record<string, number> = {};
let steps = 0;
let seeds = 0;
const first = Number(values.from);
for (; seeds < Number(values.count); seeds++) {
  const outcome = await simulate(first + seeds, sabotage);
  steps += outcome.steps;
  for (const event of outcome.met) met[event] = (met[event] ?? 0) + 1;
  if (values.trace) process.stdout.write(`${outcome.trace.join('\n')}\n`);
  if (outcome.violation !== null) broken.push({ seed: outcome.seed, violation: outcome.violation });
  // A sabotage is found once.
  if (values.sabotage !== undefined && broken.length > 0) break;
}
const { user, system } = process.cpuUsage(started);
const cpuSeconds = (user + system) / 1e6;
process.stdout.write(`${JSON.stringify({ seeds, steps, cpuSeconds, met, broken })}\n`);
