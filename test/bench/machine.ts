// The machine and the tools that a run's figures belong to.
import { cpus, release, totalmem, type } from 'node:os';
import { findProgram, runToEnd } from './child.ts';

const TOOLS = [
  ['restic', 'version'],
  ['rsync', '--version'],
  ['zstd', '--version'],
] as const;

export async function machine(signal: AbortSignal): Promise<string> {
  const cores = cpus();
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  const parts = [
    `${cores.length} cores (${cores[0]?.model.trim()})`,
    memory,
    `${type()} ${release()}`,
    `node ${process.version}`,
  ];
  for (const [command, argument] of TOOLS) {
    if (findProgram(command) === undefined) continue;
    const { stdout } = await runToEnd({ command, args: [argument] }, signal);
    const version = /\d+\.\d+(\.\d+)?/.exec(stdout)?.[0];
    parts.push(`${command} ${version}`);
  }
  return parts.join(', ');
}
