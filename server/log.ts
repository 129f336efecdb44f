// The server's log: JSON lines on standard error or in a file, which is opened anew when log rotation has moved it.
import { type Logger, pino } from 'pino';
import { Failure } from '../shared/failure.ts';

const SECRETS = ['*.authorization', '*.headers.authorization', '*.token', '*.credential'];

export interface ServerLog {
  readonly log: Logger;
  /** Opens the file by its name again. Where that fails, this is told on standard error, and the log goes on where it was. */
  reopen(): void;
}

/** `file` null: standard error. A Failure `usage` where the file can't be opened. */
export function openLog(level: string, file: string | null): ServerLog {
  const destination = openDestination(file);
  // A terminal that is gone, or a disk that is full, is no reason to end.
  destination.on('error', (error: Error) => {
    if (file !== null) process.stderr.write(`The log file ${file} can't be written: ${error.message}\n`);
  });
  return {
    log: pino({ level, redact: SECRETS }, destination),
    reopen: () => {
      if (file !== null) destination.reopen();
    },
  };
}

function openDestination(file: string | null): ReturnType<typeof pino.destination> {
  if (file === null) return pino.destination({ fd: 2, sync: true });
  try {
    return pino.destination({ dest: file, append: true, sync: true, mode: 0o600 });
  } catch (cause) {
    throw new Failure('usage', `The log file ${file} can't be opened: ${(cause as Error).message}.`, {
      cause,
    });
  }
}
