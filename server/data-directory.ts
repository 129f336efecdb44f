// The folder that holds all of a server: made where it is missing.
import { Failure } from '../shared/failure.ts';
import { makeDirectory } from './durable-file.ts';

/** Makes `directory` and what is missing above it. Fails with `state_unusable` where that can't be, such as where a file lies. */
export async function makeDataDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory);
  } catch (cause) {
    throw new Failure('state_unusable', `The data directory ${directory} can't be made or is no folder.`, {
      cause,
    });
  }
}
