// The thread that checks packs: one question after another, answered in that order.
import { parentPort } from 'node:worker_threads';
import { asFailure } from '../../shared/failure.ts';
import { type CheckAnswer, checkHere, type StagedPack } from './check-staged-pack.ts';

let queue: Promise<void> = Promise.resolve();

async function answerTo(pack: StagedPack): Promise<CheckAnswer> {
  try {
    return { raw: await checkHere(pack) };
  } catch (error) {
    const { code, message } = asFailure(error);
    return { failure: { code, message } };
  }
}

parentPort?.on('message', (pack: StagedPack) => {
  queue = queue.then(async () => parentPort?.postMessage(await answerTo(pack)));
});
