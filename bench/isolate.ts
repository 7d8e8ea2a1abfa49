import { parentPort, workerData } from 'node:worker_threads';
import { type ContenderSpec, setUpContender } from './lib/contender.ts';

/** What one round of a contender took and gave. */
export interface Round {
  /** Nanoseconds. */
  readonly ns: number;
  /** How many blocks the load got. */
  readonly hash: number;
}

// A worker with one contender: every message asks for a round.
const run = setUpContender(workerData as ContenderSpec);
parentPort?.on('message', () => {
  const start = performance.now();
  const hash = run();
  const round: Round = { ns: (performance.now() - start) * 1e6, hash };
  parentPort?.postMessage(round);
});
