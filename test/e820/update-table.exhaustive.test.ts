import { expect, it } from 'vitest';
import type { E820Entry } from '../../src/e820/index.ts';
import { sanitisedEntries } from '../../src/e820/index.ts';
import { naiveSanitise, text } from './support.ts';

/** Every entry that lies in 4 units of address space, with 3 types (one never merged). */
function smallEntries(): E820Entry[] {
  const list: E820Entry[] = [];
  for (let start = 0n; start < 4n; start++) {
    for (let end = start; end <= 4n; end++) {
      for (const type of [0, 1, 12]) list.push({ addr: start, size: end - start, type });
    }
  }
  return list;
}

it('all pairs and triples of entries in a world of 4 units', () => {
  const all = smallEntries();
  let count = 0;
  const check = (entries: E820Entry[]): void => {
    count++;
    const [got, expected] = [sanitisedEntries(entries, 320), naiveSanitise(entries, 320)];
    if (got === null || expected === null || text(got) !== text(expected)) {
      expect.fail(`${text(entries)}: ${got && text(got)} instead of ${expected && text(expected)}`);
    }
  };
  for (const a of all) {
    for (const b of all) {
      check([a, b]);
      for (const c of all) check([a, b, c]);
    }
  }
  expect(count).toBe(42 ** 2 + 42 ** 3);
});
