// A catalogue that is ahead of its vault, such as in a copy made by `cp` of a running server: packs and objects that are not there.
import { toHex } from '../../shared/byte-codec.ts';
import { chainText } from '../../shared/receipt.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import type { PackRow } from '../catalogue/pack-rows.ts';
import { sha256 } from '../sha256.ts';
import type { Vault } from '../vault/vault.ts';
import { contain, recountDamage } from './damage.ts';

/**
 * Packs looked for before a server takes requests: those that a vault copied too early lacks are the newest. With 1,000 devices that
 * is 32,000 looks. Where one of them is missing, all of that device are looked for; the other devices' follow while requests are taken.
 */
const NEWEST = 32;
const AT_ONCE = 500;

/** Those of `packs` that the vault lacks or has with another length. No byte of them is read. */
async function missingOf(vault: Vault, device: string, packs: readonly PackRow[]): Promise<string[]> {
  const missing: string[] = [];
  for (const { id, stored, lost } of packs) {
    if (lost === 0 && (await vault.packBytes(device, id)) !== stored) missing.push(id);
  }
  return missing;
}

/** All packs of a device that should be in the vault and are not; `isOver` ends it early. */
export async function missingPacks(
  rows: DeviceCatalogue,
  vault: Vault,
  isOver: () => boolean = () => false,
): Promise<string[]> {
  const missing: string[] = [];
  for (let after = 0; !isOver(); ) {
    const page = await rows.packs.page(after, AT_ONCE);
    missing.push(...(await missingOf(vault, rows.device, page)));
    after = page.at(-1)?.row ?? after;
    if (page.length < AT_ONCE) break;
  }
  return missing;
}

/** Marks what the newest versions of a device lack. How many packs were found missing, and how many versions lack something now. */
export async function markMissing(
  rows: DeviceCatalogue,
  vault: Vault,
): Promise<{ packs: number; versions: number }> {
  if ((await missingOf(vault, rows.device, await rows.packs.newest(NEWEST))).length === 0) {
    return { packs: 0, versions: 0 };
  }
  const missing = await missingPacks(rows, vault);
  for (const id of missing) await contain(vault, rows, id);
  return { packs: missing.length, versions: await recountDamage(rows) };
}

/** The places at which the chain of a device's receipts is broken. Signatures are left to `server verify`. */
export async function chainBreaks(rows: DeviceCatalogue, isOver: () => boolean): Promise<number[]> {
  const breaks: number[] = [];
  let previous: string | undefined;
  let expected = 1;
  for (let after = 0; !isOver(); ) {
    const page = await rows.versions.receiptsAfter(after, AT_ONCE);
    for (const receipt of page) {
      after = receipt.sequence;
      const isNext = receipt.sequence === expected;
      if (!isNext || (previous !== undefined && previousOf(receipt.statement) !== previous)) {
        breaks.push(receipt.sequence);
      }
      previous = toHex(sha256(Buffer.from(chainText(receipt))));
      expected = receipt.sequence + 1;
    }
    if (page.length < AT_ONCE) break;
  }
  return breaks;
}

function previousOf(statement: string): unknown {
  try {
    return (JSON.parse(statement) as { previous?: unknown }).previous;
  } catch {
    return undefined;
  }
}
