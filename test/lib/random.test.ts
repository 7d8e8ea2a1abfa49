import { expect, test } from 'vitest';
import { seededRandom } from '../../src/lib/random.ts';

function draw(seed: number, count: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.nextU32());
}

test('the same seed gives the same numbers on every machine', () => {
  expect(draw(61, 4)).toEqual(draw(61, 4));
  expect(draw(61, 4)).toMatchInlineSnapshot(`
    [
      2354376172,
      3042084365,
      3782871005,
      3141233733,
    ]
  `);
});

test('only the low 32 bits of the seed count', () => {
  expect(draw(2 ** 32 + 5, 3)).toEqual(draw(5, 3));
  expect(draw(-1, 3)).toEqual(draw(0xffffffff, 3));
  expect(draw(1, 3)).not.toEqual(draw(2, 3));
});

test('numbers are unsigned 32-bit and spread evenly', () => {
  const numbers = draw(1, 64_000);
  const buckets = new Array<number>(16).fill(0);
  expect(numbers.every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32)).toBe(true);
  for (const number of numbers) {
    const bucket = Math.floor(number / 2 ** 28);
    buckets[bucket] = (buckets[bucket] ?? 0) + 1;
  }
  expect(Math.min(...buckets)).toBeGreaterThan(3_700);
  expect(Math.max(...buckets)).toBeLessThan(4_300);
});
