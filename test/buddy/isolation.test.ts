// covers: src/buddy/contig.ts src/buddy/unmovable.ts src/buddy/isolate-free-page.ts
import { describe, expect, test } from 'vitest';
import { splitFreePage } from '../../src/buddy/isolation.ts';
import { unmovablePage } from '../../src/buddy/unmovable.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { Migratetype } from '../../src/mm/migratetype.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { pageblockMigratetype } from '../../src/mm/page-map.ts';
import { brokenRules, codeOf, freeCounter, freeLists, idOf, recorder, world } from './world.ts';

const NORMAL = idOf('Normal');
const MOVABLE = Gfp.__GFP_MOVABLE;
const EBUSY = -16;

const whole = (blocks: number[] = [0x10000, 0x10400], options = {}) =>
  world({
    zones: [{ start: 0x10000, pages: 2048, free: { M10: blocks } }],
    batch: 7,
    high: 28,
    options,
  });

describe('isolation of pageblocks (spec buddy 4.34)', () => {
  test('splits the block that reaches over the border, and mends it again', () => {
    const buddy = whole();
    expect(buddy.startIsolatePageRange(0x10200, 0x10400)).toBe(0);
    expect(freeLists(buddy)).toEqual(['M9 [10000]', 'M10 [10400]', 'I9 [10200]']);
    expect(freeCounter(buddy)[0]).toBe(1536);
    expect(buddy.state.zones[NORMAL].nrIsolatePageblock).toBe(1);
    expect(brokenRules(buddy.state)).toEqual([]);
    expect(buddy.startIsolatePageRange(0x10200, 0x10400)).toBe(EBUSY);
    buddy.undoIsolatePageRange(0x10200, 0x10400);
    expect(freeLists(buddy)).toEqual(['M10 [10400 10000]']);
    expect(freeCounter(buddy)[0]).toBe(2048);
    expect(buddy.state.zones[NORMAL].nrIsolatePageblock).toBe(0);
  });

  test('rounds outward, and undoes all of it when a part fails', () => {
    const buddy = whole();
    const unmovable = buddy.allocPages(0, 0) as number;
    buddy.drainAllPages();
    const before = freeLists(buddy);
    expect(buddy.startIsolatePageRange(unmovable + 0x1f0, unmovable + 0x610)).toBe(EBUSY);
    expect(freeLists(buddy).map((line) => line.replace(/\[.*/, ''))).toEqual(
      before.map((line) => line.replace(/\[.*/, '')),
    );
    expect(buddy.state.zones[NORMAL].nrIsolatePageblock).toBe(0);
    expect(brokenRules(buddy.state)).toEqual([]);
  });

  test('knows what can be moved', () => {
    const buddy = whole();
    const { state } = buddy;
    const zone = state.zones[NORMAL];
    const compound = buddy.allocPages(MOVABLE | Gfp.__GFP_COMP, 2) as number;
    const page = buddy.allocPages(MOVABLE, 0) as number;
    const first = (flags = 0): number => unmovablePage(state, zone, 0x10000, 0x10200, flags);
    expect(first()).toBe(compound);
    buddy.setPageLru(compound, true);
    expect(first()).toBe(page);
    buddy.setPageMovable(page, true);
    expect(first()).toBe(-1);
    buddy.setPageMovable(page, false);
    state.map.flags[page] |= PageFlag.PG_hwpoison;
    expect([first(0), first(1)]).toEqual([page, -1]);
    state.map.flags[page] = PageFlag.PG_reserved;
    expect(first(1)).toBe(page);
    const movable = world({
      zones: [{ name: 'Movable', start: 0x10000, pages: 1024, free: {} }],
    });
    const id = idOf('Movable');
    expect(unmovablePage(movable.state, movable.state.zones[id], 0x10000, 0x10200, 0)).toBe(-1);
  });

  test('a free block is split at any offset', () => {
    const buddy = whole();
    expect(splitFreePage(buddy.state, 0x10000, 10, 0, 0)).toBe(0);
    expect(splitFreePage(buddy.state, 0x10200, 9, 16, 0)).toBe(-2);
    expect(splitFreePage(buddy.state, 0x10000, 10, 0x200, 0)).toBe(0);
    expect(freeLists(buddy)).toEqual(['M10 [10000 10400]']);
    expect(freeCounter(buddy)[0]).toBe(2048);
  });

  test('one free block is taken only if the zone can spare it', () => {
    const buddy = whole();
    const zone = buddy.state.zones[NORMAL];
    zone.watermark.set([1024]);
    expect(buddy.isolateFreePage(0x10000, 10)).toBe(0);
    zone.watermark.set([1]);
    expect(buddy.isolateFreePage(0x10000, 10)).toBe(1024);
    expect(freeLists(buddy)).toEqual(['M10 [10400]']);
    expect(freeCounter(buddy)[0]).toBe(1024);
    buddy.putbackIsolatedPage(0x10000, 10, Migratetype.MIGRATE_RECLAIMABLE);
    expect(freeLists(buddy)).toEqual(['M10 [10400]', 'E10 [10000]']);
    expect(buddy.isolateFreePage(0x10000, 10)).toBe(1024);
    buddy.prepNewPage(0x10000, 10, 0, 0);
    buddy.freePages(0x10000, 10);
  });

  test('makes the pageblocks of a large block movable', () => {
    const buddy = world({
      zones: [
        { start: 0x10000, pages: 512, types: { 65536: 2 }, free: { E8: [0x10000], E0: [0x10101] } },
      ],
    });
    expect(buddy.isolateFreePage(0x10000, 8)).toBe(256);
    expect(pageblockMigratetype(buddy.state.map, 0x10000)).toBe(1);
  });
});

describe('contiguous ranges (spec buddy 4.35)', () => {
  test('are cut out of what is free, ragged at both ends', () => {
    const { trace, events } = recorder();
    const buddy = whole([0x10000, 0x10400], { trace });
    expect(buddy.allocContigRange(0x10005, 0x10403)).toBe(0);
    expect(events).toContain('isolated 10000 10403 10600');
    expect(freeCounter(buddy)[0]).toBe(2048 - 0x3fe);
    expect(brokenRules(buddy.state)).toEqual([]);
    expect(buddy.locate(0x10005)).toMatchObject({ place: 'allocated', order: 0, refcount: 1 });
    expect(buddy.locate(0x10004)).toMatchObject({ place: 'buddy', order: 0 });
    buddy.freeContigRange(0x10005, 0x3fe);
    buddy.drainAllPages();
    expect(freeCounter(buddy)[0]).toBe(2048);
    expect(brokenRules(buddy.state)).toEqual([]);
  });

  test('are refused where something stays, and the host can move it away', () => {
    const buddy = whole();
    const page = buddy.allocPages(MOVABLE, 0) as number;
    buddy.setPageLru(page, true);
    expect(buddy.allocContigRange(0x10000, 0x10010)).toBe(EBUSY);
    expect(buddy.state.zones[NORMAL].nrIsolatePageblock).toBe(0);
    buddy.hooks = { migratePages: () => -12 };
    expect(buddy.allocContigRange(0x10000, 0x10010)).toBe(-12);
    buddy.hooks = {
      migratePages: (start, end, cpu) => {
        expect([start, end, cpu]).toEqual([0x10000, 0x10010, 0]);
        buddy.setPageLru(page, false);
        buddy.freePages(page, 0, cpu);
        return EBUSY;
      },
    };
    expect(buddy.allocContigRange(0x10000, 0x10010)).toBe(0);
    expect(buddy.locate(page)).toMatchObject({ place: 'allocated' });
  });

  test('move a compound page that reaches over the border first', () => {
    const buddy = whole();
    buddy.freePages(buddy.allocPages(MOVABLE, 10) as number, 10);
    const compound = buddy.allocPages(MOVABLE | Gfp.__GFP_COMP, 10) as number;
    expect(buddy.startIsolatePageRange(compound + 0x200, compound + 0x400)).toBe(EBUSY);
    buddy.setPageLru(compound, true);
    expect(buddy.startIsolatePageRange(compound + 0x200, compound + 0x400)).toBe(EBUSY);
    buddy.hooks = {
      migratePages: (start) => {
        buddy.setPageLru(start, false);
        buddy.freePages(start, 10);
        return 0;
      },
    };
    expect(buddy.startIsolatePageRange(compound + 0x200, compound + 0x400)).toBe(0);
    expect(brokenRules(buddy.state)).toEqual([]);
  });

  test('are found anywhere, at multiples of their size', () => {
    const buddy = world({
      zones: [
        { start: 0x10000, pages: 1024, free: { M9: [0x10200] } },
        { node: 1, start: 0x20000, pages: 1024, free: { M10: [0x20000] } },
      ],
      cpuNode: [0, 1],
    });
    expect(buddy.allocContigPages(200, MOVABLE)).toBe(0x10298);
    expect(buddy.allocContigPages(200, MOVABLE)).toBe(0x20080);
    expect(buddy.allocContigPages(200, MOVABLE | Gfp.__GFP_THISNODE)).toBeNull();
    expect(buddy.allocContigPages(100, MOVABLE, 0, [1])).not.toBeNull();
    expect(codeOf(() => buddy.allocContigPages(0, MOVABLE))).toBe('BAD_ARGUMENT');
    expect(brokenRules(buddy.state)).toEqual([]);
  });

  test('that somebody else still uses are warned about', () => {
    const lines: string[] = [];
    const buddy = whole([0x10000, 0x10400], { log: (line: string) => lines.push(line) });
    expect(buddy.allocContigRange(0x10000, 0x10008)).toBe(0);
    buddy.getPage(0x10003);
    buddy.freeContigRange(0x10000, 8);
    expect(lines).toEqual(['1 pages are still in use!']);
    buddy.putPage(0x10003);
  });

  test('must lie in a zone and not be empty', () => {
    const buddy = whole();
    expect(codeOf(() => buddy.allocContigRange(0x10000, 0x10000))).toBe('FOREIGN_PAGE');
    expect(codeOf(() => buddy.allocContigRange(0x10010, 0x10008))).toBe('BAD_REQUEST');
    expect(codeOf(() => buddy.startIsolatePageRange(0x5000, 0x10008))).toBe('FOREIGN_PAGE');
    expect(codeOf(() => buddy.undoIsolatePageRange(0x10000, 0x90000))).toBe('FOREIGN_PAGE');
  });
});
