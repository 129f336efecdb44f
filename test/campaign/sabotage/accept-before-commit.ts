// The last step of a version as it would be had its author wanted to answer sooner.
import { setTimeout as pause } from 'node:timers/promises';
import type { DeviceCatalogue } from '../../../server/catalogue/device-catalogue.ts';
import type { Vault } from '../../../server/vault/vault.ts';
import {
  type AcceptPorts,
  acceptVersion as acceptTruly,
  type CheckedVersion,
} from '../../../server/version/accept-version.ts';
import type { VersionSummary } from '../../../shared/protocol.ts';

export * from '../../../server/version/accept-version.ts';

/** Long enough for the answer to arrive, and for whoever saw it to end the server, on a machine that has much else to do. */
const LATER_MS = 2_000;

export function acceptVersion(ports: AcceptPorts, version: CheckedVersion): Promise<VersionSummary> {
  const { catalogue } = ports;
  const later: Pick<DeviceCatalogue, 'device' | 'packs' | 'versions' | 'transaction'> = {
    device: catalogue.device,
    packs: catalogue.packs,
    versions: catalogue.versions,
    transaction: async <Result>(work: (rows: DeviceCatalogue) => Promise<Result>) => {
      void pause(LATER_MS).then(() => catalogue.transaction(work));
      return undefined as Result;
    },
  };
  const vault: Pick<Vault, 'putVersion'> = {
    putVersion: async (...version) => {
      void pause(LATER_MS).then(() => ports.vault.putVersion(...version));
    },
  };
  const sooner = { catalogue: later as DeviceCatalogue, vault: vault as Vault };
  return acceptTruly({ ...ports, ...sooner, now: () => ports.now() }, version);
}
