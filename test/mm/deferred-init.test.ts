import { describe, expect, test } from 'vitest';
import { freePagesCore } from '../../src/buddy/boot-release.ts';
import { BuddyState } from '../../src/buddy/state.ts';
import { reserveBootmemRegion, resetManagedPages } from '../../src/mm/boot-pages.ts';
import { deferredGrowZone, deferredInitMemmap } from '../../src/mm/deferred-init.ts';
import { freeListToArray } from '../../src/mm/free-area.ts';
import type { MemoryModel } from '../../src/mm/memory-model.ts';
import { pageblockMigratetype } from '../../src/mm/page-map.ts';
import { initialised } from './support.ts';

type Range = { startPfn: number; endPfn: number; node: number };

/** Zone Normal of spec 7.7, with the part that is not deferred left in use. */
function example(): {
  model: MemoryModel;
  free: Range[];
  release: (pfn: number, order: number) => void;
} {
  const { model } = initialised('100000-140000', { deferred: true });
  const buddy = new BuddyState(model, {});
  resetManagedPages(model);
  reserveBootmemRegion(model, 0x120000, 0x120c30);
  const free = [
    { startPfn: 0x100000, endPfn: 0x120000, node: 0 },
    { startPfn: 0x120c30, endPfn: 0x140000, node: 0 },
  ];
  const release = (pfn: number, order: number) => freePagesCore(buddy, pfn, order, 0, true);
  return { model, free, release };
}

const blocks = (model: MemoryModel, order: number, type: number) =>
  freeListToArray(model.areas, 2, order, type);

describe('the late part (spec memory-model 7.7)', () => {
  test('leaves pageblocks with a reserved start UNMOVABLE', () => {
    const { model, free, release } = example();
    expect(deferredInitMemmap(model, free, release)).toEqual([0x140000 - 0x108000 - 0xc30]);
    expect([4, 6, 7, 8].map((order) => blocks(model, order, 0))).toEqual([
      [0x120c30],
      [0x120c40],
      [0x120c80],
      [0x120d00],
    ]);
    expect(blocks(model, 9, 1)).toEqual([0x120e00]);
    expect(pageblockMigratetype(model.map, 0x120c00)).toBe(0);
    expect(model.nodes[0].firstDeferredPfn).toBe(Number.POSITIVE_INFINITY);
  });

  test('frees whole pageblocks, which merge and go to the tail', () => {
    const { model, free, release } = example();
    const calls: string[] = [];
    deferredInitMemmap(model, free, (pfn, order) => {
      calls.push(`${pfn.toString(16)}/${order}`);
      release(pfn, order);
    });
    expect(calls.slice(0, 3)).toEqual(['108000/9', '108200/9', '108400/9']);
    expect(calls.filter((call) => call.endsWith('/0'))).toHaveLength(0x120e00 - 0x120c30);
    const largest = blocks(model, 10, 1);
    expect(largest.slice(0, 2)).toEqual([0x108000, 0x108400]);
    expect(largest).toEqual([...largest].sort((a, b) => a - b));
    expect(model.zones[2].managedPages).toBe(0x140000 - 0x108000 - 0xc30);
  });

  test('does nothing for a node without deferred pages', () => {
    const { model } = initialised('0:1000-2000 2:2000-3000');
    const free = [{ startPfn: 0x1000, endPfn: 0x2000, node: 0 }];
    const none = () => expect.unreachable();
    expect(deferredInitMemmap(model, free, none)).toEqual([0, 0, 0]);
  });
});

describe('growing on demand (spec memory-model 4.11)', () => {
  test('takes a section and moves the border', () => {
    const { model, free, release } = example();
    expect(deferredGrowZone(model, model.zones[2], free, release)).toBe(true);
    expect(model.nodes[0].firstDeferredPfn).toBe(0x110000);
    expect(model.zones[2].managedPages).toBe(0x8000);
    deferredInitMemmap(model, free, release);
    expect(model.zones[2].managedPages).toBe(0x140000 - 0x108000 - 0xc30);
    expect(deferredGrowZone(model, model.zones[2], free, release)).toBe(false);
  });

  test('goes on past a section that is not all free', () => {
    const { model, free, release } = example();
    model.nodes[0].firstDeferredPfn = 0x118000;
    deferredGrowZone(model, model.zones[2], free, release);
    deferredGrowZone(model, model.zones[2], free, release);
    // 0x120c30..0x128000 are fewer than 32768 pages: the second section is taken as well.
    expect(model.nodes[0].firstDeferredPfn).toBe(0x130000);
  });

  test('ends when nothing is left, and never grows a lower zone', () => {
    const { model, free, release } = example();
    expect(deferredGrowZone(model, model.zones[1], free, release)).toBe(false);
    model.nodes[0].firstDeferredPfn = 0x138000;
    expect(deferredGrowZone(model, model.zones[2], free, release)).toBe(true);
    expect(model.nodes[0].firstDeferredPfn).toBe(0x140000);
    expect(deferredGrowZone(model, model.zones[2], free, release)).toBe(false);
    expect(model.nodes[0].firstDeferredPfn).toBe(Number.POSITIVE_INFINITY);
  });
});
