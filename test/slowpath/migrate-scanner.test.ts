import { describe, expect, it } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import { pageblockSkip, setPageblockSkip } from '../../src/mm/page-map.ts';
import { NodeStatItem, VmEvent } from '../../src/mm/vm-items.ts';
import { nodeState, vmEvent } from '../../src/mm/vmstat.ts';
import { CompactControl, type CompactRequest } from '../../src/slowpath/compact-control.ts';
import {
  ISOLATE_ASYNC_MIGRATE,
  ISOLATE_UNEVICTABLE,
  isolateMigratepagesBlock,
} from '../../src/slowpath/migrate-scanner.ts';
import { putbackMovablePages } from '../../src/slowpath/putback.ts';
import { createWorld, type Kind, type World, type WorldOptions } from './world.ts';

const BASE = 0x2000;
const END = 0x2200;
const BOTH = ISOLATE_ASYNC_MIGRATE | ISOLATE_UNEVICTABLE;

/** One pageblock whose first pages are as listed; the rest is fixed. */
function block(kinds: readonly Kind[], more: Partial<WorldOptions> = {}): World {
  return createWorld({
    startPfn: BASE,
    endPfn: 0x2400,
    watermark: [4, 5, 6],
    kind: (pfn) => kinds[pfn - BASE] ?? 'fixed',
    ...more,
  });
}

function control(world: World, fields: Partial<CompactRequest> = {}): CompactControl {
  const request: CompactRequest = {
    order: 2,
    gfp: Gfp.GFP_KERNEL,
    allocFlags: 0,
    highestZoneidx: 3,
    mode: 1,
    direct: true,
    cpu: 0,
    ...fields,
  };
  const cc = new CompactControl(request, world.zone, world.ctx.zones[world.zone.id]);
  cc.migratePfn = BASE;
  cc.freePfn = 0x2200;
  return cc;
}

const taken = (cc: CompactControl): number[] => cc.migratepages.toReversed();

describe('isolate_migratepages_block (spec slowpath-compaction 4.18)', () => {
  it('example 5: an async scan gives up the piece around a page that cannot move', () => {
    const kinds: Kind[] = ['lru', 'free', 'lru', 'fixed', 'lru', 'lru', 'free', 'free'];
    const world = block(kinds, { freeOrder: (pfn) => (pfn === BASE + 6 ? 1 : 0) });
    const cc = control(world, { mode: 0 });
    expect(isolateMigratepagesBlock(world.ctx, cc, BASE, END, BOTH)).toBe(true);
    expect(world.events).toEqual([
      'mm_compaction_isolate_migratepages: range=(0x2000 ~ 0x2008) nr_scanned=7 nr_taken=2',
    ]);
    expect(taken(cc)).toEqual([BASE + 5, BASE + 4]);
    expect(pageblockSkip(world.model.map, BASE)).toBe(true);
    // The two pages of the piece given up are on the list again.
    expect(world.lru.pages).toEqual([BASE, BASE + 2]);
  });

  it('a synchronous scan takes 32 pages, highest first on the list', () => {
    const world = block(Array.from({ length: 40 }, () => 'lru'));
    const cc = control(world);
    isolateMigratepagesBlock(world.ctx, cc, BASE, END, BOTH);
    expect(taken(cc)).toEqual(Array.from({ length: 32 }, (_, i) => BASE + 31 - i));
    expect(cc.migratePfn).toBe(BASE + 32);
    expect(cc.totalMigrateScanned).toBe(32);
    const { vmstat } = world.model;
    expect(vmEvent(vmstat, VmEvent.compact_isolated)).toBe(32);
    expect(nodeState(vmstat, 0, NodeStatItem.nr_isolated_anon)).toBe(32);
    expect(world.lru.pages).toHaveLength(8);
    putbackMovablePages(world.ctx, cc);
    expect(nodeState(vmstat, 0, NodeStatItem.nr_isolated_anon)).toBe(0);
    expect(world.lru.pages).toHaveLength(40);
    expect(world.lru.pages[0]).toBe(BASE);
  });

  it('a second visit takes everything left', () => {
    const world = block(Array.from({ length: 512 }, () => 'lru'));
    const cc = control(world);
    cc.rescan = true;
    isolateMigratepagesBlock(world.ctx, cc, BASE, END, BOTH);
    expect(cc.nrMigratepages).toBe(512);
    expect(cc.state.cachedMigratePfn).toEqual([0x2400, 0x2400]);
  });

  it('steps over free blocks and compound pages as a whole', () => {
    const world = block(['huge', ...Array<Kind>(7).fill('huge'), 'free'], {
      freeOrder: (pfn) => (pfn === BASE || pfn === BASE + 8 ? 3 : 0),
    });
    const cc = control(world);
    isolateMigratepagesBlock(world.ctx, cc, BASE, BASE + 16, BOTH);
    expect(world.events).toEqual([
      'mm_compaction_isolate_migratepages: range=(0x2000 ~ 0x2010) nr_scanned=2 nr_taken=0',
    ]);
  });

  it('a tail of a compound page is one page', () => {
    const world = block(['huge'], { freeOrder: (pfn) => (pfn === BASE ? 3 : 0) });
    const cc = control(world);
    isolateMigratepagesBlock(world.ctx, cc, BASE + 4, BASE + 8, BOTH);
    expect(cc.totalMigrateScanned).toBe(4);
  });

  it('a skip hint ends a scan that begins at the block, and only that', () => {
    const world = block(['lru', 'lru']);
    setPageblockSkip(world.model.map, BASE, true);
    const cc = control(world);
    isolateMigratepagesBlock(world.ctx, cc, BASE, END, BOTH);
    expect(cc.nrMigratepages).toBe(0);
    expect(cc.migratePfn).toBe(END);
    expect(world.events[0]).toContain('nr_scanned=1 nr_taken=0');
    expect(cc.state.cachedMigratePfn[1]).toBe(0x2400);
    isolateMigratepagesBlock(world.ctx, cc, BASE + 1, END, BOTH);
    expect(taken(cc)).toEqual([BASE + 1]);
  });

  it('a block without a source gets its hint when its end is reached', () => {
    const world = block(['fixed']);
    isolateMigratepagesBlock(world.ctx, control(world), BASE, END, BOTH);
    expect(pageblockSkip(world.model.map, BASE)).toBe(true);
  });

  it('ignoring hints, it sets none on the first page taken', () => {
    const world = block(['lru']);
    const cc = control(world, { ignoreSkipHint: true });
    isolateMigratepagesBlock(world.ctx, cc, BASE, END, BOTH);
    expect(pageblockSkip(world.model.map, BASE)).toBe(false);
  });
});

describe('which pages can be isolated', () => {
  const { PG_dirty, PG_locked, PG_writeback, PG_unevictable, PG_swapbacked } = PageFlag;
  const FILE = PageMark.MAPPING;
  const LRU = PageFlag.PG_lru;
  interface Case {
    readonly name: string;
    readonly flags?: number;
    readonly mode?: number;
    readonly gfp?: number;
    readonly refcount?: number;
    readonly callback?: boolean;
    readonly takes: boolean;
  }
  const anon = PG_swapbacked | PageMark.MAPPING | PageMark.MAPPING_ANON;
  const cases: readonly Case[] = [
    { name: 'an anonymous page', takes: true },
    { name: 'a page being freed', refcount: 0, takes: false },
    { name: 'a pinned page', refcount: 2, takes: false },
    { name: 'a file page', flags: FILE, refcount: 2, takes: true },
    { name: 'a file page, without FS', flags: FILE, refcount: 2, gfp: Gfp.GFP_NOFS, takes: false },
    { name: 'an anonymous page, without FS', gfp: Gfp.GFP_NOFS, takes: true },
    {
      name: 'a page of the swap cache, without FS',
      flags: anon | PageFlag.PG_owner_priv_1,
      refcount: 2,
      gfp: Gfp.GFP_NOFS,
      takes: false,
    },
    { name: 'an unevictable page', flags: anon | PG_unevictable, takes: true },
    {
      name: 'an unevictable page that may not',
      flags: anon | PG_unevictable,
      mode: ISOLATE_ASYNC_MIGRATE,
      takes: false,
    },
    { name: 'a page in write-back', flags: FILE | PG_writeback, takes: false },
    { name: 'one in write-back, waiting', flags: FILE | PG_writeback, mode: 8, takes: true },
    { name: 'a dirty page', flags: FILE | PG_dirty, takes: true },
    { name: 'a dirty page that somebody locked', flags: FILE | PG_dirty | PG_locked, takes: false },
    {
      name: 'a dirty page without callback',
      flags: FILE | PG_dirty,
      callback: false,
      takes: false,
    },
    {
      name: 'a dirty page without callback, waiting',
      flags: FILE | PG_dirty,
      callback: false,
      mode: 8,
      takes: true,
    },
    { name: 'a dirty anonymous page', flags: anon | PG_dirty, callback: false, takes: true },
  ];

  it.each(cases)('$name: $takes', ({ flags, mode, gfp, refcount, callback, takes }) => {
    const world = block(['lru'], { host: { hasMigrateCallback: () => callback ?? true } });
    const { map } = world.model;
    map.flags[BASE] = (flags ?? anon) | LRU;
    map.refcount[BASE] = refcount ?? 1;
    const cc = control(world, { gfp: gfp ?? Gfp.GFP_KERNEL });
    isolateMigratepagesBlock(world.ctx, cc, BASE, END, mode ?? BOTH);
    expect(taken(cc)).toEqual(takes ? [BASE] : []);
    if (takes) {
      const { vmstat } = world.model;
      const file = (map.flags[BASE] & PG_swapbacked) === 0;
      expect(nodeState(vmstat, 0, NodeStatItem.nr_isolated_file)).toBe(file ? 1 : 0);
      expect(map.flags[BASE] & LRU).toBe(0);
      expect(map.refcount[BASE]).toBe((refcount ?? 1) + 1);
    }
  });

  it('a page that a driver moves is taken if the driver agrees, and given back', () => {
    const asked: string[] = [];
    const world = block(['fixed', 'fixed', 'fixed'], {
      host: {
        isolatePage: (pfn) => {
          asked.push(`isolate ${pfn - BASE}`);
          return pfn === BASE;
        },
        putbackPage: (pfn) => asked.push(`back ${pfn - BASE}`),
      },
    });
    const { map } = world.model;
    for (const pfn of [BASE, BASE + 1, BASE + 2]) map.flags[pfn] = PageMark.MAPPING_MOVABLE;
    map.flags[BASE + 2] |= PG_locked;
    const cc = control(world);
    isolateMigratepagesBlock(world.ctx, cc, BASE, END, BOTH);
    expect(taken(cc)).toEqual([BASE]);
    expect(map.refcount[BASE]).toBe(2);
    putbackMovablePages(world.ctx, cc);
    expect(asked).toEqual(['isolate 0', 'isolate 1', 'back 0']);
    expect(map.refcount[BASE]).toBe(1);
  });
});

describe('what ends a scan', () => {
  it('a fatal signal, at a multiple of 32', () => {
    const world = block(Array.from({ length: 40 }, () => 'lru'));
    world.ctx.task.fatalSignalPending = true;
    const cc = control(world);
    expect(isolateMigratepagesBlock(world.ctx, cc, BASE + 30, END, BOTH)).toBe(false);
    expect(cc.contended).toBe(true);
    expect(cc.nrMigratepages).toBe(2);
    expect(cc.totalMigrateScanned).toBe(2);
    expect(world.events).toEqual([]);
  });

  it('too many isolated pages: async gives up, sync asks again', () => {
    let asked = 0;
    const host = { tooManyIsolated: () => asked++ < 3 };
    const world = block(['lru'], { host });
    expect(isolateMigratepagesBlock(world.ctx, control(world, { mode: 0 }), BASE, END, BOTH)).toBe(
      false,
    );
    expect(asked).toBe(1);
    const cc = control(world);
    expect(isolateMigratepagesBlock(world.ctx, cc, BASE, END, BOTH)).toBe(true);
    expect(asked).toBe(4);
    expect(taken(cc)).toEqual([BASE]);
    asked = 0;
    world.ctx.task.fatalSignalPending = true;
    expect(isolateMigratepagesBlock(world.ctx, control(world), BASE, END, BOTH)).toBe(false);
  });
});
