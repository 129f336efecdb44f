// mailferry enroll: trades a token for a credential and keeps it where only its owner can read it.
import { randomBytes } from 'node:crypto';
import { existsSync, renameSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import { CODECS, type Codec } from '../../shared/pack.ts';
import type { EnrolResponse } from '../../shared/protocol.ts';
import type { Context } from '../cli.ts';
import { deviceFailure } from '../device-failure.ts';
import { makeDirectory, removeAllThatCanBe } from '../durable-file.ts';
import { EXIT } from '../exit-code.ts';
import { HttpClient } from '../http/http-client.ts';
import { assertEncrypted, assertEnrolledAddress, clearTextWarning } from '../http/plain-http.ts';
import { ServerClient } from '../http/server-client.ts';
import type { Way } from '../http/way.ts';
import { addressOf, moveTo } from '../moving.ts';
import { deviceWay, openWay, type WaySettings } from '../open-way.ts';
import { loadSettings } from '../settings/load-settings.ts';
import type { Settings } from '../settings/settings.ts';
import { openDeviceDb, putAside } from '../state/device-db.ts';
import { ServerCodecs } from '../state/server-codecs.ts';
import { SourceRegistry } from '../state/source-registry.ts';
import {
  type Identity,
  loadIdentity,
  type StatePaths,
  saveIdentity,
  statePaths,
} from '../state/state-directory.ts';

export interface EnrollOptions {
  readonly server?: string;
  readonly token?: string;
  readonly name?: string;
  readonly renew?: boolean;
  /** The address that the server has now. */
  readonly move?: string;
  readonly caFile?: string;
  readonly allowHttp?: boolean;
  /** The server is this machine's own. */
  readonly isOwn?: boolean;
}

/**
 * Makes this machine a device, or, with `renew`, gives the device that it is a new credential. A token that the operator made for a
 * device that was here before makes this machine that device: what it backed up is learnt from the server. Failures: `usage`,
 * `state_unusable` where a device is enrolled already or its state can't be kept, `staging_full` where there is no room for it,
 * `not_enrolled` where none is to be renewed or moved, `server_differs` where another server answers at the address to move to, `http_refused` where the address is not encrypted and nobody said that it is meant, `token_refused`, those of the network; all that any of these leaves on this machine is
 * the folder of the state. Where the line breaks after the server answered, the token is spent and another one is needed.
 */
export async function enroll(context: Context, _: string[], options: EnrollOptions): Promise<number> {
  const { settings } = await loadSettings(context.machine, {
    server: options.server,
    enrolmentToken: options.token,
    caFile: options.caFile === undefined ? undefined : resolve(context.machine.cwd, options.caFile),
    allowHttp: options.allowHttp,
  });
  const { server, enrolmentToken: token, allowHttp } = settings;
  if (options.move !== undefined) {
    const others = [options.server, options.token, options.name, options.renew];
    if (others.some((option) => option !== undefined))
      throw new Failure(
        'usage',
        '--move keeps the device as it is: leave --server, --token, --name and --renew out.',
      );
    return move(context, options.move, settings);
  }
  if (!token) throw new Failure('usage', 'No enrolment token was given, by --token or in MAILFERRY_TOKEN.');
  if (options.renew) {
    if (options.server !== undefined || options.name !== undefined)
      throw new Failure('usage', '--renew keeps server and name: leave --server and --name out.');
    return renew(context, token, settings);
  }
  if (!server)
    throw new Failure('usage', 'No server was given, by --server, in MAILFERRY_SERVER or in the settings.');
  assertEncrypted(server, allowHttp);
  return become(context, {
    allowHttp,
    server: addressOf(server),
    token,
    name: options.name,
    way: await openWay(context.machine, settings, { isOwn: options.isOwn ?? false }),
    caFile: options.caFile === undefined ? undefined : settings.caFile,
  });
}

interface Becoming {
  readonly server: string;
  readonly token: string;
  readonly name: string | undefined;
  readonly way: Way;
  readonly allowHttp: boolean;
  /** What the command line names, to be kept. */
  readonly caFile: string | undefined;
}

async function become(
  { machine, terminal, paths }: Context,
  { server, token, name, way, caFile, allowHttp }: Becoming,
): Promise<number> {
  if (await isReadable(paths)) {
    throw new Failure(
      'state_unusable',
      `A device is enrolled in ${paths.root} already; use another --state, or --renew for a new credential of it.`,
    );
  }
  await keepable(paths, () => rehearse(paths));
  const { answer, codecs } = await spend(way, { server, token, name: name ?? machine.hostname });
  const { device, credential, receiptKey, renewed } = answer;
  const secret = randomBytes(32).toString('hex');
  const now = machine.surroundings.now();
  // One that can't be read, such as one that another machine sealed, is kept.
  if (existsSync(paths.identity)) renameSync(paths.identity, `${paths.identity}.unreadable-${now}`);
  newDatabase(paths.db, now, renewed ? null : { server, codecs });
  const kept = caFile === undefined ? {} : { caFile };
  const identity = {
    server,
    device,
    credential,
    receiptKey,
    secret,
    allowHttp,
    settingsServer: server,
    ...kept,
  };
  await saveIdentity(paths, identity);
  const warning = clearTextWarning(server);
  if (warning !== null) terminal.say(warning);
  terminal.result(`Enrolled as ${device} with ${server}.`, {
    device,
    server,
    ...(warning === null ? {} : { encrypted: false }),
  });
  return EXIT.ok;
}

async function renew(context: Context, token: string, settings: WaySettings): Promise<number> {
  const { terminal, paths } = context;
  const identity = await loadIdentity(paths);
  const { device, server } = identity;
  const way = await deviceWay(context, settings);
  assertEnrolledAddress(identity);
  await keepable(paths, () => saveIdentity(paths, identity));
  const { answer } = await spend(way, { server, token, name: 'renewed', device });
  // A server that does not know what was asked for would have made a new device of it.
  if (answer.device !== device || answer.receiptKey !== identity.receiptKey)
    throw new Failure('receipt_invalid', `${server} answered for another device, or is another server.`);
  await saveIdentity(paths, { ...identity, credential: answer.credential });
  terminal.result(`Device ${device} has a new credential.`, { device, server });
  return EXIT.ok;
}

async function move(
  context: Context,
  to: string,
  settings: WaySettings & Pick<Settings, 'allowHttp' | 'server'>,
): Promise<number> {
  const { terminal, paths } = context;
  const { device } = await loadIdentity(paths);
  const server = addressOf(to);
  assertEncrypted(server, settings.allowHttp);
  const http = new HttpClient({ way: await deviceWay(context, settings) });
  try {
    const say = (sentence: string) => terminal.say(sentence);
    const { allowHttp } = settings;
    const named = settings.server === undefined ? {} : { settingsServer: addressOf(settings.server) };
    const now = await moveTo({ paths, http, say }, server, { allowHttp, ...named });
    terminal.result(`Device ${device} goes on with ${now}.`, { device, server: now });
    return EXIT.ok;
  } finally {
    http.close();
  }
}

/** Larger than what a server of ours answers. */
const STAND_IN: Identity = {
  server: `https://${'x'.repeat(253)}`,
  device: 'x'.repeat(64),
  credential: 'x'.repeat(256),
  receiptKey: 'x'.repeat(256),
  secret: 'x'.repeat(64),
};

/** Keeps all that a new device keeps, in a folder of the state that is removed again. */
async function rehearse({ root, keeper }: StatePaths): Promise<void> {
  const there = statePaths(join(root, 'enrolling'), keeper);
  // Of one that was killed.
  await removeAllThatCanBe(there.root);
  try {
    await makeDirectory(there.root);
    try {
      newDatabase(there.db, 0, { server: STAND_IN.server, codecs: new Set(Object.values(CODECS)) });
    } catch (cause) {
      const failure = deviceFailure(cause);
      // Its sentence would name what is gone a moment later.
      throw failure.code === 'staging_full' ? failure : unkeepable(root, cause);
    }
    await saveIdentity(there, STAND_IN);
  } finally {
    await removeAllThatCanBe(there.root);
  }
}

/** Whether the state can be kept is known before the token is spent: the server has no second answer to it. */
async function keepable({ root }: StatePaths, keep: () => Promise<void>): Promise<void> {
  try {
    await keep();
  } catch (cause) {
    const failure = deviceFailure(cause);
    if (failure.code !== 'internal') throw failure;
    throw unkeepable(root, cause);
  }
}

function unkeepable(root: string, cause: unknown): Failure {
  return new Failure('state_unusable', `The state of a device can't be kept in ${root}.`, { cause });
}

/** Whether a device is enrolled here that can go on being it. */
async function isReadable(paths: StatePaths): Promise<boolean> {
  if (!existsSync(paths.identity)) return false;
  return loadIdentity(paths).then(
    () => true,
    () => false,
  );
}

async function spend(
  way: Way,
  { server, token, name, device }: { server: string; token: string; name: string; device?: string },
): Promise<{ answer: EnrolResponse; codecs: ReadonlySet<Codec> }> {
  const http = new HttpClient({ way });
  let codecs: ReadonlySet<Codec> = new Set();
  const client = new ServerClient(http, server, null, undefined, undefined, (readable) => {
    codecs = readable;
  });
  try {
    return { answer: await client.enrol(token, name, device), codecs };
  } finally {
    http.close();
  }
}

/**
 * The server holds nothing of a new device (`fresh`): its database knows that, and which codecs the server said to read. One of a
 * device that was here before is put aside. Of a device whose vault is there, nothing is known yet: the next run asks.
 */
function newDatabase(
  path: string,
  now: number,
  fresh: { server: string; codecs: ReadonlySet<Codec> } | null,
): void {
  if (existsSync(path)) putAside(path, now);
  if (fresh === null) return;
  const db = openDeviceDb(path);
  try {
    new SourceRegistry(db).vaultIsKnown();
    new ServerCodecs(db, fresh.server).heard(fresh.codecs);
  } finally {
    db.close();
  }
}
