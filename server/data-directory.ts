// The folder that holds all of a server: made where it is missing.
import { Failure } from '../shared/failure.ts';
import { codeOf, isFull } from './disk-failure.ts';
import { makeDirectory } from './durable-file.ts';

/**
 * Makes `directory` and what is missing above it. Fails with `state_unusable` where that can't be, such as where a file lies, or with
 * `server_full`.
 */
export async function makeDataDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
  } catch (cause) {
    const what = `The data directory ${directory} can't be made`;
    if (isFull(cause)) throw new Failure('server_full', `${what}: there is no room on its disk.`, { cause });
    const isFile = ['EEXIST', 'ENOTDIR'].includes(codeOf(cause));
    const why = isFile ? 'a file lies there' : (cause as Error).message;
    throw new Failure('state_unusable', `${what}: ${why}.`, { cause });
  }
}
