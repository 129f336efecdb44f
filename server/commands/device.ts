// mailferry server device: who is enrolled, and who is no longer let in. Beside a running server, too.
import { join } from 'node:path';
import { Failure } from '../../shared/failure.ts';
import type { Capabilities } from '../capabilities.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { DeviceRow, Enrolment } from '../catalogue/enrolment.ts';
import { keepDevice } from '../enrol.ts';
import { openReceiptSigner } from '../receipt-key.ts';
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
  const { id } = await findDevice(enrolment, wanted);
  const signer = await openReceiptSigner(directory, () => {
    throw new Failure('state_unusable', `receipt-key.pem is not in ${directory}.`);
  });
  const vault = new FileVault(join(directory, 'vaults'));
  try {
    // The vault first: a catalogue that is made again, or restored from an older copy, must not let it in again.
    const { name, revokedAt } = await enrolment.revoke(id, new Date(now()).toISOString(), (device) =>
      keepDevice(vault, signer, device),
    );
    result(console, [`revoked: ${id} (${name}); its versions stay`], { device: id, name, revokedAt });
  } finally {
    await vault.close();
  }
}
