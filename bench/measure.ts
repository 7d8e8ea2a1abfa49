/** One contender of a comparison: the same load on one implementation. */
export interface Contender {
  /** Name of the implementation. */
  readonly name: string;
  /**
   * Prepares one round, which is not timed.
   * @returns the round: does the load and returns a hash of its results
   */
  readonly prepare: () => () => number;
}

/** What the rounds of one contender took. */
export interface Measurement {
  /** Name of the implementation. */
  readonly name: string;
  /** Fastest round, in nanoseconds per operation. */
  readonly minNs: number;
  /** Mean of all rounds, in nanoseconds per operation. */
  readonly meanNs: number;
  /** Hash of the results of a round: the proof that the work was done, and the same each time. */
  readonly hash: number;
}

/** Rounds that are not timed. */
export const WARM_UP_ROUNDS = 2;

/**
 * Times contenders in turn (a b c a b c ...), so that what else the machine does hits all alike.
 * @param operations operations in one round
 * @param rounds timed rounds of each contender
 */
export function measure(
  contenders: readonly Contender[],
  operations: number,
  rounds: number,
): Measurement[] {
  const times = contenders.map((): number[] => []);
  const hashes = contenders.map(() => 0);
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const { name, prepare } = contender;
      const run = prepare();
      const start = performance.now();
      const hash = run();
      const tookNs = ((performance.now() - start) * 1e6) / operations;
      if (round > -WARM_UP_ROUNDS && hash !== hashes[i]) {
        throw new Error(`${name}: two rounds of the same load gave different results`);
      }
      hashes[i] = hash;
      if (round >= 0) times[i].push(tookNs);
    }
  }
  return contenders.map(({ name }, i) => ({
    name,
    minNs: Math.min(...times[i]),
    meanNs: times[i].reduce((sum, time) => sum + time, 0) / times[i].length,
    hash: hashes[i],
  }));
}

/** Mixes one more result into a hash. */
export function mix(hash: number, value: number): number {
  return (Math.imul(hash, 31) + value) | 0;
}
