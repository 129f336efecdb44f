// mailferry restore: a version back into a file.
import { resolve } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { Context } from '../cli.ts';
import { EXIT } from '../exit-code.ts';
import { chooseVersion, restoreVersion } from '../restore.ts';
import { bytesText } from '../terminal.ts';
import { withServer } from '../with-server.ts';

export interface RestoreOptions {
  readonly version?: string;
  readonly at?: string;
  readonly to: string;
  readonly overwrite?: boolean;
}

export async function restore(
  { machine, terminal, paths: state }: Context,
  paths: string[],
  options: RestoreOptions,
): Promise<number> {
  const path = resolve(paths[0]!);
  if (options.version !== undefined && options.at !== undefined) {
    throw new Failure('usage', 'Say either --version or --at.');
  }
  const at = options.at === undefined ? undefined : Date.parse(options.at);
  if (Number.isNaN(at)) throw new Failure('usage', `${options.at} is no time (ISO 8601).`);
  return withServer(state, async (server) => {
    const version = chooseVersion(await server.versions({ path }), { path, id: options.version, at });
    const { surroundings } = machine;
    const context = { server, progress: terminal, stop: surroundings.stop, chance: surroundings.chance };
    const { bytes, sha256 } = await restoreVersion(context, version, {
      to: options.to,
      overwrite: options.overwrite ?? false,
    });
    terminal.result(
      `${resolve(options.to)}: ${bytesText(bytes)} of version ${version.id}, verified\n  sha256 ${sha256}`,
      {
        path: resolve(options.to),
        version: version.id,
        bytes,
        sha256,
      },
    );
    return EXIT.ok;
  });
}
