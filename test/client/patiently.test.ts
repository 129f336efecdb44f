// C15: what a scanner holds for a moment is waited for on Windows, and nowhere else.
import { expect, test } from 'vitest';
import { patiently, patientlyOrLeft } from '../../client/patiently.ts';

const held = (code: string) => Object.assign(new Error(code), { code });
/** Fails `times` times with `code`; how often it was tried, and how long it was waited for in all. */
async function tried(code: string, times: number, platform: string) {
  let tries = 0;
  let waited = 0;
  const work = async () => {
    tries++;
    if (tries <= times) throw held(code);
    return 'done';
  };
  const wait = async (ms: number) => {
    waited += ms;
  };
  const result = await patiently(work, { platform, wait }).catch((error) => error.code);
  return { tries, waited, result };
}

test.each(['EBUSY', 'EPERM', 'EACCES', 'ENOTEMPTY'])('C15: %s for 400 ms is waited for', async (code) => {
  const { result, tries, waited } = await tried(code, 5, 'win32');
  expect(result).toBe('done');
  expect(tries).toBe(6);
  expect(waited).toBeGreaterThanOrEqual(400);
});

test('C15: a program that never lets go is given up after some seconds', async () => {
  const { result, waited } = await tried('EBUSY', Number.POSITIVE_INFINITY, 'win32');
  expect(result).toBe('EBUSY');
  expect(waited).toBeGreaterThanOrEqual(5_000);
  expect(waited).toBeLessThan(15_000);
});

test.each([
  ['ENOENT', 'win32'],
  ['ENOSPC', 'win32'],
  ['EACCES', 'linux'],
  ['EBUSY', 'darwin'],
])('%s on %s is a failure at once', async (code, platform) => {
  expect(await tried(code, 1, platform)).toEqual({ result: code, tries: 1, waited: 0 });
});

test('what may stay is no failure', async () => {
  await patientlyOrLeft(async () => Promise.reject(held('EBUSY')), {
    platform: 'linux',
    wait: async () => {},
  });
});
