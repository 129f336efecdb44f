// Which kind of service this system has, and what was asked for.
import { existsSync } from 'node:fs';
import { posix, win32 } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { whoReplaces } from '../system-program.ts';
import type { ServiceKind } from './service-kind.ts';
import { systemd } from './systemd.ts';
import { hostBeside, windowsService } from './windows-service.ts';
import { windowsTask } from './windows-task.ts';

export interface ServiceOptions {
  /** Windows: a service or a scheduled task. */
  readonly as?: 'service' | 'task';
  /** Linux: for this user alone. */
  readonly user?: boolean;
}

export interface ServiceSurroundings {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly self: readonly [string, ...string[]];
}

/** The kind of service. A Failure `usage` where this system has none such. */
export function chooseService(
  { platform, env, home, self }: ServiceSurroundings,
  options: ServiceOptions,
): ServiceKind {
  if (platform === 'win32') {
    if (options.user)
      throw new Failure(
        'usage',
        'On Windows the service is for the whole machine: only LocalSystem may make snapshots.',
      );
    const folder = win32.join(env.ProgramData ?? 'C:\\ProgramData', 'Mailferry');
    if (options.as === 'task') return windowsTask({ folder });
    return windowsService({ host: hostBeside(self[0]) });
  }
  if (platform !== 'linux')
    throw new Failure(
      'usage',
      `On ${platform} there is no service to install; keep \`mailferry agent\` running.`,
    );
  if (options.as) throw new Failure('usage', '--as is for Windows; on Linux the service is a systemd unit.');
  const user = options.user ?? false;
  const config = env.XDG_CONFIG_HOME ?? posix.join(home, '.config');
  const folder = user ? posix.join(config, 'systemd', 'user') : '/etc/systemd/system';
  return systemd({ user, folder });
}

/**
 * A Failure `service_failed` where the files that a kind needs are not there, or where somebody else could put another program in the
 * place of one that is to run with the rights of the machine.
 */
export function requireFiles(kind: ServiceKind, { self, platform, env }: ServiceSurroundings): void {
  if (kind.name !== 'systemd-user') for (const path of self) assertOnlyRoots(path, platform, env);
  if (kind.name !== 'service' || existsSync(hostBeside(self[0]))) return;
  throw new Failure(
    'service_failed',
    `${hostBeside(self[0])} is not there: install Mailferry by its MSI, or say \`--as task\`.`,
  );
}

function assertOnlyRoots(path: string, platform: string, env: ServiceSurroundings['env']): void {
  const part = platform === 'win32' ? profileOf(path, env) : whoReplaces(path);
  if (part === null) return;
  throw new Failure(
    'service_failed',
    `${path} is not to run with the rights of the machine, since others can replace ${part}: install Mailferry where only an administrator can.`,
  );
}

/** The folder of the users' profiles where the program lies in it: what lies there is its user's. Rights elsewhere are not looked at. */
function profileOf(path: string, { PUBLIC, SystemDrive }: ServiceSurroundings['env']): string | null {
  const profiles = win32.dirname(PUBLIC ?? win32.join(`${SystemDrive ?? 'C:'}\\`, 'Users', 'Public'));
  const isIn = win32.resolve(path).toLowerCase().startsWith(`${profiles.toLowerCase()}\\`);
  return isIn ? profiles : null;
}
