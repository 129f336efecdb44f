// What became of a reading: 'accepted', the code of its Failure, or the name of an error that should never be seen.
import { Failure } from '../../shared/failure.ts';

export function outcome(read: () => unknown): string {
  try {
    read();
    return 'accepted';
  } catch (error) {
    return error instanceof Failure ? error.code : String(error);
  }
}
