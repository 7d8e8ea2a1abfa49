import type { RandomSource } from '../lib/random.ts';

/**
 * A shuffled sequence of object offsets.
 * @param random where the numbers come from
 * @param count objects in a slab, at least 2
 * @param size slot size in bytes
 * @kernel cache_random_seq_create (spec slub 4.10)
 */
export function shuffledSequence(random: RandomSource, count: number, size: number): Int32Array {
  const sequence = Int32Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last--) {
    const other = random.nextU32() % (last + 1);
    const held = sequence[last];
    sequence[last] = sequence[other];
    sequence[other] = held;
  }
  return sequence.map((index) => index * size);
}

/** Where a new slab starts in the sequence of its cache. @kernel shuffle_freelist */
export function shuffledStart(random: RandomSource, count: number): number {
  return random.nextU32() % count;
}
