// Whether the programs are closed whose files are about to be replaced: what they write when they end would undo it.
import { Failure } from '../../shared/failure.ts';
import type { SourceKind } from '../../shared/protocol.ts';
import { MAIL_PROGRAMS, type ProcessList } from '../triggers/mail-programs.ts';

const OUTLOOK: ReadonlySet<string> = new Set(['outlook.exe']);
const OTHERS: ReadonlySet<string> = new Set([...MAIL_PROGRAMS].filter((name) => !OUTLOOK.has(name)));

/** Failure `program_running` where one of the programs that use such files runs, or where that can't be found out. */
export async function assertClosed(kind: SourceKind, list: ProcessList): Promise<void> {
  const names = kind === 'mail-client' ? OTHERS : OUTLOOK;
  let running: Awaited<ReturnType<ProcessList>>;
  try {
    running = await list();
  } catch (cause) {
    throw new Failure('program_running', "It can't be found out whether a mail program runs.", { cause });
  }
  const open = running.find(({ name }) => names.has(name.toLowerCase()));
  if (open)
    throw new Failure('program_running', `${open.name} is running, and would write over what is restored.`);
}
