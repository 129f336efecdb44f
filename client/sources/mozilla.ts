// Finder: Thunderbird and Postbox: profiles by profiles.ini, mail also where prefs.js puts it outside the profile.
import type { PlatformPath } from 'node:path';
import { NOT_A_FILE } from '../far/file-asks.ts';
import { kindAt } from './file-view.ts';
import type { Finder, FoundItem, Search, Take } from './finder.ts';
import { programName } from './mail-programs.ts';
import { profilesOf, serversOf } from './mozilla-files.ts';
import { skippedText, walk } from './walk.ts';

interface MozillaClient {
  readonly id: 'thunderbird' | 'postbox';
  readonly name: string;
  /** Folders that may hold profiles.ini. */
  folders(search: Search): Promise<readonly string[]>;
}

const THUNDERBIRD: MozillaClient = {
  id: 'thunderbird',
  name: programName('thunderbird'),
  folders: async (search) =>
    search.files.path.sep === '\\'
      ? [search.files.path.join(search.user.roaming, 'Thunderbird'), ...(await fromTheStore(search))]
      : [
          '.thunderbird',
          'snap/thunderbird/common/.thunderbird',
          '.var/app/org.mozilla.Thunderbird/.thunderbird',
          'Library/Thunderbird',
        ].map((folder) => search.files.path.join(search.user.home, folder)),
};

/** Packages of Thunderbird from Microsoft's Store keep what it takes for the roaming folder in one of their own. */
async function fromTheStore({ files, user, leaveOut }: Search): Promise<string[]> {
  const packages = files.path.join(user.local, 'Packages');
  const names: string[] = [];
  try {
    for await (const { name } of files.list(packages)) if (/thunderbird/i.test(name)) names.push(name);
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      leaveOut({ path: packages, why: 'unreadable', text: `it can't be looked into (${code})` });
  }
  return names.sort().map((name) => files.path.join(packages, name, 'LocalCache', 'Roaming', 'Thunderbird'));
}

const POSTBOX: MozillaClient = {
  id: 'postbox',
  name: programName('postbox'),
  folders: async ({ files, user }) =>
    files.path.sep === '\\'
      ? ['PostboxApp', 'Postbox'].map((folder) => files.path.join(user.roaming, folder))
      : [files.path.join(user.home, 'Library', 'Application Support', 'Postbox')],
};

export const thunderbird: Finder = mozillaFinder(
  THUNDERBIRD,
  'every profile in `profiles.ini` of `%APPDATA%\\Thunderbird`, of Thunderbird from the Store (`%LOCALAPPDATA%\\Packages`), of `~/.thunderbird` and its Snap and Flatpak places; folders that accounts have outside the profile, by `prefs.js`',
);
export const postbox: Finder = mozillaFinder(
  POSTBOX,
  'every profile in `profiles.ini` of `%APPDATA%\\PostboxApp`',
);

function mozillaFinder(client: MozillaClient, where: string): Finder {
  const take: Take = {
    id: client.id,
    kind: 'mail-client',
    what: `${client.name}: local folders, POP accounts, address books, settings`,
    where,
    why: 'mail that no server has. Left out: IMAP folders unless `--caches`, and what is built again (`.msf`, search index)',
    restored: `to the same profile folder of this user, the databases of a profile as they were together; ${client.name} has to be closed`,
  };
  return {
    name: client.name,
    takes: [take],
    async *find(search) {
      for (const folder of await client.folders(search)) yield* inFolder(search, client, folder);
    },
  };
}

/** Most bytes of an ini or prefs file that are looked at. */
const MOST_TEXT = 4_194_304;

async function* inFolder(search: Search, client: MozillaClient, folder: string): AsyncGenerator<FoundItem> {
  const { files, leaveOut } = search;
  const ini = files.path.join(folder, 'profiles.ini');
  const text = await textAt(search, ini);
  if (text === null) return;
  const item = itemOf(search, client);
  yield item(ini, 'it names the profiles');
  const installs = files.path.join(folder, 'installs.ini');
  if ((await kindAt(files, installs)) === 'file') yield item(installs, 'it names the profiles');
  for (const { name, path } of profilesOf(text, folder, files.path)) {
    if ((await kindAt(files, path)) === 'folder') yield* inProfile(search, client, { name, path });
    else leaveOut({ path, why: 'missing', text: `${client.name} profile "${name}", but it is not there` });
  }
}

async function textAt({ files, leaveOut }: Search, path: string): Promise<string | null> {
  try {
    return await files.readText(path, MOST_TEXT);
  } catch (error) {
    const { code = String(error), message } = error as NodeJS.ErrnoException;
    const reason =
      code === 'EFBIG'
        ? `it is larger than ${MOST_TEXT / 1_048_576} MiB, and what it names was not looked for`
        : code === NOT_A_FILE
          ? `it is ${message}, and not a regular file`
          : `it can't be read (${code})`;
    leaveOut({ path, why: 'unreadable', text: reason });
    return null;
  }
}

const itemOf =
  ({ user }: Search, client: MozillaClient) =>
  (path: string, why: string, set: string | null = null): FoundItem => ({
    path,
    kind: 'mail-client',
    take: client.id,
    owner: user.name,
    set,
    why,
  });

/** In the profile itself: databases, keys with the passwords they open, settings. They refer to each other: one set. */
const DATABASE = /\.(sqlite|db)(-wal|-journal)?$|\.(js|json|mab|dat|gpg|asc|txt|ini|css)$/i;
/** Built again from the rest, or of the moment only. */
const REBUILT =
  /^(global-messages-db|places|favicons|cookies|webappsstore|content-prefs)\.sqlite|\.(msf|wdseml|lock|tmp)$|^(parent\.lock|\.parentlock|lock|nstmp|compatibility\.ini|session\.json)$/i;

async function* inProfile(
  search: Search,
  client: MozillaClient,
  profile: { readonly name: string; readonly path: string },
): AsyncGenerator<FoundItem> {
  const { files, caches, leaveOut } = search;
  const { join } = files.path;
  const item = itemOf(search, client);
  const because = `${client.name} profile "${profile.name}"`;
  const below = (folder: string, wanted: (name: string) => boolean, maxDepth: number) =>
    walk(folder, {
      files,
      wanted,
      maxDepth,
      onSkipped: (skipped) => {
        const known = skipped.why === 'missing' || (maxDepth === 0 && skipped.why === 'too-deep');
        if (!known) leaveOut({ ...skipped, text: skippedText(skipped) });
      },
    });
  const database = (name: string) => DATABASE.test(name) && !REBUILT.test(name);
  const mail = (name: string) => !REBUILT.test(name);

  for (const folder of [profile.path, join(profile.path, 'calendar-data')]) {
    for await (const path of below(folder, database, 0)) yield item(path, because, profile.path);
  }
  for await (const path of below(join(profile.path, 'Mail'), mail, 32)) yield item(path, because);
  const prefs = (await textAt(search, join(profile.path, 'prefs.js'))) ?? '';
  const cached = new Map([[join(profile.path, 'ImapMail'), 'IMAP folders']]);
  for (const { path, isCache, server } of serverFolders(prefs, profile.path, files.path)) {
    if (isCache) cached.set(path, `folders of ${server}`);
    else
      for await (const found of below(path, mail, 32))
        yield item(found, `${because}, account folder in prefs.js`);
  }
  for (const [path, what] of cached) {
    if ((await kindAt(files, path)) !== 'folder') continue;
    if (caches) for await (const found of below(path, mail, 32)) yield item(found, `${because}, ${what}`);
    else leaveOut({ path, why: 'cache', text: `${what}, a copy of what the mail server has; ${because}` });
  }
}

/** Account types whose folder only mirrors a server. */
const CACHES = new Set(['imap', 'nntp', 'ews', 'owl']);

/** Where prefs.js says that accounts keep their mail: `directory-rel` from the profile ([ProfD]), else `directory`. */
function* serverFolders(prefs: string, profile: string, path: PlatformPath) {
  for (const [server, values] of serversOf(prefs)) {
    const relative = values.get('directory-rel') ?? '';
    const below = relative.startsWith('[ProfD]') ? relative.slice('[ProfD]'.length) : '';
    const place = below ? path.join(profile, ...below.split('/')) : values.get('directory');
    if (place) yield { server, path: path.normalize(place), isCache: CACHES.has(values.get('type') ?? '') };
  }
}
