// A Node 20, on which Mailferry does not run: the one on the path where it is 20, or the one that .ci/run put into a cache folder.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Its program; null where there is none. */
export function node20(): string | null {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'mailferry-nodes');
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  const versions = existsSync(cache) ? readdirSync(cache) : [];
  const cached = versions.map((version) => join(cache, version, 'bin', 'node'));
  const is20 = (program: string) =>
    spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout?.startsWith('v20.') ?? false;
  return [...onPath, ...cached].find((program) => existsSync(program) && is20(program)) ?? null;
}
