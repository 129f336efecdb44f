// mailferry enroll: trades a token for a credential and keeps it where only its owner can read it.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { Failure } from '../../shared/failure.ts';
import type { Context } from '../cli.ts';
import { openDeviceDb, putAside } from '../device-db.ts';
import { EXIT } from '../exit-code.ts';
import { HttpClient } from '../http/http-client.ts';
import { ServerClient } from '../http/server-client.ts';
import { loadSettings } from '../settings/load-settings.ts';
import { SourceRegistry } from '../source-registry.ts';
import { type Identity, saveIdentity } from '../state-directory.ts';

export interface EnrollOptions {
  readonly server?: string;
  readonly token?: string;
  readonly name?: string;
}

export async function enroll(
  { machine, terminal, paths }: Context,
  _: string[],
  options: EnrollOptions,
): Promise<number> {
  const { settings } = await loadSettings(machine, { server: options.server, enrolmentToken: options.token });
  const { server: address, enrolmentToken: token } = settings;
  if (!address)
    throw new Failure('usage', 'No server was given, by --server, in MAILFERRY_SERVER or in the settings.');
  if (!token) throw new Failure('usage', 'No enrolment token was given, by --token or in MAILFERRY_TOKEN.');
  if (existsSync(paths.identity)) {
    throw new Failure(
      'state_unusable',
      `A device is enrolled in ${paths.root} already; use another --state.`,
    );
  }
  const http = new HttpClient();
  try {
    const server = address.replace(/\/+$/, '');
    const { device, credential, receiptKey } = await new ServerClient(http, server, null).enrol(
      token,
      options.name ?? machine.hostname,
    );
    const identity: Identity = {
      server,
      device,
      credential,
      receiptKey,
      secret: randomBytes(32).toString('hex'),
    };
    await saveIdentity(paths, identity);
    newDatabase(paths.db, machine.surroundings.now());
    terminal.result(`Enrolled as ${device} with ${server}.`, { device, server });
    return EXIT.ok;
  } finally {
    http.close();
  }
}

/** The server holds nothing of a new device: its database knows that. One of a device that was here before is put aside. */
function newDatabase(path: string, now: number): void {
  if (existsSync(path)) putAside(path, now);
  const db = openDeviceDb(path);
  try {
    new SourceRegistry(db).vaultIsKnown();
  } finally {
    db.close();
  }
}
