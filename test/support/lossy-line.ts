// A line with a long round trip and lost packets, between this machine and a network namespace: for kernels without netem, too.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { lacks, lacksNamespace, lacksRoot } from './programs.ts';
import { tempDir } from './temp-dir.ts';

/** null where such a line can be made, else why not. */
export function lacksLossyLine(): string | null {
  return (
    lacksRoot() ??
    lacks('gcc', 'ip', 'sysctl') ??
    (existsSync('/dev/net/tun') ? null : 'there is no /dev/net/tun') ??
    lacksNamespace()
  );
}

export interface LossyLine {
  /** Of this machine, at its end of the line. */
  readonly address: string;
  /** What a command line has to begin with to run at the other end. */
  readonly inside: readonly string[];
  /** How TCP behind it meets losses, such as `bbr`; false where the kernel has no such way. */
  sendBy(congestionControl: string): boolean;
}

/** A line that takes `roundTripMs` there and back and loses so many packets of a hundred, each way; it ends with the test. */
export async function lossyLine({
  roundTripMs,
  lossPercent,
}: {
  roundTripMs: number;
  lossPercent: number;
}): Promise<LossyLine> {
  const ip = (...words: string[]) => execFileSync('ip', words, { stdio: 'pipe' });
  const program = join(tempDir(), 'lossy-line');
  execFileSync('gcc', ['-O2', '-o', program, fileURLToPath(new URL('./lossy-line.c', import.meta.url))]);
  const id = process.pid % 100_000;
  const [space, near, far] = [`mfl-${id}`, `mfln${id}`, `mflf${id}`];
  // Of its own, beside another run and what one that was killed left.
  const subnet = `10.214.${id % 256}`;
  const words = [near, far, String(roundTripMs / 2), String(lossPercent), '7'];
  const running = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void running.kill('SIGKILL'));
  await once(running.stdout, 'data');
  ip('netns', 'add', space);
  onTestFinished(() => void spawnSync('ip', ['netns', 'del', space]));
  ip('link', 'set', far, 'netns', space);
  ip('addr', 'add', `${subnet}.1`, 'peer', `${subnet}.2`, 'dev', near);
  ip('link', 'set', near, 'up');
  ip('-n', space, 'addr', 'add', `${subnet}.2`, 'peer', `${subnet}.1`, 'dev', far);
  ip('-n', space, 'link', 'set', far, 'up');
  ip('-n', space, 'link', 'set', 'lo', 'up');
  const inside = ['ip', 'netns', 'exec', space];
  return {
    address: `${subnet}.1`,
    inside,
    sendBy: (way) => {
      const setting = `net.ipv4.tcp_congestion_control=${way}`;
      return spawnSync(inside[0]!, [...inside.slice(1), 'sysctl', '-q', '-w', setting]).status === 0;
    },
  };
}
