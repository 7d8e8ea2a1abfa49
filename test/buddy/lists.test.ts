// covers: src/buddy/high-atomic.ts src/buddy/merge.ts src/buddy/pcp-alloc.ts src/buddy/pcp-free.ts src/buddy/pcp-index.ts src/buddy/short-slow-path.ts src/buddy/wakeup.ts src/buddy/watermark.ts src/buddy/zone-walk.ts src/buddy/node-dirty.ts src/buddy/text.ts
import { expect, test } from 'vitest';
import { checkInvariants, createBuddy } from '../../src/buddy/index.ts';
import { freeOnePage } from '../../src/buddy/merge.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { Migratetype } from '../../src/mm/migratetype.ts';
import { pageblockMigratetype } from '../../src/mm/page-map.ts';
import { freeLists, idOf, world } from './world.ts';

const START = 0x100000;

/** Takes pages until a request fails; the pages in order. */
function exhaust(
  gfp: number,
  order: number,
  buddy = createBuddy({ zones: [{ startPfn: START, pages: 4096 }] }),
) {
  const pages: number[] = [];
  for (let pfn = buddy.allocPages(gfp, order); pfn !== null; pfn = buddy.allocPages(gfp, order)) {
    pages.push(pfn);
  }
  return { buddy, pages };
}

test('an atomic request may go where others may not (4.17, 4.20)', () => {
  const { buddy, pages } = exhaust(Gfp.GFP_NOWAIT, 0);
  expect(pages.length).toBeGreaterThan(3000);
  const more = exhaust(Gfp.GFP_ATOMIC, 0, buddy).pages.length;
  expect(more).toBeGreaterThan(0);
  const all = exhaust(Gfp.GFP_ATOMIC | Gfp.__GFP_MEMALLOC, 0, buddy).pages.length;
  expect(pages.length + more + all).toBe(4096);
  expect(checkInvariants(buddy.state)).toEqual([]);
});

test('kswapd is asked for when the fast path fails (4.20)', () => {
  const { buddy } = exhaust(Gfp.GFP_NOWAIT, 2);
  expect(buddy.model.nodes[0].kswapdOrder).toBe(2);
});

test('a high-order atomic request below the watermark reserves its pageblock (4.16)', () => {
  const buddy = createBuddy({ zones: [{ startPfn: START, pages: 4096 }], minFreeKbytes: 8192 });
  exhaust(Gfp.GFP_NOWAIT, 0, buddy);
  const pfn = buddy.allocPages(Gfp.GFP_ATOMIC, 4);
  expect(pfn).not.toBe(null);
  const zone = buddy.model.zones[2];
  expect(zone.nrReservedHighatomic).toBe(512);
  expect(pageblockMigratetype(buddy.model.map, pfn ?? 0)).toBe(Migratetype.MIGRATE_HIGHATOMIC);
  expect(checkInvariants(buddy.state)).toEqual([]);
});

test('a reserved pageblock that merged beyond itself is stolen, and still counted (4.3, 4.8)', () => {
  const buddy = world({
    zones: [
      {
        start: 0x80,
        pages: 32,
        free: { R4: [0x80] },
        types: { 128: Migratetype.MIGRATE_RECLAIMABLE, 144: Migratetype.MIGRATE_HIGHATOMIC },
      },
    ],
    pageblockOrder: 4,
  });
  const { state } = buddy;
  const zone = state.zones[idOf('Normal')];
  zone.nrReservedHighatomic = 16;
  state.map.refcount.fill(0, 0x90, 0xa0);
  // As from a per-CPU list on which the block was before its pageblock was reserved.
  freeOnePage(state, 0x90, zone.id, 4, Migratetype.MIGRATE_UNMOVABLE, 0, 0);
  expect(freeLists(buddy)).toEqual(['U5 [80]']);
  expect(buddy.allocPages(Gfp.GFP_HIGHUSER_MOVABLE, 3)).toBe(0x80);
  expect(pageblockMigratetype(state.map, 0x90)).toBe(Migratetype.MIGRATE_MOVABLE);
  expect(zone.nrReservedHighatomic).toBe(16);
  expect(checkInvariants(state)).toEqual([]);
});

test('a blocking request without reclaim fails clearly, one that must not fail says so', () => {
  const { buddy } = exhaust(Gfp.GFP_KERNEL, 0);
  expect(buddy.allocPages(Gfp.GFP_KERNEL, 0)).toBe(null);
  expect(() => buddy.allocPages(Gfp.GFP_KERNEL | Gfp.__GFP_NOFAIL, 0)).toThrow(
    expect.objectContaining({ code: 'WOULD_LOOP' }),
  );
});

test('the most recently freed page is handed out first (4.13, 4.26)', () => {
  const buddy = createBuddy({ zones: [{ startPfn: START, pages: 16384 }] });
  const held = Array.from({ length: 4 }, () => buddy.allocPages(Gfp.GFP_HIGHUSER_MOVABLE, 0) ?? -1);
  for (const pfn of held) buddy.freePages(pfn, 0);
  const again = held.map(() => buddy.allocPages(Gfp.GFP_HIGHUSER_MOVABLE, 0));
  expect(again).toEqual([...held].reverse());
});

test('everything merges again when all pages come back (6.19)', () => {
  const buddy = createBuddy({ zones: [{ startPfn: START, pages: 4096 }] });
  const held: [number, number][] = [];
  for (let i = 0; i < 300; i++) {
    const order = (i * 7) % 6;
    const pfn = buddy.allocPages(i % 2 === 0 ? Gfp.GFP_KERNEL : Gfp.GFP_HIGHUSER_MOVABLE, order);
    if (pfn !== null) held.push([pfn, order]);
  }
  for (const [pfn, order] of held) buddy.freePages(pfn, order);
  buddy.drainAllPages();
  expect(buddy.model.areas.nrFree[2 * 11 + 10]).toBe(4);
});
