// The key that a server goes on signing with must be the one that its receipts were signed with: the catalogue knows it, or its receipts do.
import { Failure } from '../shared/failure.ts';
import type { Receipt } from '../shared/receipt.ts';
import type { Catalogue } from './catalogue/catalogue.ts';
import { KEY_FILE, openReceiptSigner, type ReceiptSigner } from './receipt-key.ts';
import { decodeDevice } from './vault/device-object.ts';
import type { Vault } from './vault/vault.ts';
import { decodeVersion } from './version/version-object.ts';

/** Signed things looked at where the catalogue does not know its key: some may have rotted, and one that verifies is enough. */
export const SAMPLES = 20;

export interface KeyPorts {
  readonly directory: string;
  readonly catalogue: Catalogue;
  readonly vault: Vault;
}

/**
 * The signer of a data directory. Failures `state_unusable`: the key file is missing while devices hold receipts, is no key, or is
 * another key than the one that receipts were signed with. `newKey` gives the first key of a new server; without it none is made.
 */
export async function openKnownSigner(ports: KeyPorts, newKey?: () => string): Promise<ReceiptSigner> {
  const { directory, catalogue } = ports;
  const isNew = newKey !== undefined && (await catalogue.enrolment.deviceIds()).length === 0;
  let wasMade = false;
  const signer = await openReceiptSigner(directory, () => {
    if (!isNew) {
      throw new Failure(
        'state_unusable',
        `${KEY_FILE} is not in ${directory}, but devices hold receipts signed with it: put it back first.`,
      );
    }
    wasMade = true;
    return newKey();
  });
  if (!wasMade && (await isAnother(signer, ports))) throw anotherKey(directory);
  return signer;
}

/** The sentence for a key that is not the one known. */
export function anotherKey(directory: string): Failure {
  return new Failure(
    'state_unusable',
    `${KEY_FILE} in ${directory} is not the key that this server's receipts were signed with: put the right one back, or every device refuses this server.`,
  );
}

async function isAnother(signer: ReceiptSigner, { catalogue, vault }: KeyPorts): Promise<boolean> {
  const known = await catalogue.key.get();
  return isAnotherKey(signer, { known, receipts: await catalogue.key.newestReceipts(SAMPLES) }, vault);
}

/** Whether receipts were signed with another key than this one, by what a catalogue and, where it knows nothing, the vaults say. */
export async function isAnotherKey(
  signer: ReceiptSigner,
  { known, receipts }: { readonly known: string | undefined; readonly receipts: readonly Receipt[] },
  vault: Vault,
): Promise<boolean> {
  if (known !== undefined) return known !== signer.publicKey;
  if (receipts.length > 0) {
    return !receipts.some(({ statement, signature }) => signer.verifies(statement, signature));
  }
  return (await hasSigned(signer, vault)) === false;
}

/** Whether objects of the vaults were signed with this key; undefined where none is there that could tell. */
export async function hasSigned(signer: ReceiptSigner, vault: Vault): Promise<boolean | undefined> {
  let left = SAMPLES;
  let isSigned = false;
  for (const device of await vault.devices()) {
    const names = await vault.versions(device);
    const reads = [
      async () => {
        const bytes = await vault.readDevice(device);
        return bytes && { bytes, read: () => decodeDevice(bytes, device, signer) };
      },
      ...[names[0], names.at(-1)].map((name) => async () => {
        if (!name) return undefined;
        const bytes = await vault.readVersion(device, name.sequence, name.id);
        return { bytes, read: () => decodeVersion(bytes, { device, ...name }, signer) };
      }),
    ];
    for (const find of reads) {
      const object = await find().catch(() => undefined);
      if (!object) continue;
      try {
        object.read();
        return true;
      } catch {
        // Rot says nothing of the key; what is readable and yet not signed does.
        isSigned ||= isReadable(object.bytes);
      }
      if (--left === 0) return isSigned ? false : undefined;
    }
  }
  return isSigned ? false : undefined;
}

function isReadable(bytes: Uint8Array): boolean {
  try {
    return typeof JSON.parse(Buffer.from(bytes).toString()) === 'object';
  } catch {
    return false;
  }
}
