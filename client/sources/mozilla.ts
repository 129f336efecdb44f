// Finder: Thunderbird and Postbox: profiles by profiles.ini, mail also where prefs.js puts it outside the profile.
import { type FileView, kindAt } from './file-view.ts';
import type { Finder, FoundItem, Search, Take } from './finder.ts';
import { skippedText, walk } from './walk.ts';

interface MozillaClient {
  readonly id: string;
  readonly name: string;
  /** Folders that may hold profiles.ini. */
  folders(search: Search): readonly string[];
}

const THUNDERBIRD: MozillaClient = {
  id: 'thunderbird',
  name: 'Thunderbird',
  folders: ({ files, user }) =>
    files.path.sep === '\\'
      ? [files.path.join(user.roaming, 'Thunderbird')]
      : [
          '.thunderbird',
          'snap/thunderbird/common/.thunderbird',
          '.var/app/org.mozilla.Thunderbird/.thunderbird',
          'Library/Thunderbird',
        ].map((folder) => files.path.join(user.home, folder)),
};

const POSTBOX: MozillaClient = {
  id: 'postbox',
  name: 'Postbox',
  folders: ({ files, user }) =>
    files.path.sep === '\\'
      ? ['PostboxApp', 'Postbox'].map((folder) => files.path.join(user.roaming, folder))
      : [files.path.join(user.home, 'Library', 'Application Support', 'Postbox')],
};

export const thunderbird: Finder = mozillaFinder(
  THUNDERBIRD,
  'every profile in `profiles.ini` of `%APPDATA%\\Thunderbird`, `~/.thunderbird` and its Snap and Flatpak places; folders that accounts have outside the profile, by `prefs.js`',
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
    takes: [take],
    async *find(search) {
      for (const folder of client.folders(search)) yield* inFolder(search, client, folder);
    },
  };
}

/** Most bytes of an ini or prefs file that are looked at. */
const MOST_TEXT = 16_777_216;

async function* inFolder(search: Search, client: MozillaClient, folder: string): AsyncGenerator<FoundItem> {
  const { files, leaveOut } = search;
  const ini = files.path.join(folder, 'profiles.ini');
  const text = await textAt(search, ini);
  if (text === null) return;
  const item = itemOf(search, client);
  yield item(ini, 'it names the profiles');
  const installs = files.path.join(folder, 'installs.ini');
  if ((await kindAt(files, installs)) === 'file') yield item(installs, 'it names the profiles');
  for (const { name, path } of profilesOf(text, folder, files)) {
    if ((await kindAt(files, path)) === 'folder') yield* inProfile(search, client, { name, path });
    else leaveOut({ path, why: 'missing', text: `${client.name} profile "${name}", but it is not there` });
  }
}

async function textAt({ files, leaveOut }: Search, path: string): Promise<string | null> {
  try {
    return await files.readText(path, MOST_TEXT);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    leaveOut({ path, why: 'unreadable', text: `it can't be read (${code})` });
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

interface MozillaProfile {
  readonly name: string;
  readonly path: string;
}

/** The profiles of a profiles.ini: sections [ProfileN] with Name, Path and IsRelative (1: below the file's folder, with slashes). */
function profilesOf(ini: string, folder: string, { path }: FileView): MozillaProfile[] {
  const profiles: MozillaProfile[] = [];
  for (const section of ini.split(/^(?=\[)/m)) {
    if (!/^\[Profile\d+\]/i.test(section)) continue;
    const value = (key: string) => new RegExp(`^${key}=(.*?)\\s*$`, 'im').exec(section)?.[1];
    const place = value('Path');
    if (!place) continue;
    const full = value('IsRelative') === '1' ? path.join(folder, ...place.split('/')) : path.normalize(place);
    profiles.push({ name: value('Name') ?? place, path: full });
  }
  return profiles;
}

/** In the profile itself: databases, keys with the passwords they open, settings. They refer to each other: one set. */
const DATABASE = /\.(sqlite|db)(-wal|-journal)?$|\.(js|json|mab|dat|gpg|asc|txt|ini|css)$/i;
/** Built again from the rest, or of the moment only. */
const REBUILT =
  /^(global-messages-db|places|favicons|cookies|webappsstore|content-prefs)\.sqlite|\.(msf|wdseml|lock|tmp)$|^(parent\.lock|\.parentlock|lock|nstmp|compatibility\.ini|session\.json)$/i;

async function* inProfile(
  search: Search,
  client: MozillaClient,
  profile: MozillaProfile,
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
  for (const { path, isCache, server } of serverFolders(prefs, profile.path, files)) {
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
function* serverFolders(prefs: string, profile: string, { path }: FileView) {
  const servers = new Map<string, Map<string, string>>();
  // Values are strings of JavaScript, whose escapes here are those of JSON.
  for (const [, server, key, text] of prefs.matchAll(
    /^user_pref\("mail\.server\.(server\d+)\.([a-z-]+)",\s*("(?:[^"\\]|\\.)*")\);/gm,
  )) {
    const values = servers.get(server!) ?? new Map<string, string>();
    servers.set(server!, values.set(key!, stringOf(text!)));
  }
  for (const [server, values] of servers) {
    const relative = /^\[ProfD\](.+)$/.exec(values.get('directory-rel') ?? '')?.[1];
    const place = relative ? path.join(profile, ...relative.split('/')) : values.get('directory');
    if (place) yield { server, path: path.normalize(place), isCache: CACHES.has(values.get('type') ?? '') };
  }
}

function stringOf(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return text.slice(1, -1);
  }
}
