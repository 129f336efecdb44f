// mailferry server device: who is enrolled, and who is no longer let in. Beside a running server, too.
import { join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { Capabilities } from '../capabilities.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { DeviceRow, Enrolment } from '../catalogue/enrolment.ts';
import { revokeDevice as revoke } from '../enrol.ts';
import { openKnownSigner } from '../known-key.ts';
import { FileVault } from '../vault/file.ts';
import { type Console, result } from './console.ts';

export async function listDevices(console: Console, catalogue: Catalogue): Promise<void> {
  const devices = await catalogue.enrolment.devices();
  result(
    console,
    devices.map(
      ({ id, name, createdAt, revokedAt }) =>
        `${id}  enrolled ${createdAt || '(not known)'}  ${revokedAt ? `revoked ${revokedAt}  ` : ''}${name}`,
    ),
    { devices: devices.map(({ id, name, createdAt, revokedAt }) => ({ id, name, createdAt, revokedAt })) },
  );
}

/** The device of this id, or beginning of one of at least eight digits; a Failure `not_found` where there is none, or more than one. */
export async function findDevice(enrolment: Enrolment, wanted: string): Promise<DeviceRow> {
  const found = (await enrolment.devices()).filter(
    ({ id }) => id === wanted || (wanted.length >= 8 && id.startsWith(wanted)),
  );
  if (found.length === 1) return found[0]!;
  const many = found.length === 0 ? 'No device' : 'More than one device';
  throw new Failure('not_found', `${many} is ${wanted}.`);
}

/** Lets a device in no more, from its next request on. Its vault stays as it is. Failures are findDevice()'s. */
export async function revokeDevice(
  console: Console,
  catalogue: Catalogue,
  directory: string,
  wanted: string,
  { now }: Pick<Capabilities, 'now'>,
): Promise<void> {
  const { enrolment } = catalogue;
  const device = await findDevice(enrolment, wanted);
  const vault = new FileVault(join(directory, 'vaults'));
  try {
    const signer = await openKnownSigner({ directory, catalogue, vault });
    const at = new Date(now()).toISOString();
    const { id, name, revokedAt } = await revoke(enrolment, { vault, signer }, device, at);
    result(console, [`revoked: ${id} (${name}); its versions stay`], { device: id, name, revokedAt });
  } finally {
    await vault.close();
  }
}
