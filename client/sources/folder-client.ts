// Finders for mail programs that keep all they have in one folder: Windows Live Mail, Windows Mail, eM Client, The Bat!
import { win32 } from 'node:path';
import { keyAt, textNamed } from '../registry/reg-value.ts';
import { type Finder, type Search, type Take, unresolved } from './finder.ts';
import { programName } from './mail-programs.ts';
import { skippedText, walk } from './walk.ts';

interface FolderClient {
  readonly take: Take;
  /** Where it lies unless the registry says otherwise. */
  folder(user: Search['user']): string;
  /** A registry value below the user's part that names another folder. */
  readonly override?: { readonly key: string; readonly value: string };
  /** Files that are of use only together. */
  readonly database: RegExp;
  /** Files that stand alone. */
  readonly single: RegExp;
  /** Neither: built again, or of the moment only. */
  readonly rebuilt: RegExp;
  /** Folders that are not entered, by name. */
  readonly ignored?: RegExp;
}

function folderFinder(client: FolderClient): Finder {
  const { take, database, single, rebuilt, ignored } = client;
  return {
    name: take.what,
    takes: [take],
    ask: (search) => rootOf(search, client),
    async *find(search) {
      const { files, user, leaveOut } = search;
      const root = await rootOf(search, client, leaveOut);
      const found = walk(root, {
        files,
        wanted: (name) => !rebuilt.test(name) && (database.test(name) || single.test(name)),
        ignored: (folder) => ignored?.test(win32.basename(folder)) ?? false,
        onSkipped: (skipped) => {
          if (skipped.why !== 'missing') leaveOut({ ...skipped, text: skippedText(skipped) });
        },
      });
      for await (const path of found) {
        const set = database.test(win32.basename(path)) ? root : null;
        yield { path, kind: take.kind, take: take.id, owner: user.name, set, why: take.what };
      }
    },
  };
}

/** Where its folder is; `leaveOut` is told where the registry names another one by a variable that is not known. */
async function rootOf(
  { registry, user }: Pick<Search, 'registry' | 'user'>,
  { take, folder, override }: FolderClient,
  leaveOut?: Search['leaveOut'],
): Promise<string> {
  if (!override || !registry || user.key === null) return folder(user);
  const key = `${user.key}\\${override.key}`;
  const text = textNamed(keyAt(await registry.read(key), key), override.value);
  const expanded = text === null ? null : user.expand(text);
  if (text !== null && expanded === null) leaveOut?.(unresolved(text, `${override.value} of ${take.id}`));
  return expanded === null ? folder(user) : win32.normalize(expanded).replace(/\\$/, '');
}

/** Files of an ESE database: itself, its logs and its checkpoint (MSDN, "Extensible Storage Engine Files"). */
const ESE = /\.(MSMessageStore|edb|chk|pat|stm)$|^edb.*\.(log|jrs)$/i;

const WINDOWS_MAIL_RESTORED =
  'to the same folder of this user, the files of its database as they were together; the program has to be closed';

export const windowsLiveMail = folderFinder({
  take: {
    id: 'windows-live-mail',
    kind: 'mail-client',
    what: `${programName('windows-live-mail')}: messages, accounts, database`,
    where:
      '`%LOCALAPPDATA%\\Microsoft\\Windows Live Mail`, or the folder that `Store Root` in the registry names',
    why: 'mail of POP accounts that no server has',
    restored: WINDOWS_MAIL_RESTORED,
  },
  folder: ({ local }) => win32.join(local, 'Microsoft', 'Windows Live Mail'),
  override: { key: 'Software\\Microsoft\\Windows Live Mail', value: 'Store Root' },
  database: ESE,
  single: /\.(eml|oeaccount|fol|wls)$/i,
  rebuilt: /\.tmp$/i,
  ignored: /^Backup$/i,
});

export const windowsMail = folderFinder({
  take: {
    id: 'windows-mail',
    kind: 'mail-client',
    what: `${programName('windows-mail')}: messages, accounts, database`,
    where: '`%LOCALAPPDATA%\\Microsoft\\Windows Mail`, or the folder that `Store Root` in the registry names',
    why: 'mail of POP accounts that no server has',
    restored: WINDOWS_MAIL_RESTORED,
  },
  folder: ({ local }) => win32.join(local, 'Microsoft', 'Windows Mail'),
  override: { key: 'Software\\Microsoft\\Windows Mail', value: 'Store Root' },
  database: ESE,
  single: /\.(eml|oeaccount|fol)$/i,
  rebuilt: /\.tmp$/i,
  ignored: /^Backup$/i,
});

export const emClient = folderFinder({
  take: {
    id: 'em-client',
    kind: 'mail-client',
    what: `${programName('em-client')}: its databases`,
    where: '`%APPDATA%\\eM Client`',
    why: 'mail, contacts and calendars that no server has',
    restored:
      'to the same folder of this user, the files of its database as they were together; the program has to be closed',
  },
  folder: ({ roaming }) => win32.join(roaming, 'eM Client'),
  database: /\.(dat|db|sqlite)(-wal|-journal)?$/i,
  single: /\.(xml|ini|json)$/i,
  // An index of shared memory: SQLite makes it again from the -wal.
  rebuilt: /-shm$|\.(tmp|log)$/i,
  ignored: /^(Logs|Temp)$/i,
});

export const theBat = folderFinder({
  take: {
    id: 'the-bat',
    kind: 'mail-client',
    what: `${programName('the-bat')}: message bases and accounts`,
    where: '`%APPDATA%\\The Bat!`, or the folder that `Working Directory` in the registry names',
    why: 'mail that no server has',
    restored:
      'to the same folder of this user, the files of its database as they were together; the program has to be closed',
  },
  folder: ({ roaming }) => win32.join(roaming, 'The Bat!'),
  override: { key: 'Software\\RIT\\The Bat!', value: 'Working Directory' },
  database: /./,
  single: /./,
  rebuilt: /\.(tmp|lck|log)$/i,
});
