// Other addresses are another network; loopback, order and losing all of them are not.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { addressesOf, type Interfaces, watchNetwork } from '../../../client/line/network-watch.ts';

const address = (text: string, internal = false) =>
  ({ address: text, internal, family: 'IPv4', netmask: '', mac: '', cidr: null }) as const;
const lan: Interfaces = { lo: [address('127.0.0.1', true)], eth0: [address('192.0.2.7')] };
const vpn: Interfaces = { ...lan, tun0: [address('198.51.100.4')] };

test('what leads out of the machine counts, in any order', () => {
  expect(addressesOf(lan)).toBe('eth0 192.0.2.7');
  expect(addressesOf({ eth0: lan.eth0, lo: lan.lo, wlan0: undefined })).toBe(addressesOf(lan));
  expect(addressesOf({ lo: lan.lo })).toBe('');
  expect(addressesOf(vpn)).not.toBe(addressesOf(lan));
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a change is told once; that there is no network at all is not', () => {
  let there = lan;
  const onChange = vi.fn();
  const stop = watchNetwork(() => there, onChange);
  const look = (interfaces: Interfaces) => {
    there = interfaces;
    vi.advanceTimersByTime(2_000);
    return onChange.mock.calls.length;
  };
  expect(look(lan)).toBe(0);
  expect(look(vpn)).toBe(1);
  expect(look(vpn)).toBe(1);
  expect(look({})).toBe(1);
  expect(look(lan)).toBe(2);
  stop();
  expect(look(vpn)).toBe(2);
});
