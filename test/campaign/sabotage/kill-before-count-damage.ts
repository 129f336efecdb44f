// damage.ts for kill-before-count.ts.
export * from '../../../server/healing/damage.ts';

export async function recountDamage(): Promise<number> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
}
