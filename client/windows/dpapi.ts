// Secrets under Windows' DPAPI with the machine's key, by the service host: no key of ours lies on the disk.
import { execFile } from 'node:child_process';
import type { SecretKeeper } from '../state/state-directory.ts';

/** Far more than it takes: ms. */
const TIMEOUT_MS = 20_000;

/**
 * `host`: mailferry-service.exe. A native program and not PowerShell's ProtectedData: that call is forbidden in Constrained
 * Language Mode, and PowerShell takes a second to start, for every command. Any process of this machine can open what is sealed,
 * and no other machine can; that the file itself is the administrators' alone keeps the users of this machine out.
 */
export function dpapiKeeper(host: string): SecretKeeper {
  const call = (word: 'protect' | 'unprotect', input: Buffer): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const done = (error: Error | null, stdout: Buffer, stderr: Buffer) => {
        if (error) reject(new Error(stderr.toString().trim() || error.message, { cause: error }));
        else resolve(stdout);
      };
      const options = { encoding: 'buffer', timeout: TIMEOUT_MS, windowsHide: true } as const;
      const child = execFile(host, [word], options, done);
      child.stdin?.on('error', () => {}); // An end before the input was read shows in how it ended.
      child.stdin?.end(input);
    });
  return {
    seal: async (text) => (await call('protect', Buffer.from(text))).toString('base64'),
    open: async (sealed) => (await call('unprotect', Buffer.from(sealed, 'base64'))).toString(),
  };
}
