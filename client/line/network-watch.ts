// Notices that the machine has other addresses than before: another network, a VPN that came or went.
import type { NetworkInterfaceInfo } from 'node:os';

/** Between two looks. */
const TICK_MS = 2_000;

export type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** The addresses that lead out of this machine, as one text that differs when they do. Pure. */
export function addressesOf(interfaces: Interfaces): string {
  const all = Object.entries(interfaces).flatMap(([name, addresses]) =>
    (addresses ?? []).filter(({ internal }) => !internal).map(({ address }) => `${name} ${address}`),
  );
  return all.sort().join('\n');
}

/** Calls `onChange` when there are other addresses, and any at all, until the function returned is called. Does not keep the process alive. */
export function watchNetwork(interfaces: () => Interfaces, onChange: () => void): () => void {
  let last = addressesOf(interfaces());
  const timer = setInterval(() => {
    const before = last;
    last = addressesOf(interfaces());
    if (last !== before && last !== '') onChange();
  }, TICK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
