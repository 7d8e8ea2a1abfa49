import { expect, test } from 'vitest';
import { seededRandom } from '../../src/lib/random.ts';
import { shuffledSequence, shuffledStart } from '../../src/slub/random-freelist.ts';
import { made, recordOf, take, testSlub, testTopology } from './support.ts';

/** Numbers one after another, then zeros. */
function numbers(...values: number[]): { nextU32: () => number } {
  let at = 0;
  return { nextU32: () => values[at++] ?? 0 };
}

test('4.10 the shuffle swaps from the last entry down', () => {
  // i = 3: swap with 5 mod 4 = 1; i = 2: with 4 mod 3 = 1; i = 1: with 1.
  expect([...shuffledSequence(numbers(5, 4, 1), 4, 10)]).toEqual([0, 20, 30, 10]);
  expect(shuffledStart(numbers(14), 4)).toBe(2);
});

test('4.10 a new slab takes the sequence from a random place on, round the end', () => {
  const random = numbers();
  const { slub } = testSlub({ config: { freelistRandom: true }, random });
  const cache = made(slub.createCache('c', { size: 8192 }));
  // With zeros only: i = 3: swap 3 and 0; i = 2: 2 and 0; i = 1: 1 and 0.
  expect(slub.state.caches[0].randomSeq).toEqual(
    Int32Array.from([1, 2, 3, 0].map((i) => i * 8192)),
  );
  const objects = take(cache, 4);
  const base = Math.min(...objects);
  expect(objects.map((object) => (object - base) / 8192)).toEqual([1, 2, 3, 0]);
});

test('4.10 smaller slabs leave out what does not fit', () => {
  const { slub, pages } = testSlub({
    config: { freelistRandom: true },
    random: seededRandom(4),
    topology: testTopology([0, 0], 1),
  });
  const cache = made(slub.createCache('c', { size: 700 }));
  const { objects, minObjects } = cache.geometry();
  pages.maxOrder = 0;
  const some = take(cache, minObjects);
  expect(objects).toBeGreaterThan(minObjects);
  expect(new Set(some).size).toBe(minObjects);
  const { slab } = recordOf(slub, cache).cpus[0];
  expect(slab?.objects).toBe(minObjects);
  expect(some.every((object) => Math.floor(object / 4096) === slab?.pfn)).toBe(true);
});

test('a seeded source gives the same sequence each time, and a permutation', () => {
  const sequence = shuffledSequence(seededRandom(7), 100, 1);
  expect(sequence).toEqual(shuffledSequence(seededRandom(7), 100, 1));
  expect([...sequence].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
});
