// After the device's database was lost: which sources there were and which receipts were given, learnt from the server.
import { stat } from 'node:fs/promises';
import { asFailure } from '../../shared/failure.ts';
import { readReceipt } from '../../shared/receipt.ts';
import type { Device } from '../device.ts';
import { assertFitsChain, receiptVerifier } from './receipts-held.ts';

/** Failures: `receipt_invalid`, and those of the server. */
async function learnVault(device: Device): Promise<void> {
  const { sources, queue, server, identity, progress, stop } = device;
  const options = { signal: stop };
  for await (const receipt of server.receiptsAfter(0, options)) {
    const statement = readReceipt(receipt, receiptVerifier(identity.receiptKey));
    assertFitsChain(device, receipt, statement);
    queue.keepReceipt(receipt, statement);
  }
  const known = new Set(sources.all().map(({ path }) => path));
  let learnt = 0;
  for await (const { path, kind } of server.versions({ newest: 'each' }, options)) {
    if (known.has(path)) continue;
    known.add(path);
    // What was moved or deleted since is not asked for again and again; its versions stay on the server.
    const gone = await stat(path).then(
      () => false,
      (error) => ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''),
    );
    if (gone) continue;
    sources.register(path, kind);
    learnt++;
  }
  // Of a source with checkpoints alone nothing was learnt: of what comes later the server is asked one by one.
  sources.vaultIsLearnt();
  if (learnt > 0)
    progress.say(`${learnt} sources were learnt from the server: this device's database was new.`);
}

/**
 * Learns what the server holds. A line that is down is no reason to stop: each source is asked for by itself then, before it is read
 * (base-of.ts). A Failure `receipt_invalid` or `state_damaged` is.
 */
export async function learnVaultIfReachable(device: Device): Promise<void> {
  try {
    await learnVault(device);
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code === 'receipt_invalid' || failure.code === 'state_damaged') throw failure;
    device.progress.say(`${failure.message} What the server holds is asked for again later.`);
  }
}
