// mailferry server verify: every pack, map, receipt and version object read and compared; with --repair what is damaged is contained
// or made again.
import { type VerifiedDevice, verifyVaults } from '../healing/verify-vaults.ts';
import { type Console, progressOf, result } from './console.ts';

/** 1: something is damaged. 0 also where what was damaged is whole again. */
export async function verify(
  console: Console,
  options: { readonly directory: string; readonly repair: boolean },
): Promise<number> {
  const devices = await verifyVaults({ ...options, progress: progressOf(console, 'verify') });
  result(console, devices.flatMap(linesOf), { devices });
  const isWhole = devices.every(
    ({ damagedPacks, damagedObjects, damagedVersions, trouble }) =>
      damagedPacks.every(({ state }) => state === 'healed') &&
      damagedObjects.every(({ state }) => state === 'rewritten') &&
      damagedVersions.length + trouble.length === 0,
  );
  return isWhole ? 0 : 1;
}

const STATES = {
  damaged: 'is damaged; --repair moves it aside and asks the device for it',
  contained: 'was damaged; it was moved aside, and the device is asked for its bytes',
  lost: 'is lost; the device is asked for its bytes with its next backup',
  healed: 'is whole again',
  unreadable:
    "is as it was taken, but this program can't unfold it: verify with the version of Node and of Mailferry that the server runs with",
} as const;

const OBJECT_STATES = {
  damaged: 'is damaged; --repair writes it anew from the catalogue',
  missing: 'is missing; --repair writes it anew from the catalogue',
  rewritten: 'was damaged or missing; it was written anew from the catalogue',
} as const;

function linesOf({
  device,
  name,
  packs,
  bytes,
  versions,
  damagedPacks,
  damagedObjects,
  damagedVersions,
  trouble,
}: VerifiedDevice): string[] {
  return [
    `device ${device} (${name}): ${packs} packs of ${bytes} bytes, ${versions} versions`,
    ...damagedPacks.map(({ id, state }) => `  pack ${id} ${STATES[state]}`),
    ...damagedObjects.map(
      ({ id, path, state }) => `  what a rebuild needs of version ${id} of ${path} ${OBJECT_STATES[state]}`,
    ),
    ...damagedVersions.map(
      ({ id, path, blocks }) => `  version ${id} of ${path} lacks ${blocks} blocks of 64 KiB`,
    ),
    ...trouble.map((text) => `  ${text}`),
  ];
}
