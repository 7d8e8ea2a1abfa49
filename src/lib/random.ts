/** Injected randomness. Nothing in the package draws numbers from anywhere else. */
export interface RandomSource {
  /** A uniform integer in `[0, 2^32)`. */
  nextU32(): number;
}

/**
 * A small seeded generator (mulberry32): same seed, same numbers, on every machine.
 * @param seed any integer; only its low 32 bits count
 */
export function seededRandom(seed: number): RandomSource {
  let state = seed >>> 0;
  return {
    nextU32(): number {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return (mixed ^ (mixed >>> 14)) >>> 0;
    },
  };
}
