// Enrolment without a person: a device that is nobody yet, and whose settings name a server and a token, enrols itself.
import { existsSync } from 'node:fs';
import type { Context } from './cli.ts';
import { enroll } from './commands/enroll.ts';
import type { Settings } from './settings/settings.ts';

/** Does nothing where the device is enrolled, or where the settings do not say how. Failures are enroll()'s. */
export async function enrolBySettings(
  context: Context,
  { server, enrolmentToken }: Pick<Settings, 'server' | 'enrolmentToken'>,
): Promise<void> {
  if (existsSync(context.paths.identity) || !server || !enrolmentToken) return;
  const quiet = { ...context.terminal, result: (text: string) => context.terminal.say(text) };
  await enroll({ ...context, terminal: quiet }, [], { server, token: enrolmentToken });
}
