// What a running server does when a read meets wrong bytes: the pack is read through, and taken out of use if it is really damaged.
import type { Logger } from 'pino';
import { asFailure, type Failure } from '../../shared/failure.ts';
import type { DeviceCatalogue } from '../catalogue/device-catalogue.ts';
import type { CheckedPacks } from '../pack/checked-packs.ts';
import type { PackReader } from '../pack/pack-reader.ts';
import type { Turns } from '../turns.ts';
import type { Vault } from '../vault/vault.ts';
import { contain, isWhole, recountDamage } from './damage.ts';

export interface DamagePorts {
  readonly catalogue: DeviceCatalogue;
  readonly vault: Vault;
  readonly packs: PackReader;
  readonly checked: CheckedPacks;
  /** The device's turns: maps are only changed between its commits. */
  readonly turns: Turns;
  readonly log: Logger;
  /** Nothing can be contained; a damaged read fails all the same. */
  readonly readOnly: boolean;
}

/** Looks after the packs of one device. */
export class DamageWatch {
  readonly #ports: DamagePorts;
  readonly #looking = new Map<string, Promise<boolean>>();

  constructor(ports: DamagePorts) {
    this.#ports = ports;
  }

  /**
   * Reads the packs that a Failure `pack_damaged` names and contains those that are damaged. Whether there were any, or are already:
   * then what failed is worth another try, since it will now fail, or succeed, for the right reason. Not to be called in a turn of the
   * device.
   */
  async suspect(failure: Failure): Promise<boolean> {
    if (this.#ports.readOnly) return false;
    const { pack, packs } = failure.detail as { pack?: string; packs?: readonly string[] };
    const ids = new Set([...(packs ?? []), ...(pack === undefined ? [] : [pack])]);
    const found = await Promise.all([...ids].map((id) => this.#lookOnce(id)));
    return found.includes(true);
  }

  /** A pack came in, checked: what was known or kept of an earlier file of the same name is forgotten, and versions heal. In a turn. */
  async cameBack(id: string): Promise<void> {
    const { catalogue, packs } = this.#ports;
    packs.forget(catalogue.device, id);
    await recountDamage(catalogue);
  }

  #lookOnce(id: string): Promise<boolean> {
    const known = this.#looking.get(id);
    if (known) return known;
    const looking = this.#look(id).finally(() => this.#looking.delete(id));
    this.#looking.set(id, looking);
    return looking;
  }

  async #look(id: string): Promise<boolean> {
    const { catalogue, vault, packs, checked, turns, log } = this.#ports;
    const { device } = catalogue;
    checked.forget(device, id);
    for (const kind of ['pack', 'raw'] as const) {
      const row = await catalogue.packs.get(id, kind);
      if (!row) continue;
      if (row.lost === 1) return true;
      if (await isWhole(vault, device, row)) continue;
      await turns.take(device, async () => {
        await contain(vault, catalogue, id);
        packs.forget(device, id);
        const versions = await recountDamage(catalogue);
        log.error(
          { device, pack: id, versions },
          'a damaged pack was moved aside; its device is asked for it',
        );
      });
      return true;
    }
    // What was kept of it in memory may be what is wrong.
    packs.forget(device, id);
    return false;
  }

  /** As suspect, in the background: for a read that has failed already. */
  suspectLater(error: unknown): void {
    const failure = asFailure(error);
    if (failure.code !== 'pack_damaged') return;
    this.suspect(failure).catch((cause: unknown) =>
      this.#ports.log.error(
        { device: this.#ports.catalogue.device, err: cause },
        'a damaged pack could not be moved aside',
      ),
    );
  }
}
