// Whether a program or a right that a test needs is there; a test that lacks it says so and is skipped, never passed.
import { spawnSync } from 'node:child_process';

/** null where `name` can be run, else why not. */
export function lacks(...names: string[]): string | null {
  for (const name of names) {
    if (spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0) return `${name} is not installed`;
  }
  return null;
}

/** null where this process is root, else why the test can't run. */
export function lacksRoot(): string | null {
  return process.getuid?.() === 0 ? null : 'needs root';
}

/** null where network namespaces can be made, else why not. */
export function lacksNamespace(): string | null {
  const name = `mailferry-probe-${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', name]).status === 0;
  if (made) spawnSync('ip', ['netns', 'del', name]);
  return made ? null : 'no network namespaces here';
}

/** A name for a test that may be skipped: it carries the reason. */
export function named(name: string, reason: string | null): string {
  return reason ? `${name} [skipped: ${reason}]` : name;
}
