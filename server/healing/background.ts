// What a server looks after while it takes requests: uploads that a crash cut, uploads given up, losses not counted, vaults behind their catalogue.
import type { Logger } from 'pino';
import { Failure } from '../../shared/failure.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { DeviceScopes } from '../device-scope.ts';
import { isFatal } from '../disk-failure.ts';
import type { Vault } from '../vault/vault.ts';
import { recountWhereDue } from './damage.ts';
import { chainBreaks, missingPacks } from './missing-packs.ts';
import { finishComplete } from './sweep.ts';

export interface BackgroundPorts {
  readonly scopes: DeviceScopes;
  readonly catalogue: Catalogue;
  readonly vault: Vault;
  readonly log: Logger;
  /** As ServerOptions.fatal. */
  readonly fatal: (error: unknown) => void;
  readonly isOver: () => boolean;
}

/** Finishes the uploads that a crash cut short, of all devices. */
export async function finishAll({ scopes, catalogue, log, fatal }: BackgroundPorts): Promise<void> {
  for (const device of await catalogue.enrolment.deviceIds()) {
    try {
      await finishComplete(await scopes.of(device), log);
    } catch (error) {
      log.error({ device, err: error }, 'the uploads of a device could not be finished');
      if (isFatal(error)) return fatal(error);
    }
  }
}

/** Forgets the uploads that were given up, of every device. */
export async function expireAll({ scopes, catalogue, log }: BackgroundPorts): Promise<void> {
  for (const device of await catalogue.enrolment.deviceIds()) {
    try {
      const uploads = await (await scopes.of(device)).expireUploads();
      if (uploads > 0) log.info({ device, uploads }, 'unfinished uploads were forgotten');
    } catch (error) {
      log.error({ device, err: error }, 'the unfinished uploads of a device could not be looked through');
    }
  }
}

/** Counts what versions lack where packs were lost and no count came after, such as by a `server verify --repair` that was killed. */
export async function recountAll({ scopes, catalogue, log }: BackgroundPorts): Promise<void> {
  try {
    for (const device of await catalogue.enrolment.uncountedIds()) {
      const scope = await scopes.of(device);
      await scope.turns.take(device, () => recountWhereDue(scope.catalogue));
    }
  } catch (error) {
    log.error({ err: error }, 'what versions lack could not be counted');
  }
}

/** Looks for every pack and receipt of every device; what is missing is marked, and told. */
export async function lookForAll(ports: BackgroundPorts): Promise<void> {
  const { scopes, catalogue, vault, log, isOver } = ports;
  for (const device of await catalogue.enrolment.deviceIds()) {
    if (isOver()) return;
    try {
      const scope = await scopes.of(device);
      const packs = await missingPacks(scope.catalogue, vault, isOver);
      if (packs.length > 0) {
        const failure = new Failure('pack_damaged', 'Packs are missing on the server.', {
          detail: { packs },
        });
        await scope.damage.suspect(failure);
      }
      const breaks = await chainBreaks(scope.catalogue, isOver);
      if (breaks.length > 0)
        log.error({ device, receipts: breaks.slice(0, 20) }, 'the chain of receipts of a device is broken');
      const objects = new Set((await vault.versions(device)).map(({ sequence }) => sequence));
      const last = (await scope.catalogue.versions.lastReceipt())?.sequence ?? 0;
      const missing = isOver() ? [] : missingPlaces(objects, last);
      if (missing.length > 0)
        log.error(
          { device, versions: missing.length, places: missing.slice(0, 20) },
          'version files are missing in the vault: run `mailferry server verify --repair`',
        );
    } catch (error) {
      log.error({ device, err: error }, 'the packs of a device could not be looked for');
    }
  }
}

function missingPlaces(objects: ReadonlySet<number>, last: number): number[] {
  const missing: number[] = [];
  for (let place = 1; place <= last; place++) if (!objects.has(place)) missing.push(place);
  return missing;
}
