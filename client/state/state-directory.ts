// Where the device keeps what it must not lose, who it is, and that only one process works there.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { Failure } from '../../shared/failure.ts';
import { makeDirectory, writeDurably } from '../durable-file.ts';

/** Seals secrets so that what lies on the disk is of no use elsewhere. Both reject where the system can't. */
export interface SecretKeeper {
  seal(text: string): Promise<string>;
  open(sealed: string): Promise<string>;
}

/** Paths inside a state directory. */
export interface StatePaths {
  readonly root: string;
  readonly db: string;
  readonly identity: string;
  readonly lock: string;
  readonly staging: string;
  readonly fingerprints: string;
  /** Registry exports while they are read; secrets. */
  readonly exports: string;
  /** What the last look could not look into. */
  readonly unread: string;
  /** What seals the secrets of the identity, where this machine has it. */
  readonly keeper?: SecretKeeper;
}

export function statePaths(root: string, keeper: SecretKeeper | null = null): StatePaths {
  return {
    ...(keeper ? { keeper } : {}),
    root,
    db: join(root, 'device.db'),
    identity: join(root, 'identity.json'),
    lock: join(root, 'lock.db'),
    staging: join(root, 'staging'),
    fingerprints: join(root, 'fingerprints'),
    exports: join(root, 'exports'),
    unread: join(root, 'unread.json'),
  };
}

/** The folder of the device that `up` makes below a state directory, apart from a device that was enrolled there by hand. */
const DEVICE = 'device';
const SERVER = 'server';

/** What `up` keeps below `root`: its device's state, and its server's data. */
export function upIn({ root, keeper }: StatePaths): { device: StatePaths; data: string } {
  return { device: statePaths(join(root, DEVICE), keeper ?? null), data: join(root, SERVER) };
}

/** The device a command works as: the one enrolled in `paths`, or, where only `up` made one there, that one. */
export function deviceIn(paths: StatePaths): StatePaths {
  const { device } = upIn(paths);
  return !existsSync(paths.identity) && existsSync(device.identity) ? device : paths;
}

/** The data folder of the server that `up` keeps for the device in `paths`; null where the device is no such one. */
export function ownServerData({ root, identity }: StatePaths): string | null {
  const data = join(dirname(root), SERVER);
  return basename(root) === DEVICE && existsSync(identity) && existsSync(data) ? data : null;
}

/** Where state lies by default, by platform custom. `env` and `home` are the caller's. */
export function defaultStateRoot(
  platform: string,
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): string {
  if (env.MAILFERRY_STATE) return env.MAILFERRY_STATE;
  if (platform === 'win32') return join(env.ProgramData ?? 'C:\\ProgramData', 'Mailferry');
  return join(env.XDG_STATE_HOME || join(home, '.local', 'state'), 'mailferry');
}

/** Who this device is to which server. Secret: readable by its owner only. */
export interface Identity {
  readonly server: string;
  readonly device: string;
  readonly credential: string;
  /** The server's public key for receipts (SPKI, PEM). */
  readonly receiptKey: string;
  /** 32 bytes in hexadecimal that never leave this machine: keys of the fingerprint. */
  readonly secret: string;
  /** The address that the settings named when it was followed, or when a person said another one: it leads nowhere any more. */
  readonly settingsServer?: string;
  /** The file of certificate authorities that it was enrolled with; of use where no setting names one. */
  readonly caFile?: string;
  /** Whether an address that is not encrypted was meant; absent where 0.1 enrolled, which did not ask. */
  readonly allowHttp?: boolean;
}

export async function saveIdentity(paths: StatePaths, identity: Identity): Promise<void> {
  await makeDirectory(paths.root);
  const { credential, secret, ...open } = identity;
  // A machine that can seal and fails to keeps no secret in the clear: the failure is the caller's.
  const kept = paths.keeper
    ? { ...open, sealed: await paths.keeper.seal(JSON.stringify({ credential, secret })) }
    : identity;
  await writeDurably(paths.identity, `${JSON.stringify(kept, null, 2)}\n`);
}

/** Who this device is. Failures: `not_enrolled` where it is nobody yet, `state_unusable` for whoever may not know. */
export async function loadIdentity(paths: StatePaths): Promise<Identity> {
  const text = await readFile(paths.identity, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    // It is there as well for those who are not let in.
    if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') throw unreadable(paths, cause);
    throw new Failure('not_enrolled', `No device is enrolled in ${paths.root}.`);
  });
  try {
    const identity = await unsealed(JSON.parse(text), paths.keeper);
    if (isIdentity(identity)) return identity;
  } catch (cause) {
    throw unreadable(paths, cause);
  }
  throw new Failure('state_unusable', `${paths.identity} is not what enrolling wrote.`);
}

function unreadable({ identity }: StatePaths, cause: unknown): Failure {
  return new Failure('state_unusable', `${identity} can't be read.`, { cause });
}

/** The credential that is kept for `device` now; null where another device is, or none that can be read. */
export async function credentialOf(paths: StatePaths, device: string): Promise<string | null> {
  const identity = await loadIdentity(paths).catch(() => null);
  return identity?.device === device ? identity.credential : null;
}

/** What was kept, with its secrets in the clear; as it is where nothing was sealed. */
async function unsealed(kept: unknown, keeper: SecretKeeper | undefined): Promise<unknown> {
  if (typeof kept !== 'object' || kept === null || !('sealed' in kept)) return kept;
  if (!keeper)
    throw new Error('it is sealed, and mailferry-service.exe, which opens it, is not beside this program');
  const { sealed, ...open } = kept;
  return { ...open, ...JSON.parse(await keeper.open(String(sealed))) };
}

function isIdentity(value: unknown): value is Identity {
  if (typeof value !== 'object' || value === null) return false;
  const { server, device, credential, receiptKey, secret } = value as Record<string, unknown>;
  const { caFile } = value as Record<string, unknown>;
  if (caFile !== undefined && typeof caFile !== 'string') return false;
  const texts = [server, device, credential, receiptKey, secret].every((text) => typeof text === 'string');
  return texts && URL.canParse(String(server)) && /^[0-9a-f]{64}$/.test(String(secret));
}

/**
 * Takes the directory for this process. SQLite's own lock on an empty database: it survives sleep, and ends with the process
 * however that ends. A Failure `state_locked` where another holds it. Call the result to let it go.
 */
export function lockState(paths: StatePaths): () => void {
  const db = new Database(paths.lock, { timeout: 0 });
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    db.close();
    if (!/^SQLITE_(BUSY|LOCKED)/.test((cause as { code?: string }).code ?? ''))
      throw new Failure('state_unusable', `${paths.lock} can't be used as a lock; remove it.`, { cause });
    throw new Failure('state_locked', `Another mailferry works in ${paths.root}.`, { cause });
  }
  return () => db.close();
}
