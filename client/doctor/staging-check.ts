// Doctor: whether there is room to stage what waits to be sent.
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bytesText } from '../terminal.ts';
import type { Finding } from './finding.ts';

/** Below this a laptop has other trouble first, and a day's changes may not fit: bytes. */
const LEAST_FREE = 1_000_000_000;

/** `quota`: bytes that staging may take. `root`: the state directory, which need not exist yet. */
export async function stagingFinding(root: string, quota: number): Promise<Finding> {
  let at = root;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  const { bavail, bsize } = await statfs(at);
  return spaceFinding(root, bavail * bsize, quota);
}

export function spaceFinding(root: string, free: number, quota: number): Finding {
  const said = `${bytesText(free)} are free for ${root}, and staging may take ${bytesText(quota)}.`;
  if (free >= Math.min(quota, LEAST_FREE)) return { check: 'staging', state: 'ok', said };
  return {
    check: 'staging',
    state: 'warning',
    said,
    todo: 'Free space: what does not fit is not staged, and is sent only once there is room.',
  };
}
