import { describe, expect, it } from 'vitest';
import { CompactResult } from '../../src/slowpath/constants.ts';
import {
  compactGap,
  compactionSuitable,
  compactionSuitableWith,
} from '../../src/slowpath/suitable.ts';
import { createWorld, type World } from './world.ts';

const { COMPACT_CONTINUE, COMPACT_SKIPPED, COMPACT_SUCCESS } = CompactResult;
const START = 0x1000;

/** A zone with so many free blocks of each order, far from any watermark. */
function world(
  blocks: Readonly<Record<number, number>>,
  watermark: readonly [number, number, number] = [-5000, -4900, -4800],
): World {
  const at = new Map<number, number>();
  let pfn = START;
  for (const [order, count] of Object.entries(blocks).toReversed()) {
    for (let i = 0; i < count; i++) {
      at.set(pfn, Number(order));
      pfn += 2 << Number(order);
    }
  }
  return createWorld({
    startPfn: START,
    endPfn: 0x4000,
    watermark,
    kind: (at_) => (at.has(at_) ? 'free' : 'fixed'),
    freeOrder: (at_) => at.get(at_) ?? 0,
  });
}

describe('fragmentation index (example 4)', () => {
  it.each([
    [{ 0: 1000 }, 4, 937, COMPACT_CONTINUE],
    [{ 3: 3 }, 4, 167, COMPACT_SKIPPED],
    [{ 3: 2 }, 4, 0, COMPACT_SKIPPED],
    [{ 3: 1 }, 4, -500, COMPACT_CONTINUE],
    [{ 0: 100, 1: 50 }, 4, 910, COMPACT_CONTINUE],
    [{ 8: 4 }, 9, 250, COMPACT_SKIPPED],
    [{ 5: 32 }, 9, 907, COMPACT_CONTINUE],
  ] as const)('%j, order %i: %i', (blocks, order, index, result) => {
    const of = world(blocks);
    expect(of.buddy.fragmentationIndex(of.zone.id, order)).toBe(index);
    expect(compactionSuitable(of.ctx, of.zone, order, 0, 1)).toBe(result);
    const shown = result === COMPACT_CONTINUE ? 'continue' : 'not_suitable_zone';
    expect(of.events).toEqual([
      `mm_compaction_suitable: node=0 zone=DMA32    order=${order} ret=${shown}`,
    ]);
  });

  it('follows the threshold', () => {
    const of = world({ 0: 1000 });
    of.slowPath.extfragThreshold = 937;
    expect(compactionSuitable(of.ctx, of.zone, 4, 0, 1)).toBe(COMPACT_SKIPPED);
    of.slowPath.extfragThreshold = 936;
    expect(compactionSuitable(of.ctx, of.zone, 4, 0, 1)).toBe(COMPACT_CONTINUE);
  });
});

describe('compaction_suitable (spec slowpath-compaction 4.14)', () => {
  it('a whole zone always is', () => {
    const of = world({}, [100, 200, 300]);
    expect(compactionSuitable(of.ctx, of.zone, -1, 0, 0)).toBe(COMPACT_CONTINUE);
  });

  it('a block that may be taken makes compaction needless', () => {
    const of = world({ 4: 100 }, [100, 200, 300]);
    expect(compactionSuitable(of.ctx, of.zone, 4, 0, 1)).toBe(COMPACT_SUCCESS);
    // At the high mark it may not be: 1600 - 15 > 300 holds, with a boost it does not.
    of.zone.watermarkBoost = 1500;
    expect(compactionSuitable(of.ctx, of.zone, 4, 0, 1)).toBe(COMPACT_SKIPPED);
  });

  it.each([
    // Costly orders count from the low mark, others from the minimum.
    [3, 100 + 16, COMPACT_SKIPPED],
    [3, 100 + 17, COMPACT_CONTINUE],
    [4, 200 + 32, COMPACT_SKIPPED],
    [4, 200 + 33, COMPACT_CONTINUE],
  ])('order %i with %i free pages: %i', (order, target, result) => {
    const of = world({}, [100, 200, 300]);
    expect(compactionSuitableWith(of.ctx, of.zone, order, 0, 1, target)).toBe(result);
  });

  it('reserved pages are no free pages', () => {
    const of = world({}, [100, 200, 300]);
    of.zone.nrReservedHighatomic = 512;
    expect(compactionSuitableWith(of.ctx, of.zone, 3, 0, 1, 512 + 116)).toBe(COMPACT_SKIPPED);
    expect(compactionSuitableWith(of.ctx, of.zone, 3, 0, 1, 512 + 117)).toBe(COMPACT_CONTINUE);
  });

  it('the gap is twice the block', () => {
    expect([0, 1, 9].map(compactGap)).toEqual([2, 4, 1024]);
  });
});
