// The packer as it is built, for the running test: its worker is a program of its own.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import type { Packer } from '../../../client/pack/packer.ts';
import { within } from './within.ts';

const built = fileURLToPath(new URL('../../../dist/client/pack/packer.js', import.meta.url));

/** A new packer, closed when the test is over. */
export async function builtPacker(): Promise<Packer> {
  const module = (await import(pathToFileURL(built).href)) as { Packer: new () => Packer };
  const packer = new module.Packer();
  onTestFinished(() => within(20_000, packer.close()));
  return packer;
}
