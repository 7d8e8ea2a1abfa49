// covers: src/buddy/fallback.ts src/buddy/split.ts src/buddy/rmqueue-bulk.ts src/buddy/rmqueue.ts src/buddy/frag-index.ts
import { expect, test } from 'vitest';
import { AllocContext } from '../../src/buddy/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { Migratetype } from '../../src/mm/migratetype.ts';
import { pageblockMigratetype } from '../../src/mm/page-map.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { ZoneFlag } from '../../src/mm/zone-types.ts';
import {
  brokenRules,
  codeOf,
  freeCounter,
  freeLists,
  idOf,
  pcpList,
  pcpNumbers,
  recorder,
  world,
} from './world.ts';

// The worked examples of spec buddy 7. Page frames in hex, as there.

const UNMOVABLE = 0;
const MOVABLE = Gfp.__GFP_MOVABLE;
const RECLAIMABLE = Gfp.__GFP_RECLAIMABLE;
const KSWAPD = Gfp.__GFP_KSWAPD_RECLAIM;
const NORMAL = idOf('Normal');
const typeOf = (buddy: ReturnType<typeof world>, pfn: number): number =>
  pageblockMigratetype(buddy.state.map, pfn);

test('7.1 the first unmovable page from one movable 1024-page block', () => {
  const { trace, events } = recorder();
  const buddy = world({
    zones: [{ start: 0x10000, pages: 1024, free: { M10: [0x10000] } }],
    options: { trace },
  });
  expect(buddy.allocPages(UNMOVABLE, 0)).toBe(0x10000);
  expect(freeLists(buddy)).toEqual([
    'U0 [10001]',
    'U1 [10002]',
    'U2 [10004]',
    'U3 [10008]',
    'U4 [10010]',
    'U5 [10020]',
    'U6 [10040]',
    'U7 [10080]',
    'U8 [10100]',
    'U9 [10200]',
  ]);
  expect(freeCounter(buddy)[0]).toBe(1023);
  expect([typeOf(buddy, 0x10000), typeOf(buddy, 0x10200)]).toEqual([0, 0]);
  expect(events).toContain('extfrag 10000 0 10 0 1 1');

  expect(buddy.allocPages(MOVABLE, 1)).toBe(0x10200);
  expect(events).toContain('extfrag 10200 1 9 1 0 1');
  expect(typeOf(buddy, 0x10200)).toBe(Migratetype.MIGRATE_MOVABLE);
  expect(freeLists(buddy).filter((line) => line.startsWith('M'))).toEqual([
    'M1 [10202]',
    'M2 [10204]',
    'M3 [10208]',
    'M4 [10210]',
    'M5 [10220]',
    'M6 [10240]',
    'M7 [10280]',
    'M8 [10300]',
  ]);
  expect(freeCounter(buddy)[0]).toBe(1021);
  expect(brokenRules(buddy.state)).toEqual([]);
});

test('7.2 refill order, reuse of the last freed page, drain', () => {
  const { trace, events } = recorder();
  const buddy = world({
    zones: [{ start: 0x10000, pages: 1024, free: { M10: [0x10000] } }],
    batch: 7,
    high: 28,
    threshold: 10,
    options: { trace },
  });
  expect([0, 1, 2].map(() => buddy.allocPages(MOVABLE, 0))).toEqual([0x10000, 0x10001, 0x10002]);
  expect(events.slice(0, 8).map((event) => event.split(' ')[0])).toEqual([
    ...new Array<string>(7).fill('locked'),
    'alloc',
  ]);
  expect(pcpList(buddy, 1)).toBe('[10003 10004 10005 10006]');
  expect(freeCounter(buddy)).toEqual([1024, -7]);
  expect(freeLists(buddy)[0]).toBe('M0 [10007]');
  buddy.freePages(0x10001, 0);
  buddy.freePages(0x10000, 0);
  expect(pcpList(buddy, 1)).toBe('[10000 10001 10003 10004 10005 10006]');
  expect([buddy.allocPages(MOVABLE, 0), buddy.allocPages(MOVABLE, 0)]).toEqual([0x10000, 0x10001]);
  events.length = 0;
  buddy.drainLocalPages();
  expect(events).toEqual([
    'drain 10006 0 1',
    'drain 10005 0 1',
    'drain 10004 0 1',
    'drain 10003 0 1',
  ]);
  expect(freeLists(buddy)).toEqual([
    'M0 [10003]',
    'M2 [10004]',
    'M3 [10008]',
    'M4 [10010]',
    'M5 [10020]',
    'M6 [10040]',
    'M7 [10080]',
    'M8 [10100]',
    'M9 [10200]',
  ]);
  expect(freeCounter(buddy)).toEqual([1024, -3]);
});

test('7.3 head or tail', () => {
  const free = {
    M3: [0x10008],
    M4: [0x10010],
    M5: [0x10020],
    M6: [0x10040],
    M7: [0x10080],
    M8: [0x10100],
    M9: [0x10200],
  };
  const buddy = world({ zones: [{ start: 0x10000, pages: 1024, free }] });
  const low = (): string[] => freeLists(buddy).filter((line) => /^M[012] /.test(line));
  const after = (pfn: number): string[] => {
    buddy.freePages(pfn, 0);
    return low();
  };
  expect(after(0x10002)).toEqual(['M0 [10002]']);
  expect(after(0x10005)).toEqual(['M0 [10005 10002]']);
  expect(after(0x10007)).toEqual(['M0 [10007 10005 10002]']);
  expect(after(0x10003)).toEqual(['M0 [10007 10005]', 'M1 [10002]']);
  expect(after(0x10000)).toEqual(['M0 [10007 10005 10000]', 'M1 [10002]']);
  expect(after(0x10001)).toEqual(['M0 [10007 10005]', 'M2 [10000]']);
  buddy.freePages(0x10006, 0);
  buddy.freePages(0x10004, 0);
  expect(freeLists(buddy)).toEqual(['M10 [10000]']);
});

test('7.4 an unmovable steal of a whole pageblock, the smaller block returned, a boost', () => {
  const { trace, events } = recorder();
  const woken: number[][] = [];
  const buddy = world({
    zones: [
      {
        start: 0x10000,
        pages: 4096,
        watermark: [0, 0, 300],
        free: { M6: [0x10240], M7: [0x10280], M8: [0x10300] },
      },
    ],
    options: { trace, hooks: { wakeupKswapd: (...args) => woken.push(args) } },
  });
  for (let pfn = 0x10200; pfn < 0x10240; pfn++) buddy.setPageLru(pfn, true);
  expect(buddy.allocPages(KSWAPD, 0)).toBe(0x10240);
  const zone = buddy.state.zones[NORMAL];
  expect(zone.watermarkBoost).toBe(512);
  expect(zone.flags & ZoneFlag.ZONE_BOOSTED_WATERMARK).toBe(0);
  expect(woken).toEqual([[NORMAL, 0, 0, 2]]);
  expect(typeOf(buddy, 0x10200)).toBe(Migratetype.MIGRATE_UNMOVABLE);
  expect(events).toContain('extfrag 10300 0 8 0 1 1');
  expect(freeLists(buddy)).toEqual([
    'U0 [10241]',
    'U1 [10242]',
    'U2 [10244]',
    'U3 [10248]',
    'U4 [10250]',
    'U5 [10260]',
    'U7 [10280]',
    'U8 [10300]',
  ]);
  expect(freeCounter(buddy)[0]).toBe(447);
});

test('7.5 too little to claim the pageblock: list and pageblock type disagree', () => {
  const { trace, events } = recorder();
  const buddy = world({
    zones: [{ start: 0x10000, pages: 512, free: { M1: [0x10014], M0: [0x10030] } }],
    batch: 2,
    high: 8,
    options: { trace },
  });
  const { flags, refcount } = buddy.state.map;
  for (let pfn = 0x10000; pfn < 0x10200; pfn++) if (refcount[pfn] > 0) flags[pfn] = 0x10;
  expect(buddy.allocPages(UNMOVABLE, 0)).toBe(0x10030);
  expect(events).toContain('extfrag 10014 0 1 0 1 0');
  expect(typeOf(buddy, 0x10014)).toBe(Migratetype.MIGRATE_MOVABLE);
  expect(pcpList(buddy, 0)).toBe('[10014]');
  expect(freeLists(buddy)).toEqual(['U0 [10015]']);
  buddy.drainLocalPages();
  expect(freeLists(buddy)).toEqual(['U1 [10014]']);
  buddy.freePages(0x10030, 0);
  expect(pcpList(buddy, 1)).toBe('[10030]');
  buddy.drainLocalPages();
  expect(freeLists(buddy)).toEqual(['U1 [10014]', 'M0 [10030]']);
});

test('7.6 a movable request and only small foreign blocks: smallest first', () => {
  const { trace, events } = recorder();
  const buddy = world({
    zones: [
      {
        start: 0x10000,
        pages: 1024,
        types: { 65536: Migratetype.MIGRATE_UNMOVABLE },
        free: { U1: [0x10002, 0x10020], U3: [0x10008] },
      },
    ],
    options: { trace },
  });
  expect(buddy.allocPages(MOVABLE, 0)).toBe(0x10002);
  expect(events).toContain('extfrag 10002 0 1 1 0 0');
  expect(freeLists(buddy)).toEqual(['U1 [10020]', 'U3 [10008]', 'M0 [10003]']);
  expect(typeOf(buddy, 0x10000)).toBe(Migratetype.MIGRATE_UNMOVABLE);
  expect(buddy.allocPages(MOVABLE, 2)).toBe(0x10008);
  expect(freeLists(buddy)).toEqual(['U1 [10020]', 'M0 [10003]', 'M2 [1000c]']);
});

test('7.7 flush scaling', () => {
  const { trace, events } = recorder();
  const buddy = world({
    zones: [{ start: 0x10000, pages: 4096, free: { M9: [0x10c00] } }],
    batch: 7,
    high: 60,
    options: { trace },
  });
  buddy.allocPages(MOVABLE, 0);
  buddy.state.pagesets.count[NORMAL] = 1;
  buddy.drainLocalPages();
  // One page is on the list before the series begins.
  buddy.freePages(0x10400, 0);
  events.length = 0;
  const flushes: string[] = [];
  for (let i = 1; i <= 300; i++) {
    const before = events.length;
    // Every other page, so that nothing merges on the list and each is one event.
    buddy.freePages(0x10400 + 2 * i, 0);
    const drained = events.slice(before).filter((event) => event.startsWith('drain')).length;
    const { count, factor } = pcpNumbers(buddy);
    if (drained > 0) flushes.push(`${i}: ${drained} -> ${count} factor ${factor}`);
  }
  expect(flushes).toEqual([
    '59: 7 -> 53 factor 1',
    '66: 14 -> 46 factor 2',
    '80: 28 -> 32 factor 3',
    '108: 53 -> 7 factor 3',
    '161: 53 -> 7 factor 3',
    '214: 53 -> 7 factor 3',
    '267: 53 -> 7 factor 3',
  ]);
  expect(pcpNumbers(buddy)).toEqual({ count: 40, factor: 3 });
  buddy.allocPages(MOVABLE, 0);
  expect(pcpNumbers(buddy)).toEqual({ count: 39, factor: 1 });
  buddy.allocPages(MOVABLE, 0);
  expect(pcpNumbers(buddy)).toEqual({ count: 38, factor: 0 });
  const block = buddy.allocPages(MOVABLE, 2) as number;
  expect(pcpNumbers(buddy)).toEqual({ count: 42, factor: 0 });
  buddy.state.pagesets.freeFactor[NORMAL] = 1;
  buddy.freePages(block, 2);
  expect(pcpNumbers(buddy)).toEqual({ count: 0, factor: 1 });
});

test('7.7 flush scaling with a large batch', () => {
  const { trace, events } = recorder();
  const buddy = world({
    zones: [{ start: 0x10000, pages: 4096, free: {} }],
    batch: 63,
    high: 300,
    options: { trace },
  });
  const sizes: number[] = [];
  for (let i = 0; i < 1500; i++) {
    const before = events.length;
    buddy.freePages(0x10000 + 2 * i, 0);
    const drained = events.slice(before).filter((event) => event.startsWith('drain')).length;
    if (drained > 0) sizes.push(drained);
  }
  expect(sizes.slice(0, 5)).toEqual([63, 126, 237, 237, 237]);
  expect(pcpNumbers(buddy).factor).toBe(2);
});

test('7.8 flush order across lists', () => {
  const { trace, events } = recorder();
  const buddy = world({
    zones: [{ start: 0x10000, pages: 1024, free: {} }],
    batch: 2,
    high: 12,
    options: { trace },
  });
  const { map } = buddy.state;
  for (const head of [0x10020, 0x10022]) {
    map.refcount[head + 1] = 0;
    map.blockState[head] = 0x72;
  }
  const order0 = [0x10000, 0x10002, 0x10004, 0x10006, 0x10008, 0x1000a, 0x1000c, 0x1000e, 0x10010];
  buddy.freePages(0x10020, 1);
  for (const pfn of order0) buddy.freePages(pfn, 0);
  expect(pcpNumbers(buddy)).toEqual({ count: 11, factor: 0 });
  events.length = 0;
  buddy.freePages(0x10012, 0);
  expect(events.slice(1)).toEqual(['drain 10000 0 1', 'drain 10002 0 1']);
  expect(pcpNumbers(buddy)).toEqual({ count: 10, factor: 1 });
  buddy.freePages(0x10014, 0);
  events.length = 0;
  buddy.freePages(0x10022, 1);
  expect(events.slice(1)).toEqual([
    'drain 10020 1 1',
    'drain 10022 1 1',
    ...[4, 6, 8, 0xa, 0xc, 0xe, 0x10, 0x12, 0x14].map(
      (offset) => `drain ${(0x10000 + offset).toString(16)} 0 1`,
    ),
  ]);
  expect(pcpNumbers(buddy).count).toBe(0);
});

test('7.10 NOFRAGMENT turns to DMA32 before it breaks a foreign pageblock', () => {
  const { trace, events } = recorder();
  const buddy = world({
    zones: [
      { name: 'DMA32', start: 0x8000, pages: 1024, free: { M10: [0x8000] } },
      { name: 'Normal', start: 0x10000, pages: 1024, free: { M8: [0x10300] } },
    ],
    options: { trace },
  });
  expect(buddy.allocPages(Gfp.GFP_KERNEL, 0)).toBe(0x8000);
  expect(events).toContain('extfrag 8000 0 10 0 1 1');
  // DMA32 is left with unmovable blocks of orders up to 8 only.
  expect(buddy.allocPages(Gfp.GFP_KERNEL | Gfp.GFP_DMA32, 9)).toBe(0x8200);
  const reclaimable = Gfp.GFP_KERNEL | RECLAIMABLE;
  expect(buddy.allocPages(reclaimable, 0)).toBe(0x10300);
  expect(typeOf(buddy, 0x10200)).toBe(Migratetype.MIGRATE_RECLAIMABLE);
});

test('7.11 high-order atomic', () => {
  const buddy = world({
    zones: [{ start: 0x10000, pages: 2048, managed: 40000, free: { M10: [0x10000, 0x10400] } }],
  });
  const ac = new AllocContext();
  ac.zonelist = buddy.model.nodes[0].zonelists[0];
  ac.highestZoneidx = 2;
  const zone = buddy.state.zones[NORMAL];
  expect(buddy.getPageFromFreelist(Gfp.GFP_ATOMIC, 4, 0xa30, ac, 0)).toBe(0x10000);
  expect(typeOf(buddy, 0x10000)).toBe(Migratetype.MIGRATE_HIGHATOMIC);
  expect(zone.nrReservedHighatomic).toBe(512);
  expect(freeLists(buddy)).toEqual([
    'U9 [10200]',
    'M10 [10400]',
    'H4 [10010]',
    'H5 [10020]',
    'H6 [10040]',
    'H7 [10080]',
    'H8 [10100]',
  ]);
  expect(buddy.getPageFromFreelist(Gfp.GFP_ATOMIC, 4, 0xa30, ac, 0)).toBe(0x10010);
  expect(zone.nrReservedHighatomic).toBe(512);
  expect(buddy.allocPages(UNMOVABLE, 0)).toBe(0x10200);
  expect(buddy.unreserveHighatomicPageblock(ac, false)).toBe(false);
  ac.migratetype = Migratetype.MIGRATE_MOVABLE;
  expect(buddy.unreserveHighatomicPageblock(ac, true)).toBe(true);
  expect(zone.nrReservedHighatomic).toBe(0);
  expect(typeOf(buddy, 0x10000)).toBe(Migratetype.MIGRATE_MOVABLE);
  expect(freeLists(buddy).filter((line) => /^[MH]/.test(line))).toEqual([
    'M5 [10020]',
    'M6 [10040]',
    'M7 [10080]',
    'M8 [10100]',
    'M10 [10400]',
  ]);
});

test('7.12 two CPUs and the counters', () => {
  const buddy = world({
    zones: [{ start: 0x10000, pages: 1024, free: { M10: [0x10000] } }],
    cpuNode: [0, 0, 0],
    batch: 7,
    high: 28,
    threshold: 10,
  });
  expect(buddy.allocPages(MOVABLE, 0, -1, 0)).toBe(0x10000);
  expect(buddy.allocPages(MOVABLE, 0, -1, 1)).toBe(0x10007);
  expect(buddy.allocPages(UNMOVABLE, 0, -1, 1)).toBe(0x10200);
  expect(freeCounter(buddy)).toEqual([1010, -7, 0, 0]);
  buddy.freePages(0x10007, 0, 0);
  expect(pcpList(buddy, 1, 0)).toBe('[10007 10001 10002 10003 10004 10005 10006]');
  buddy.drainAllPages(2);
  expect(freeCounter(buddy)).toEqual([1021, -7, 0, 8]);
  expect(brokenRules(buddy.state)).toEqual([]);
});

test('7.13 an order-3 block with an extra reference', () => {
  const { trace, events } = recorder();
  const buddy = world({
    zones: [{ start: 0x10000, pages: 1024, free: { M10: [0x10000] } }],
    batch: 7,
    high: 60,
    options: { trace },
  });
  const page = buddy.allocPages(MOVABLE, 3) as number;
  buddy.drainAllPages();
  buddy.getPage(page);
  const freed = buddy.state.vmstat.events[VmEvent.pgfree];
  events.length = 0;
  buddy.freePages(page, 3);
  expect(events).toEqual(['free 10004 2', 'free 10002 1', 'free 10001 0']);
  expect(buddy.state.vmstat.events[VmEvent.pgfree] - freed).toBe(7);
  expect([pcpList(buddy, 7), pcpList(buddy, 4), pcpList(buddy, 1)]).toEqual([
    '[10004]',
    '[10002]',
    '[10001]',
  ]);
  buddy.putPage(page);
  expect(pcpList(buddy, 1)).toBe('[10000 10001]');
  expect(codeOf(() => buddy.putPage(page))).toBe('DOUBLE_FREE');
});

test('7.14 fragment metrics', () => {
  const buddy = world({ zones: [{ start: 0x10000, pages: 1024, free: {} }] });
  buddy.state.areas.nrFree.set([10, 5, 3, 1], NORMAL * 11);
  const indices = [0, 1, 2, 3, 4].map((order) => buddy.fragmentationIndex(NORMAL, order));
  expect(indices).toEqual([-1000, -1000, -1000, -1000, 816]);
  const unusable = [0, 1, 2, 3, 4].map((order) => buddy.unusableFreeIndex(NORMAL, order));
  expect(unusable).toEqual([0, 250, 500, 800, 1000]);
  expect(buddy.extfragForOrder(NORMAL, 3)).toBe(80);
  buddy.state.areas.nrFree.set([0, 0, 1, 0], NORMAL * 11);
  expect(buddy.fragmentationIndex(NORMAL, 3)).toBe(-500);
  buddy.state.areas.nrFree.set([0, 0, 0, 0], NORMAL * 11);
  expect(buddy.fragmentationIndex(NORMAL, 3)).toBe(0);
  expect(buddy.unusableFreeIndex(NORMAL, 3)).toBe(1000);
  expect(buddy.extfragForOrder(NORMAL, 3)).toBe(0);
});
