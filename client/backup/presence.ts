// Which sources are not there now, by a quick look that never waits long: for the commands that only tell.
import { lookAtPath } from '../far/files-here.ts';
import { isRegistryPath } from '../registry/registry.ts';
import { isSetPath } from './set-list.ts';

/** All looks together take no longer, in ms: a share that is gone may not answer for minutes. */
const PATIENCE_MS = 2_000;
const AT_ONCE = 8;

/** The paths that are certainly not there. One that did not answer in time, or is no file, is not among them. */
export async function missingNow(paths: readonly string[]): Promise<ReadonlySet<string>> {
  const missing = new Set<string>();
  const left = paths.filter((path) => !isRegistryPath(path) && !isSetPath(path));
  let over = false;
  const look = async () => {
    for (let path = left.pop(); path !== undefined && !over; path = left.pop()) {
      const code = await lookAtPath(path, { link: true }).then(
        () => null,
        (error: NodeJS.ErrnoException) => error.code,
      );
      if (code === 'ENOENT' || code === 'ENOTDIR') missing.add(path);
    }
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([Promise.all(Array.from({ length: AT_ONCE }, look)), late]);
  over = true;
  clearTimeout(timer);
  return new Set(missing);
}
