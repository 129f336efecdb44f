// The server's signing key: made once, kept beside the catalogue, readable to the owner alone. Signs what receipts state.
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../shared/failure.ts';
import { type Receipt, type ReceiptStatement, statementText } from '../shared/receipt.ts';
import { codeOf } from './disk-failure.ts';
import { writeDurably } from './durable-file.ts';

/** The name of the key file in a data directory. */
export const KEY_FILE = 'receipt-key.pem';

export interface ReceiptSigner {
  /** Ed25519 public key, SPKI PEM. */
  readonly publicKey: string;
  sign(statement: ReceiptStatement): Receipt;
  /** The signature of a text, in hexadecimal. */
  signText(text: string): string;
  /** Whether `signature` is this key's of `text`. */
  readonly verifies: (text: string, signature: string) => boolean;
}

/**
 * The signer of a data directory; `makeKey` gives the PEM of a new private key where there is none yet. It must only be
 * called by the one server of the directory. A Failure `state_unusable` where the file is not such a key.
 */
export async function openReceiptSigner(directory: string, makeKey: () => string): Promise<ReceiptSigner> {
  const key = parseKey(await readOrMake(directory, makeKey));
  const publicKey = createPublicKey(key);
  const signText = (text: string): string => sign(null, Buffer.from(text), key).toString('hex');
  return {
    publicKey: String(publicKey.export({ type: 'spki', format: 'pem' })),
    sign: (statement) => {
      const text = statementText(statement);
      return { statement: text, signature: signText(text) };
    },
    signText,
    verifies: (text, signature) => verify(null, Buffer.from(text), publicKey, Buffer.from(signature, 'hex')),
  };
}

/** The key file as it is; an Error ENOENT where there is none, a Failure `state_unusable` where it can't be read. */
export async function readKeyFile(directory: string): Promise<string> {
  try {
    return await readFile(join(directory, KEY_FILE), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw error;
    const why = (error as Error).message;
    throw new Failure('state_unusable', `${KEY_FILE} in ${directory} can't be read: ${why}.`, {
      cause: error,
    });
  }
}

async function readOrMake(directory: string, makeKey: () => string): Promise<string> {
  try {
    return await readKeyFile(directory);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  const pem = makeKey();
  await writeDurably(directory, KEY_FILE, Buffer.from(pem));
  return pem;
}

function parseKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch (cause) {
    throw new Failure('state_unusable', `${KEY_FILE} in the data directory is not a readable key.`, {
      cause,
    });
  }
  throw new Failure('state_unusable', `${KEY_FILE} in the data directory is not an Ed25519 key.`);
}
