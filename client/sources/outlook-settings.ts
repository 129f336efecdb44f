// Finder: what a user has set up in Outlook and would have to do again: signatures, addresses typed, rules, templates, looks.
import { win32 } from 'node:path';
import type { Finder, Search, SearchedUser, Take } from './finder.ts';
import { outlookInRegistry } from './outlook-registry.ts';
import { skippedText, walk } from './walk.ts';

/** A row of the table that also says how its files are known, on the machine they come from and on the one they go to. */
export interface SettingsTake extends Take {
  readonly base: 'roaming' | 'local' | 'documents';
  /** Below the base, with backslashes; empty: the base itself. */
  readonly folder: string;
  readonly names: RegExp;
  /** Whether sub-folders belong to it. */
  readonly deep?: boolean;
  /** Whether Outlook writes it when it ends, and so has to be closed for a restore. */
  readonly closed?: boolean;
}

/** The signature folder where Office was not translated. */
const SIGNATURES = 'Microsoft\\Signatures';

export const SETTINGS_TAKES: readonly SettingsTake[] = [
  {
    id: 'nk2',
    kind: 'nk2',
    closed: true,
    base: 'roaming',
    folder: 'Microsoft\\Outlook',
    names: /\.nk2$/i,
    what: 'Addresses typed before (NK2), Outlook 2003 and 2007',
    where: '`%APPDATA%\\Microsoft\\Outlook\\*.nk2`',
    why: 'the only place where they are kept',
    restored: 'to the same folder; its name has to be that of the profile, and Outlook has to be closed',
  },
  {
    id: 'nicknames',
    kind: 'nk2',
    closed: true,
    base: 'roaming',
    folder: 'Microsoft\\Outlook',
    names: /\.nick$/i,
    what: 'Addresses typed before (nicknames), Outlook 2000',
    where: '`%APPDATA%\\Microsoft\\Outlook\\*.nick`',
    why: 'the only place where they are kept',
    restored: 'to the same folder; its name has to be that of the profile, and Outlook has to be closed',
  },
  {
    id: 'autocomplete',
    kind: 'outlook-settings',
    closed: true,
    base: 'local',
    folder: 'Microsoft\\Outlook\\RoamCache',
    names: /^Stream_Autocomplete_\w+\.dat$/i,
    what: 'Addresses typed before (autocomplete), Outlook 2010 and later',
    where: '`%LOCALAPPDATA%\\Microsoft\\Outlook\\RoamCache\\Stream_Autocomplete_*.dat`',
    why: 'Outlook builds its suggestions from it',
    restored:
      'under the name of the stream that Outlook made here for the account, which is kept aside; Outlook has to be closed',
  },
  {
    id: 'signatures',
    kind: 'outlook-settings',
    base: 'roaming',
    folder: SIGNATURES,
    names: /./,
    deep: true,
    what: 'Signatures, with the pictures in their folders',
    where: '`%APPDATA%\\Microsoft\\Signatures`, or the translated name that the registry has',
    why: 'made by hand, and in no store',
    restored: "to this machine's signature folder",
  },
  {
    id: 'stationery',
    kind: 'outlook-settings',
    base: 'roaming',
    folder: 'Microsoft\\Stationery',
    names: /./,
    deep: true,
    what: 'Stationery',
    where: '`%APPDATA%\\Microsoft\\Stationery`',
    why: 'made by hand, and in no store',
    restored: 'to the same folder',
  },
  {
    id: 'templates',
    kind: 'outlook-settings',
    base: 'roaming',
    folder: 'Microsoft\\Templates',
    names: /(\.oft|^NormalEmail\.dot[mx]?)$/i,
    what: 'Message templates',
    where: '`%APPDATA%\\Microsoft\\Templates\\*.oft`, `NormalEmail.dotm`',
    why: 'made by hand, and in no store',
    restored: 'to the same folder',
  },
  {
    id: 'macros',
    kind: 'outlook-settings',
    closed: true,
    base: 'roaming',
    folder: 'Microsoft\\Outlook',
    names: /^VbaProject\.OTM$/i,
    what: 'Macros',
    where: '`%APPDATA%\\Microsoft\\Outlook\\VbaProject.OTM`',
    why: 'written by hand, and in no store',
    restored: 'to the same folder; Outlook has to be closed',
  },
  {
    id: 'send-receive',
    kind: 'outlook-settings',
    closed: true,
    base: 'roaming',
    folder: 'Microsoft\\Outlook',
    names: /\.srs$/i,
    what: 'Send/receive groups',
    where: '`%APPDATA%\\Microsoft\\Outlook\\*.srs`',
    why: 'set up by hand; named after the profile',
    restored: 'to the same folder; Outlook has to be closed',
  },
  {
    id: 'navigation',
    kind: 'outlook-settings',
    closed: true,
    base: 'roaming',
    folder: 'Microsoft\\Outlook',
    names: /\.xml$/i,
    what: 'Navigation pane',
    where: '`%APPDATA%\\Microsoft\\Outlook\\*.xml`',
    why: 'favourites and order of folders; named after the profile',
    restored: 'to the same folder; Outlook has to be closed',
  },
  {
    id: 'toolbars',
    kind: 'outlook-settings',
    closed: true,
    base: 'roaming',
    folder: 'Microsoft\\Outlook',
    names: /^outcmd\.dat$/i,
    what: 'Toolbars, Outlook 2003 and 2007',
    where: '`%APPDATA%\\Microsoft\\Outlook\\outcmd.dat`',
    why: 'set up by hand',
    restored: 'to the same folder; Outlook has to be closed',
  },
  {
    id: 'ribbon',
    kind: 'outlook-settings',
    closed: true,
    base: 'local',
    folder: 'Microsoft\\Office',
    names: /^olk.*\.(officeUI|qat)$/i,
    what: 'Ribbon and quick access bar',
    where: '`%LOCALAPPDATA%\\Microsoft\\Office\\olk*.officeUI`, `olk*.qat`',
    why: 'set up by hand',
    restored: 'to the same folder; Outlook has to be closed',
  },
  {
    id: 'print-styles',
    kind: 'outlook-settings',
    closed: true,
    base: 'roaming',
    folder: 'Microsoft\\Outlook',
    names: /^OutlPrnt$/i,
    what: 'Print styles',
    where: '`%APPDATA%\\Microsoft\\Outlook\\OutlPrnt`',
    why: 'set up by hand',
    restored: 'to the same folder; Outlook has to be closed',
  },
  {
    id: 'rules',
    kind: 'outlook-settings',
    base: 'roaming',
    folder: 'Microsoft\\Outlook',
    names: /\.rwz$/i,
    what: 'Rules: old ones, and exports',
    where: '`%APPDATA%\\Microsoft\\Outlook\\*.rwz`, `*.rwz` in the documents folder',
    why: 'written by hand; rules in use lie in the store itself',
    restored: 'to the same folder; import it in Outlook',
  },
  {
    id: 'rules-exported',
    kind: 'outlook-settings',
    base: 'documents',
    folder: '',
    names: /\.rwz$/i,
    what: 'Rules: old ones, and exports',
    where: '`%APPDATA%\\Microsoft\\Outlook\\*.rwz`, `*.rwz` in the documents folder',
    why: 'written by hand; rules in use lie in the store itself',
    restored: 'to the same folder; import it in Outlook',
  },
  {
    id: 'dictionaries',
    kind: 'outlook-settings',
    base: 'roaming',
    folder: 'Microsoft\\UProof',
    names: /\.(dic|lex|exc)$/i,
    what: 'Custom dictionaries',
    where: '`%APPDATA%\\Microsoft\\UProof`, before 2007 `Proof`',
    why: 'words added over years',
    restored: 'to the same folder',
  },
  {
    id: 'dictionaries-2003',
    kind: 'outlook-settings',
    base: 'roaming',
    folder: 'Microsoft\\Proof',
    names: /\.(dic|lex|exc)$/i,
    what: 'Custom dictionaries',
    where: '`%APPDATA%\\Microsoft\\UProof`, before 2007 `Proof`',
    why: 'words added over years',
    restored: 'to the same folder',
  },
];

export const outlookSettings: Finder = {
  name: "Outlook's settings",
  takes: SETTINGS_TAKES,
  ask: outlookInRegistry,
  async *find(search) {
    const { signatureFolders } = await outlookInRegistry(search);
    const signatures = [...new Set(['Signatures', ...signatureFolders])].map((name) => `Microsoft\\${name}`);
    for (const take of SETTINGS_TAKES) {
      const folders = take.folder === SIGNATURES ? signatures : [take.folder];
      for (const folder of folders) yield* filesOf(search, take, folder);
    }
  },
};

async function* filesOf(search: Search, take: SettingsTake, folder: string) {
  const { files, user, leaveOut } = search;
  const found = walk(win32.join(user[take.base], folder), {
    files,
    wanted: (name) => take.names.test(name),
    maxDepth: take.deep ? 8 : 0,
    onSkipped: (skipped) => {
      const deeper = !take.deep && skipped.why === 'too-deep';
      if (skipped.why !== 'missing' && !deeper) leaveOut({ ...skipped, text: skippedText(skipped) });
    },
  });
  for await (const path of found) {
    yield { path, kind: take.kind, take: take.id, owner: user.name, set: null, why: take.what };
  }
}

/**
 * Where a file of Outlook's settings belongs on this machine, by what it is and not by whose folder it came from: a folder of the
 * user, and the names from there down, as they came; null where no row of the table knows it. `signatures` is the name of this
 * machine's signature folder.
 */
export function settingsPlace(
  path: string,
  user: Pick<SearchedUser, 'roaming' | 'local' | 'documents'>,
  signatures = 'Signatures',
): { readonly take: SettingsTake; readonly base: string; readonly names: readonly string[] } | null {
  const name = path.split('\\').at(-1)!;
  for (const take of SETTINGS_TAKES) {
    if (take.folder === '' || take.folder === SIGNATURES) continue;
    const start = `.*\\${take.folder}\\`.replaceAll('\\', '\\\\');
    const rest = new RegExp(`^${start}(.+)$`, 'is').exec(path)?.[1];
    if (rest === undefined) continue;
    if (take.names.test(name) && (take.deep || name === rest))
      return { take, base: user[take.base], names: [...take.folder.split('\\'), ...rest.split('\\')] };
  }
  const byId = (id: string) => SETTINGS_TAKES.find((take) => take.id === id)!;
  // Of the folders below Microsoft only the signatures' has a name that is translated.
  const signature = /\\Microsoft\\[^\\]+\\(.+)$/is.exec(path)?.[1];
  if (signature !== undefined) {
    const names = ['Microsoft', signatures, ...signature.split('\\')];
    return { take: byId('signatures'), base: user.roaming, names };
  }
  const rules = byId('rules-exported');
  return rules.names.test(path) ? { take: rules, base: user.documents, names: [name] } : null;
}
