// The mail programs that are known: one table, which says how each runs and whose mail it holds. Finders take its names, the agent
// notices when one starts or ends, and a restore waits until those are closed that use what it writes.
import type { SourceKind } from '../../shared/protocol.ts';

export interface MailProgram {
  /** Short and stable; the id of its rows in the table of what is taken, where it has rows of its own. */
  readonly id: string;
  readonly name: string;
  /** Its processes as the system names them, in small letters; on Linux at most 15 of them (proc(5), comm). */
  readonly processes: readonly string[];
  /** What it keeps open or writes when it ends, and so has to be closed for the restore of. */
  readonly holds: readonly SourceKind[];
}

const OUTLOOK_KINDS: readonly SourceKind[] = [
  'pst',
  'ost',
  'nk2',
  'outlook-settings',
  'mapi-profiles',
  'file',
];

const PROGRAMS = {
  outlook: { name: 'Outlook', processes: ['outlook.exe'], holds: OUTLOOK_KINDS },
  // It keeps its mail on the server; which of the folders of others it uses is not known.
  'outlook-new': { name: 'the new Outlook', processes: ['olk.exe'], holds: ['mail-client'] },
  thunderbird: {
    name: 'Thunderbird',
    processes: ['thunderbird.exe', 'thunderbird', 'thunderbird-bin', 'thunderbird-esr'],
    holds: ['mail-client'],
  },
  postbox: { name: 'Postbox', processes: ['postbox.exe', 'postbox', 'postbox-bin'], holds: ['mail-client'] },
  'windows-live-mail': { name: 'Windows Live Mail', processes: ['wlmail.exe'], holds: ['mail-client'] },
  'windows-mail': { name: 'Windows Mail (Vista)', processes: ['winmail.exe'], holds: ['mail-client'] },
  'em-client': { name: 'eM Client', processes: ['mailclient.exe'], holds: ['mail-client'] },
  'the-bat': { name: 'The Bat!', processes: ['thebat.exe', 'thebat64.exe'], holds: ['mail-client'] },
  evolution: { name: 'Evolution', processes: ['evolution'], holds: ['mail-client'] },
} as const satisfies Record<string, Omit<MailProgram, 'id'>>;

export type MailProgramId = keyof typeof PROGRAMS;

export const MAIL_PROGRAMS: readonly MailProgram[] = Object.entries(PROGRAMS).map(([id, program]) => ({
  id,
  ...program,
}));

/** The name of a program, as it is shown. */
export function programName(id: MailProgramId): string {
  return PROGRAMS[id].name;
}

/** The program that a process of this name belongs to, in any case; undefined where it is none of them. */
export function programOf(process: string): MailProgram | undefined {
  return MAIL_PROGRAMS.find(({ processes }) => processes.includes(process.toLowerCase()));
}
