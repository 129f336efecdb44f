// A version as a server says it, with a receipt that is signed: of a key that was made for this process.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { merkleRoot } from '../../../shared/merkle.ts';
import type { VersionSummary } from '../../../shared/protocol.ts';
import { CHAIN_START, statementText } from '../../../shared/receipt.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

/** The device that every receipt made here names, and the key that checks them. */
export const SIGNED_FOR = {
  device: 'device-of-a-test',
  receiptKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
};

type Said = Omit<VersionSummary, 'size' | 'sha256' | 'root' | 'receipt'>;

/** `said` of a version that holds `content`, receipted. */
export function signedVersion(said: Said, content: Uint8Array): VersionSummary {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += 65_536) blocks.push(sha256(content.subarray(at, at + 65_536)));
  const about = {
    size: content.length,
    sha256: sha256(content).toString('hex'),
    root: Buffer.from(merkleRoot(Buffer.concat(blocks), sha256)).toString('hex'),
  };
  const statement = statementText({
    format: 'mailferry-receipt-1',
    device: SIGNED_FOR.device,
    sequence: said.sequence,
    version: said.id,
    complete: said.complete,
    path: said.path,
    ...about,
    committedAt: said.receivedAt,
    previous: CHAIN_START,
  });
  const signature = sign(null, Buffer.from(statement), privateKey).toString('hex');
  return { ...said, ...about, receipt: { statement, signature } };
}
