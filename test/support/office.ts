// A user's machine as the Offices of 2003 to 365 leave it: files and registry, and what a finder has to make of them.
import {
  encodeRegFile,
  REG_BINARY,
  REG_EXPAND_SZ,
  REG_MULTI_SZ,
  REG_SZ,
  type RegKey,
  type RegValue,
} from '../../client/registry/reg-file.ts';

const utf16 = (text: string) => Buffer.from(text, 'utf16le');
export const text = (name: string, value: string): RegValue => ({
  name,
  type: REG_SZ,
  data: utf16(`${value}\0`),
});
export const expand = (name: string, value: string): RegValue => ({
  name,
  type: REG_EXPAND_SZ,
  data: utf16(`${value}\0`),
});
/** A text as MAPI keeps it: bytes of UTF-16LE with a NUL. */
export const mapi = (name: string, value: string): RegValue => ({
  name,
  type: REG_BINARY,
  data: utf16(`${value}\0`),
});

export interface OfficeUser {
  readonly home: string;
  /** The user's key in the registry. */
  readonly key: string;
  readonly roaming: string;
  readonly local: string;
  readonly documents: string;
}

export interface Planted {
  readonly files: Record<string, string>;
  readonly keys: RegKey[];
  /** What is to be found: path and row of the table. */
  readonly found: Record<string, string>;
  /** What is to be left out: path and reason. */
  readonly leftOut: Record<string, string>;
}

const SHARED = 'Software\\Microsoft\\Windows NT\\CurrentVersion\\Windows Messaging Subsystem\\Profiles';

export const YEARS = {
  '2003': '11.0',
  '2007': '12.0',
  '2010': '14.0',
  '2013': '15.0',
  '365': '16.0',
} as const;
export type Year = keyof typeof YEARS;

/** A section of a profile that opens a store, as Outlook names it. */
function store(profileKey: string, number: string, values: RegValue[]): RegKey {
  return { path: `${profileKey}\\${number.padStart(32, '0')}`, values };
}

/** What one edition of Outlook leaves. Names differ by edition, so that editions can be planted side by side. */
export function planted(year: Year, user: OfficeUser): Planted {
  const version = YEARS[year];
  const number = Number(version);
  const outlook = `${user.key}\\Software\\Microsoft\\Office\\${version}\\Outlook`;
  const profiles = number >= 15 ? `${outlook}\\Profiles` : `${user.key}\\${SHARED}`;
  const profile = `Zażółć ${year} 工作 📬`;
  const files: Record<string, string> = {};
  const found: Record<string, string> = {};
  const leftOut: Record<string, string> = {};
  const take = (path: string, row: string) => {
    files[path] = `${row} ${year}`;
    found[path] = row;
  };

  // Opened by the profile, where no folder leads to them.
  take(`C:\\Poczta ${year}\\Archiwum żółte 邮件 📬.pst`, 'pst');
  const oldDefault = `${user.local}\\Microsoft\\Outlook\\Outlook${year}.pst`;
  const newDefault = `${user.documents}\\Pliki programu Outlook\\praca${year}@example.org.pst`;
  take(number <= 12 ? oldDefault : newDefault, 'pst');
  // Indexed: one that is there, one that is long gone, one on a server.
  take(`C:\\Indeks ${year}\\stary.pst`, 'pst');
  // The user's own copy, which nothing names.
  take(`${user.home}\\Desktop\\kopia ${year}.PST`, 'pst');
  files[`${user.home}\\Desktop\\kopia ${year}.pst.txt`] = 'no store';
  files[`${user.local}\\Temp\\${year}.pst`] = 'of a program';
  leftOut[`C:\\Nie ma ${year}\\zgubiony.pst`] = 'missing';
  leftOut[`\\\\serwer\\poczta ${year}\\wspólny.pst`] = 'network';

  const profileKey = `${profiles}\\${profile}`;
  const keys: RegKey[] = [
    { path: profiles, values: number >= 15 ? [] : [text('DefaultProfile', profile)] },
    { path: profileKey, values: [] },
    store(profileKey, 'a1', [
      mapi('001f3001', `Archiwum ${year}`),
      mapi('001f6700', `C:\\Poczta ${year}\\Archiwum żółte 邮件 📬.pst`),
    ]),
    // Case differs from the disk's, as it does in the field.
    store(profileKey, 'a2', [
      mapi(
        '001f6700',
        (number <= 12 ? oldDefault : newDefault).toUpperCase().replace(/@EXAMPLE/, '@example'),
      ),
    ]),
    store(profileKey, 'a3', [mapi('001f6700', `C:\\Nie ma ${year}\\zgubiony.pst`)]),
    store(profileKey, 'a4', [mapi('001f6700', `\\\\serwer\\poczta ${year}\\wspólny.pst`)]),
    {
      path: `${profileKey}\\9375CFF0413111d3B88A00104B2A6676\\00000002`,
      values: [
        mapi('Account Name', 'ja@example.org'),
        mapi('New Signature', 'Służbowy'),
        {
          name: 'POP3 Password',
          type: REG_BINARY,
          data: Buffer.from('01000000d08c9ddf0115d1118c7a00c04fc297eb', 'hex'),
        },
      ],
    },
    {
      path: number >= 15 ? `${outlook}\\Search\\Catalog` : `${outlook}\\Catalog`,
      values: [`C:\\Indeks ${year}\\stary.pst`, `C:\\Indeks ${year}\\dawno.pst`, '\\\\serwer\\x\\y.pst'].map(
        (name) => ({
          name,
          type: REG_BINARY,
          data: Buffer.alloc(16, 7),
        }),
      ),
    },
  ];
  if (number >= 15) keys.push({ path: outlook, values: [text('DefaultProfile', profile)] });
  found[profiles] = 'mapi-profiles';

  if (number >= 14) {
    const ost = `${user.local}\\Microsoft\\Outlook\\ja${year}@example.org.ost`;
    files[ost] = 'ost';
    leftOut[ost] = 'cache';
    keys.push(store(profileKey, 'b1', [mapi('001f6610', ost)]));
    take(
      `${user.local}\\Microsoft\\Outlook\\RoamCache\\Stream_Autocomplete_0_${year.padStart(32, 'A')}.dat`,
      'autocomplete',
    );
    files[`${user.local}\\Microsoft\\Outlook\\RoamCache\\Stream_Calendar_2_${year}.dat`] = 'cache';
    take(`${user.local}\\Microsoft\\Office\\olkexplorer${year}.officeUI`, 'ribbon');
    files[`${user.local}\\Microsoft\\Office\\Excel${year}.officeUI`] = 'of Excel';
  } else {
    take(`${user.roaming}\\Microsoft\\Outlook\\${profile}.NK2`, 'nk2');
    take(`${user.roaming}\\Microsoft\\Outlook\\stare ${year}.rwz`, 'rules');
  }
  take(`${user.roaming}\\Microsoft\\Outlook\\${profile}.srs`, 'send-receive');
  take(`${user.roaming}\\Microsoft\\Outlook\\${profile}.xml`, 'navigation');
  return { files, keys, found, leftOut };
}

/** What is once on a machine, whatever the edition. */
export function plantedOnce(user: OfficeUser): Planted {
  const files: Record<string, string> = {};
  const found: Record<string, string> = {};
  const leftOut: Record<string, string> = {};
  const take = (path: string, row: string) => {
    files[path] = row;
    found[path] = row;
  };
  const roaming = (path: string) => `${user.roaming}\\Microsoft\\${path}`;
  take(roaming('Outlook\\VbaProject.OTM'), 'macros');
  take(roaming('Outlook\\outcmd.dat'), 'toolbars');
  take(roaming('Outlook\\OutlPrnt'), 'print-styles');
  files[roaming('Outlook\\views.dat')] = 'built again';
  files[roaming('Outlook\\extend.dat')] = 'built again';
  take(roaming('Podpisy\\Służbowy 公司.htm'), 'signatures');
  take(roaming('Podpisy\\Służbowy 公司.rtf'), 'signatures');
  take(roaming('Podpisy\\Służbowy 公司_pliki\\logo 📬.png'), 'signatures');
  take(roaming('Signatures\\old.txt'), 'signatures');
  take(roaming('Stationery\\papeteria.htm'), 'stationery');
  take(roaming('Templates\\Urlop.oft'), 'templates');
  take(roaming('Templates\\NormalEmail.dotm'), 'templates');
  files[roaming('Templates\\Normal.dotm')] = 'of Word';
  take(roaming('UProof\\CUSTOM.DIC'), 'dictionaries');
  take(roaming('Proof\\CUSTOM.DIC'), 'dictionaries-2003');
  take(`${user.documents}\\reguły.rwz`, 'rules-exported');
  take('C:\\Wymuszone 邮件\\nowy.pst', 'pst');
  take(`${user.home}\\OneDrive – Firma\\Dokumenty\\Outlook Files\\w chmurze.pst`, 'pst');
  const keys: RegKey[] = [
    {
      path: `${user.key}\\Software\\Policies\\Microsoft\\Office\\16.0\\Outlook`,
      values: [expand('ForcePSTPath', '%SystemDrive%\\Wymuszone 邮件')],
    },
    {
      path: `${user.key}\\Software\\Microsoft\\Office\\16.0\\Common\\General`,
      values: [text('Signatures', 'Podpisy')],
    },
    { path: `${user.key}\\Software\\Microsoft\\Office\\Outlook\\Addins`, values: [text('x', 'C:\\no.pst')] },
    {
      path: 'HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\BackupRestore\\FilesNotToSnapshot',
      values: [
        {
          name: 'OutlookOST',
          type: REG_MULTI_SZ,
          data: utf16('$UserProfile$\\AppData\\Local\\Microsoft\\Outlook\\*.ost\0\0'),
        },
      ],
    },
  ];
  return { files, keys, found, leftOut };
}

/** What looks like mail and is none: names that are almost right, right names in wrong places, and registry values that only look alike. */
export function plantedDecoys(user: OfficeUser): Planted {
  const { home, roaming, local, documents, key } = user;
  const places = [
    `${home}\\Desktop\\poczta.pst.bak`,
    `${home}\\Desktop\\poczta_pst`,
    `${home}\\Desktop\\pst`,
    `${home}\\Desktop\\folder.pst\\list.txt`,
    `${home}\\Desktop\\profil.nk2.old`,
    `${documents}\\VbaProject.OTM`,
    `${documents}\\Signatures\\podpis.htm`,
    `${local}\\Programs\\Editor\\sample.pst`,
    `${local}\\Microsoft\\Outlook\\Offline Address Books\\udetails.oab`,
    `${local}\\Microsoft\\Outlook\\RoamCache\\Stream_Autocomplete_0.dat.bak`,
    `${local}\\Microsoft\\Outlook\\mapisvc.inf`,
    `${local}\\Microsoft\\Office\\16.0\\olkexplorer.officeUI`,
    `${roaming}\\Microsoft\\Office\\Recent\\poczta.LNK`,
    `${roaming}\\Microsoft\\Outlook\\frmcache.dat`,
    `${roaming}\\Microsoft\\Outlook\\inside\\profil.srs`,
    `${roaming}\\Microsoft\\Templates\\list.dotx`,
    `${roaming}\\Microsoft\\Word\\CUSTOM.DIC`,
    `${roaming}\\Thunderbird.old\\profiles.ini`,
    `${roaming}\\Thunderbird Portable\\Profiles\\x.default\\Mail\\Inbox`,
    `${roaming}\\eM Client Backup\\main.dat`,
    `${roaming}\\The Bat\\messages.tbb`,
    `${local}\\Microsoft\\Windows Mail Old\\WindowsMail.MSMessageStore`,
    'C:\\Program Files\\eM Client\\main.dat',
    'C:\\Inne\\nie nazwany.pst',
    'C:\\Inne\\Mail.MSMessageStore',
  ];
  const files = Object.fromEntries(places.map((path) => [path, 'a decoy']));
  const opens = [mapi('001f6700', 'C:\\Inne\\nie nazwany.pst')];
  const keys: RegKey[] = [
    // Of another program, of no version, of one before 2003, and beside the profiles.
    { path: `${key}\\Software\\Microsoft\\Office\\16.0\\Word\\Profiles\\p\\1`, values: opens },
    { path: `${key}\\Software\\Microsoft\\Office\\Outlook\\Profiles\\p\\1`, values: opens },
    { path: `${key}\\Software\\Microsoft\\Office\\10.0\\Outlook\\Profiles\\p\\1`, values: opens },
    { path: `${key}\\Software\\Microsoft\\Office\\16.0\\Outlook\\ProfilesOld\\p\\1`, values: opens },
    {
      path: `${key}\\Software\\Microsoft\\Office\\16.0\\Outlook\\Options`,
      values: [text('C:\\Inne\\nie nazwany.pst', 'x')],
    },
    { path: `${key}\\Software\\Inny\\Outlook`, values: [text('ForcePSTPath', 'C:\\Inne')] },
    { path: `${key}\\Software\\Microsoft\\Windows Mail Old`, values: [text('Store Root', 'C:\\Inne')] },
  ];
  return { files, keys, found: {}, leftOut: {} };
}

/** The other mail programs, all on one machine. */
export function plantedClients(user: OfficeUser): Planted & { readonly sets: Record<string, string> } {
  const files: Record<string, string> = {};
  const found: Record<string, string> = {};
  const sets: Record<string, string> = {};
  const take = (path: string, row: string, set?: string, content = row) => {
    files[path] = content;
    found[path] = row;
    if (set !== undefined) sets[path] = set;
  };
  const bird = `${user.roaming}\\Thunderbird`;
  const first = `${bird}\\Profiles\\ab12cd34.domyślny`;
  const second = 'C:\\Ptak 鸟\\profil';
  const ini = [
    '[Install0123]\r\nDefault=Profiles/ab12cd34.domyślny\r\n',
    '[Profile1]\r\nName=Zażółć\r\nIsRelative=1\r\nPath=Profiles/ab12cd34.domyślny\r\n',
    `[Profile0]\r\nName=drugi\r\nIsRelative=0\r\nPath=${second}\r\n`,
    '[Profile2]\r\nName=gone\r\nIsRelative=1\r\nPath=Profiles/gone\r\n',
    '[General]\r\nStartWithLastProfile=1\r\n',
  ].join('\r\n');
  take(`${bird}\\profiles.ini`, 'thunderbird', undefined, ini);
  const prefs = [
    'user_pref("mail.server.server1.type", "none");',
    'user_pref("mail.server.server1.directory-rel", "[ProfD]Mail/Local Folders");',
    'user_pref("mail.server.server2.type", "pop3");',
    'user_pref("mail.server.server2.directory", "C:\\\\Poczta POP 📬\\\\konto");',
    'user_pref("mail.server.server3.type", "imap");',
    'user_pref("mail.server.server3.directory", "C:\\\\Poczta IMAP");',
    'user_pref("mail.server.server3.name", "a \\"b\\"");',
  ].join('\r\n');
  take(`${first}\\prefs.js`, 'thunderbird', first, prefs);
  take(`${first}\\abook.sqlite`, 'thunderbird', first);
  take(`${first}\\abook.sqlite-wal`, 'thunderbird', first);
  take(`${first}\\key4.db`, 'thunderbird', first);
  take(`${first}\\logins.json`, 'thunderbird', first);
  take(`${first}\\calendar-data\\local.sqlite`, 'thunderbird', first);
  take(`${first}\\Mail\\Local Folders\\Wysłane żółte`, 'thunderbird');
  take(`${first}\\Mail\\Local Folders\\Archiwum.sbd\\2019`, 'thunderbird');
  take('C:\\Poczta POP 📬\\konto\\Inbox', 'thunderbird');
  for (const name of [
    'abook.sqlite-shm',
    'global-messages-db.sqlite',
    'parent.lock',
    'Mail\\Local Folders\\Wysłane żółte.msf',
  ])
    files[`${first}\\${name}`] = 'built again';
  files[`${first}\\ImapMail\\imap.example.org\\INBOX`] = 'a cache';
  files['C:\\Poczta IMAP\\INBOX'] = 'a cache';
  take(`${second}\\prefs.js`, 'thunderbird', second, '');
  take(`${second}\\Mail\\Local Folders\\Inbox`, 'thunderbird');

  const box = `${user.roaming}\\PostboxApp`;
  take(
    `${box}\\profiles.ini`,
    'postbox',
    undefined,
    '[Profile0]\nName=default\nIsRelative=1\nPath=Profiles/x.default\n',
  );
  take(`${box}\\Profiles\\x.default\\prefs.js`, 'postbox', `${box}\\Profiles\\x.default`, '');
  take(`${box}\\Profiles\\x.default\\Mail\\pop.example.org\\Inbox`, 'postbox');

  const live = 'C:\\Live Mail żółty';
  take(`${live}\\Mail.MSMessageStore`, 'windows-live-mail', live);
  take(`${live}\\edb00001.log`, 'windows-live-mail', live);
  take(`${live}\\edb.chk`, 'windows-live-mail', live);
  take(`${live}\\pop.example.org\\account{1}.oeaccount`, 'windows-live-mail');
  take(`${live}\\pop.example.org\\Inbox\\1A2B.eml`, 'windows-live-mail');
  files[`${live}\\Backup\\new\\Mail.MSMessageStore`] = 'a copy';
  const vista = `${user.local}\\Microsoft\\Windows Mail`;
  take(`${vista}\\WindowsMail.MSMessageStore`, 'windows-mail', vista);
  take(`${vista}\\Local Folders\\Inbox\\2.eml`, 'windows-mail');

  const em = `${user.roaming}\\eM Client`;
  for (const name of ['main.dat', 'main.dat-wal', '0b1c\\mail_data.dat', '0b1c\\mail_data.dat-wal'])
    take(`${em}\\${name}`, 'em-client', em);
  files[`${em}\\main.dat-shm`] = 'built again';
  files[`${em}\\Logs\\x.dat`] = 'a log';

  const bat = `${user.roaming}\\The Bat!`;
  take(`${bat}\\Konto 1\\Inbox\\messages.tbb`, 'the-bat', bat);
  take(`${bat}\\Konto 1\\account.cfn`, 'the-bat', bat);

  const leftOut = {
    [`${first}\\ImapMail`]: 'cache',
    'C:\\Poczta IMAP': 'cache',
    [`${bird}\\Profiles\\gone`]: 'missing',
  };
  const keys = [
    {
      path: `${user.key}\\Software\\Microsoft\\Windows Live Mail`,
      values: [expand('Store Root', '%SystemDrive%\\Live Mail żółty\\')],
    },
  ];
  return { files, keys, found, leftOut, sets };
}

export function together(...parts: readonly Planted[]): Planted {
  return {
    files: Object.assign({}, ...parts.map(({ files }) => files)),
    keys: parts.flatMap(({ keys }) => keys),
    found: Object.assign({}, ...parts.map(({ found }) => found)),
    leftOut: Object.assign({}, ...parts.map(({ leftOut }) => leftOut)),
  };
}

/** The bytes of a .reg file with these keys. */
export const regFile = (keys: readonly RegKey[]) => encodeRegFile(keys);
