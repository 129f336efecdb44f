// The thread that checks packs: answers come to whoever asked.

import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CheckThread } from '../../../server/pack/check-staged-pack.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { buildPack } from '../support/build-pack.ts';

const PROGRAM = new URL('../../../dist/server/pack/check-worker.js', import.meta.url);

function thread() {
  const made = new CheckThread(PROGRAM);
  onTestFinished(() => made.close());
  const folder = tempDir();
  const staged = (name: string, bytes: Uint8Array, id: string) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return { path, stored: bytes.length, id };
  };
  const good = buildPack([Buffer.from('a letter')]);
  return {
    made,
    goodOne: staged('good', good.bytes, good.id),
    bad: staged('bad', randomBytes(300), good.id),
  };
}

test('good and bad packs at once get the answers that are theirs', async () => {
  const { made, goodOne, bad } = thread();
  const asked = Array.from({ length: 600 }, (_, at) => made.check(at % 3 === 0 ? goodOne : bad));
  const answers = await Promise.allSettled(asked);
  expect(answers.map(({ status }) => status)).toEqual(
    answers.map((_, at) => (at % 3 === 0 ? 'fulfilled' : 'rejected')),
  );
});

test('who still waits when the thread is closed is told so, and a pack after that starts it again', async () => {
  const { made, goodOne } = thread();
  await made.check(goodOne);
  const waiting = made.check(goodOne);
  await Promise.all([made.close(), expect(waiting).rejects.toMatchObject({ code: 'internal' })]);
  await expect(made.check(goodOne)).resolves.toBeGreaterThan(0);
});
