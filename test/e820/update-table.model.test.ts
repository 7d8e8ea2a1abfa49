import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkUpdateTable,
  createE820Table,
  e820UpdateTable,
  sanitisedEntries,
} from '../../src/e820/index.ts';
import { scaled } from '../support/seed.ts';
import { arbitraryEntries, naiveSanitise, text } from './support.ts';

describe('e820UpdateTable against the definition without a sweep', () => {
  it('gives the same table, and breaks none of E820-1 to 7', () => {
    fc.assert(
      fc.property(arbitraryEntries, fc.integer({ min: 12, max: 40 }), (entries, capacity) => {
        const table = createE820Table(entries, capacity);
        const result = e820UpdateTable(table);
        const expected = naiveSanitise(entries, capacity);
        expect(result).toBe(expected === null ? -1 : 0);
        expect(text(table)).toBe(text(expected ?? entries));
        expect(checkUpdateTable(entries, result, table)).toEqual([]);
      }),
      { numRuns: scaled(2000) },
    );
  });

  it('does not depend on the order of the entries (E820-6)', () => {
    const shuffled = arbitraryEntries.chain((entries) =>
      fc.tuple(
        fc.constant(entries),
        fc.shuffledSubarray(entries, { minLength: entries.length, maxLength: entries.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([entries, other]) => {
        expect(sanitisedEntries(other, 320)).toEqual(sanitisedEntries(entries, 320));
      }),
      { numRuns: scaled(500) },
    );
  });

  it('holds for entries near 2^64', () => {
    const high = fc.array(
      fc.record({
        addr: fc.nat(16).map((n) => 2n ** 64n - 16n + BigInt(n === 16 ? 15 : n)),
        size: fc.nat(18).map(BigInt),
        type: fc.constantFrom(1, 2, 12),
      }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(high, (entries) => {
        expect(sanitisedEntries(entries, 320)).toEqual(naiveSanitise(entries, 320));
      }),
      { numRuns: scaled(1000) },
    );
  });
});
