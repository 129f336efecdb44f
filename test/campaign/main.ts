// npm run campaign: hundreds of interruptions of every kind, and after each the proof that nothing promised was lost.
import '../../client/node-floor.ts';
import { cpus } from 'node:os';
import { Campaign } from './campaign.ts';
import type { Fault } from './fault.ts';
import { FAULTS } from './faults/all.ts';
import { lacksCampaign } from './needs.ts';
import { type Options, parseOptions, USAGE } from './options.ts';
import { table } from './tally.ts';

const say = (line: string): void => console.error(line);

function chosen({ only, without }: Options): Fault[] {
  const begins = (fault: Fault, names: readonly string[]) =>
    names.some((name) => fault.name.startsWith(name));
  const faults = FAULTS.filter(
    (fault) => (only.length === 0 || begins(fault, only)) && !begins(fault, without),
  );
  if (faults.length === 0)
    throw new Error(`no such fault; there are: ${FAULTS.map(({ name }) => name).join(', ')}`);
  return faults;
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2), new Date().toISOString().slice(0, 10));
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  const faults = chosen(options);
  const lacking = lacksCampaign();
  if (lacking) throw new Error(`the campaign can't run here: ${lacking}`);
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  say(`seed ${options.seed}`);
  const { tallies, broken, minutes } = await new Campaign(faults, { options, say, stop: stop.signal }).run();
  const machine = `${cpus().length} cores, Node ${process.version}, ${minutes.toFixed(0)} minutes, seed ${options.seed}`;
  if (options.json) {
    const rows = tallies.map(({ fault, ...counted }) => ({
      fault: fault.name,
      goal: fault.goal,
      ...counted,
    }));
    console.log(JSON.stringify({ machine, rows, broken }));
  } else {
    console.log(`${machine}\n\n${table(tallies)}`);
    for (const { fault, run, message } of broken) console.log(`VIOLATION: ${fault}, run ${run}: ${message}`);
  }
  return broken.length === 0 ? 0 : 1;
}

process.exitCode = await main().catch((error: unknown) => {
  say(error instanceof Error ? error.message : String(error));
  return 2;
});
