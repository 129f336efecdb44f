// Whether the programs are closed whose files are about to be replaced: what they write when they end would undo it.
import { Failure } from '../../shared/failure.ts';
import type { SourceKind } from '../../shared/protocol.ts';
import { programOf } from '../sources/mail-programs.ts';
import type { ProcessList } from '../triggers/mail-programs.ts';

/** Failure `program_running` where one of the programs that use such files runs, or where that can't be found out. */
export async function assertClosed(kind: SourceKind, list: ProcessList): Promise<void> {
  let running: Awaited<ReturnType<ProcessList>>;
  try {
    running = await list();
  } catch (cause) {
    throw new Failure('program_running', "It can't be found out whether a mail program runs.", { cause });
  }
  const open = running.find(({ name }) => programOf(name)?.holds.includes(kind));
  if (open)
    throw new Failure('program_running', `${open.name} is running, and would write over what is restored.`);
}
