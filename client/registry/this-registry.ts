// The registry of this machine: Windows' own reg.exe.
import { win32 } from 'node:path';
import { regExe } from './reg-exe.ts';
import type { Registry } from './registry.ts';

/** How to get at it, given an existing folder that only its owner can look into; null where the machine has none. */
export function registryOf(
  platform: string,
  env: Readonly<Record<string, string | undefined>>,
): ((scratch: string) => Registry) | null {
  if (platform !== 'win32') return null;
  const program = win32.join(env.SystemRoot ?? 'C:\\Windows', 'System32', 'reg.exe');
  return (scratch) => regExe({ command: [program], scratch });
}
