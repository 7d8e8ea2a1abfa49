import fc from 'fast-check';
import { expect, test } from 'vitest';
import { listAddTail } from '../../src/lib/list.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { freeListHead, freeListToArray } from '../../src/mm/free-area.ts';
import type { MemoryModel } from '../../src/mm/memory-model.ts';
import { setBuddyOrder, setPageblockMigratetype } from '../../src/mm/page-map.ts';
import { shuffleZone } from '../../src/mm/shuffle.ts';
import { scaled } from '../support/seed.ts';
import { initialised } from './support.ts';

/** A zone from 0x1000 on with free blocks of order 10. */
function zoneOf(blocks: number): MemoryModel {
  const end = (0x1000 + blocks * 1024).toString(16);
  const { model } = initialised(`1000-${end}`);
  for (let i = 0; i < blocks; i++) addBlock(model, 0x1000 + i * 1024, 1);
  return model;
}

function addBlock(model: MemoryModel, pfn: number, type: number): void {
  setBuddyOrder(model.map, pfn, 10);
  listAddTail(model.map, freeListHead(model.areas, 1, 10, type), pfn);
}

const list = (model: MemoryModel, type = 1) => freeListToArray(model.areas, 1, 10, type);

test('the same seed gives the same order, another one another', () => {
  const shuffled = (seed: number) => {
    const model = zoneOf(16);
    shuffleZone(model, model.zones[1], seededRandom(seed));
    return list(model);
  };
  expect(shuffled(1)).toEqual(shuffled(1));
  expect(shuffled(1)).not.toEqual(shuffled(2));
});

test('each block swaps places with one drawn at random', () => {
  const model = zoneOf(4);
  const draws = [1 * 1024 + 7, 3 * 1024, 0, 0];
  const random = { nextU32: () => draws.shift() ?? 0 };
  // Block 0 with 1 (neighbours), block 1 with 3, block 2 with 0, block 3 with 0.
  expect(shuffleZone(model, model.zones[1], random)).toBe(4);
  const [a, b, c, d] = [0x1000, 0x1400, 0x1800, 0x1c00];
  // abcd -> bacd -> dacb -> dcab -> acdb
  expect(list(model)).toEqual([a, c, d, b]);
});

test('blocks of different types never swap, and after ten draws the search ends', () => {
  const model = zoneOf(1);
  setPageblockMigratetype(model.map, 0x1000, 1);
  let draws = 0;
  const random = {
    nextU32: () => {
      draws++;
      return 0;
    },
  };
  expect(shuffleZone(model, model.zones[1], random)).toBe(0);
  expect(draws).toBe(10);
  const mixed = zoneOf(2);
  setPageblockMigratetype(mixed.map, 0x1400, 2);
  const other = { nextU32: () => 1024 };
  expect(shuffleZone(mixed, mixed.zones[1], other)).toBe(0);
});

test('a zone that does not start at a multiple of the block size finds nothing', () => {
  const { model } = initialised('1-1000');
  setBuddyOrder(model.map, 0x400, 10);
  listAddTail(model.map, freeListHead(model.areas, 0, 10, 1), 0x400);
  expect(shuffleZone(model, model.zones[0], seededRandom(3))).toBe(0);
});

test('no block is lost', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 24 }), fc.nat(), (blocks, seed) => {
      const model = zoneOf(blocks);
      const before = list(model);
      shuffleZone(model, model.zones[1], seededRandom(seed));
      expect([...list(model)].sort((a, b) => a - b)).toEqual(before);
      // Both directions agree.
      const head = freeListHead(model.areas, 1, 10, 1);
      const backwards: number[] = [];
      for (let i = model.map.prev[head]; i !== head; i = model.map.prev[i]) backwards.push(i);
      expect(backwards.reverse()).toEqual(list(model));
    }),
    { numRuns: scaled(30) },
  );
});
