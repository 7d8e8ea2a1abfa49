import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Round } from './isolate.ts';
import type { ContenderSpec } from './lib/contender.ts';
import { WARM_UP_ROUNDS } from './measure.ts';

/**
 * Times contenders in turn (a b c a b c ...), each in an isolate of its own, so that none pays for what
 * the others taught the compiler.
 * @param rounds timed rounds of each contender
 * @returns nanoseconds per operation of the fastest round of each
 */
export async function measureIsolated(
  specs: readonly ContenderSpec[],
  rounds: number,
): Promise<number[]> {
  const workers = specs.map(
    (spec) => new Worker(new URL('./isolate-worker.js', import.meta.url), { workerData: spec }),
  );
  try {
    const best = specs.map(() => Number.POSITIVE_INFINITY);
    const hashes: number[] = [];
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
      for (const [i, worker] of workers.entries()) {
        const { ns, hash } = await nextRound(worker);
        if (round > -WARM_UP_ROUNDS && hash !== hashes[i]) {
          throw new Error(`${specs[i].heap}: two rounds of the same load gave different results`);
        }
        hashes[i] = hash;
        if (round >= 0) best[i] = Math.min(best[i], ns / specs[i].operations);
      }
    }
    return best;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

async function nextRound(worker: Worker): Promise<Round> {
  worker.postMessage(null);
  // A worker that fails rejects this with its error.
  const [round] = (await once(worker, 'message')) as [Round];
  return round;
}
