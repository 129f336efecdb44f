// mailferry server rebuild: a catalogue again out of the vaults.
import type { Capabilities } from '../capabilities.ts';
import { rebuildCatalogue } from '../healing/rebuild.ts';
import { type Console, progressOf, result } from './console.ts';

/** 3 where something could not be brought back. */
const PARTIAL = 3;

export async function rebuild(
  console: Console,
  options: { readonly directory: string; readonly overwrite: boolean },
  capabilities: Pick<Capabilities, 'now'>,
): Promise<number> {
  const progress = progressOf(console, 'rebuild');
  const { devices, kept } = await rebuildCatalogue({ ...options, capabilities, progress });
  const lines = devices.flatMap(({ device, name, versions, packs, lost, trouble }) => [
    `device ${device} (${name ?? 'name not known'}): ${versions} versions with their receipts, ${packs} packs`,
    ...trouble.map(({ what, message }) => `  ${what}: ${message}`),
    ...lost.map((pack) => `  pack ${pack} is lost; the device is asked for its bytes again`),
  ]);
  if (kept) lines.push(`The catalogue that was there lies in ${kept}`);
  lines.push('Enrolment tokens did not come back: make new ones with `mailferry server token create`.');
  result(console, lines, { devices, kept });
  return devices.some(({ lost, trouble }) => lost.length + trouble.length > 0) ? PARTIAL : 0;
}
