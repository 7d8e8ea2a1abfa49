// covers: src/slowpath/putback.ts src/slowpath/compact-control.ts
import { describe, expect, it } from 'vitest';
import { sparseMemory } from '../../src/memory/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import { NodeStatItem, VmEvent } from '../../src/mm/vm-items.ts';
import { nodeState, vmEvent } from '../../src/mm/vmstat.ts';
import { CompactControl, directCompactRequest } from '../../src/slowpath/compact-control.ts';
import { compactMemory } from '../../src/slowpath/kcompactd.ts';
import { ENOMEM, migratePages } from '../../src/slowpath/migrate.ts';
import {
  ISOLATE_UNEVICTABLE,
  isolateMigratepagesBlock,
} from '../../src/slowpath/migrate-scanner.ts';
import { putbackMovablePages } from '../../src/slowpath/putback.ts';
import { claimedOf, createWorld, type World, type WorldOptions, wrongOwners } from './world.ts';

const START = 0x1000;

const OPTIONS: WorldOptions = {
  startPfn: START,
  endPfn: 0x1800,
  watermark: [-100, -90, -80],
  kind: (pfn) => (pfn < START + 4 ? 'lru' : pfn >= 0x1600 && pfn < 0x1610 ? 'free' : 'fixed'),
};

function world(more: Partial<WorldOptions> = {}): World {
  return createWorld({ ...OPTIONS, ...more });
}

/** A run with the four pages of the first block isolated. */
function isolated(of: World, mode = 1): CompactControl {
  const request = { order: -1, gfp: Gfp.GFP_KERNEL, allocFlags: 0, highestZoneidx: 3, mode };
  const cc = new CompactControl(
    { ...request, direct: false, cpu: 0 },
    of.zone,
    of.ctx.zones[of.zone.id],
  );
  cc.freePfn = 0x1600;
  isolateMigratepagesBlock(of.ctx, cc, START, 0x1200, ISOLATE_UNEVICTABLE);
  expect(cc.nrMigratepages).toBe(4);
  of.events.length = 0;
  return cc;
}

const sources = (cc: CompactControl): number[] => cc.migratepages.toReversed();
const short = (pages: readonly number[]): number[] => pages.map((pfn) => pfn - START);

describe('migrate_pages (spec slowpath-compaction 4.19)', () => {
  it('moves the highest source to the last target', () => {
    const of = world();
    const cc = isolated(of);
    expect(migratePages(of.ctx, cc)).toBe(0);
    expect(of.moves).toEqual(['1003>1603', '1002>1602', '1001>1601', '1000>1600']);
    expect(of.events.at(0)).toBe(
      'mm_migrate_pages_start: mode=MIGRATE_SYNC_LIGHT reason=compaction',
    );
    expect(of.events.at(-1)).toBe(
      'mm_migrate_pages: nr_succeeded=4 nr_failed=0 nr_thp_succeeded=0 nr_thp_failed=0 nr_thp_split=0 mode=MIGRATE_SYNC_LIGHT reason=compaction',
    );
    const { vmstat } = of.model;
    expect(vmEvent(vmstat, VmEvent.pgmigrate_success)).toBe(4);
    expect(nodeState(vmstat, 0, NodeStatItem.nr_isolated_anon)).toBe(0);
    expect(of.lru.pages).toEqual([0x1600, 0x1601, 0x1602, 0x1603]);
    expect(wrongOwners(of.model, claimedOf(of, OPTIONS))).toEqual([]);
  });

  it('content, flags, private word and counts follow', () => {
    const of = world();
    const memory = sparseMemory(0x1800 * 4096);
    memory.writeU32((START + 3) * 4096 + 8, 0xcafe);
    const { map } = of.model;
    const marks = PageFlag.PG_dirty | PageFlag.PG_mlocked | PageMark.MAPPING_UNEVICTABLE;
    map.flags[START + 3] |= marks | PageFlag.PG_waiters;
    map.private[START + 3] = 99;
    map.mapcount[START + 3] = 2;
    map.refcount[START + 3] = 2;
    const cc = isolated(of);
    migratePages({ ...of.ctx, memory }, cc);
    expect(memory.readU32(0x1603 * 4096 + 8)).toBe(0xcafe);
    expect(map.flags[0x1603] & marks).toBe(marks);
    expect(map.flags[0x1603] & PageFlag.PG_waiters).toBe(0);
    expect(map.private[0x1603]).toBe(99);
    expect(map.mapcount[0x1603]).toBe(2);
    expect(map.refcount[0x1603]).toBe(2);
    expect(map.refcount[START + 3]).toBe(0);
    expect(map.flags[START + 3]).toBe(0);
  });

  it('a page that was mapped is on its LRU list before the next one moves', () => {
    const of = world();
    const drained: number[] = [];
    const cc = isolated(of);
    of.model.map.mapcount[START + 1] = 0;
    const lru = Object.assign(Object.create(of.lru), {
      lruAddDrain: (cpu: number) => drained.push(cpu),
      putbackLruPage: () => drained.push(-1),
    });
    migratePages({ ...of.ctx, lru }, cc);
    expect(drained).toEqual([-1, 0, -1, 0, -1, -1, 0]);
  });

  it('AGAIN: the target is used for the next page; ten passes, then it is left', () => {
    const asked: number[] = [];
    const of = world({
      host: {
        migrate: (from) => {
          asked.push(from - START);
          return from === START + 2 ? 1 : 0;
        },
      },
    });
    const cc = isolated(of);
    expect(migratePages(of.ctx, cc)).toBe(1);
    expect(asked).toEqual([3, 2, 1, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    expect(of.moves).toEqual(['1003>1603', '1001>1602', '1000>1601']);
    expect(short(sources(cc))).toEqual([2]);
    expect(cc.freepages).toEqual([0x1600]);
    expect(vmEvent(of.model.vmstat, VmEvent.pgmigrate_fail)).toBe(1);
  });

  it('BUSY and whatever else a callback answers is final; those come first on what is left', () => {
    const of = world({
      host: { migrate: (from) => [0, -16, 1, 7][from - START] },
    });
    const cc = isolated(of);
    expect(migratePages(of.ctx, cc)).toBe(3);
    // In order of failure 3 and 1, then 2, which wanted another try.
    expect(short(sources(cc))).toEqual([3, 1, 2]);
    expect(of.moves).toEqual(['1000>1603']);
    putbackMovablePages(of.ctx, cc);
    expect(short(of.lru.pages.slice(0, 3))).toEqual([2, 1, 3]);
  });

  it('without targets the failing page and those waiting are counted, the rest is not', () => {
    const of = world({
      kind: (pfn) => (pfn < START + 4 ? 'lru' : pfn === 0x1600 ? 'free' : 'fixed'),
      host: { migrate: (from) => (from === START + 3 ? 1 : 0) },
    });
    const cc = isolated(of);
    expect(migratePages(of.ctx, cc)).toBe(ENOMEM);
    expect(short(sources(cc))).toEqual([3, 1, 0]);
    const { vmstat } = of.model;
    expect(vmEvent(vmstat, VmEvent.pgmigrate_success)).toBe(1);
    expect(vmEvent(vmstat, VmEvent.pgmigrate_fail)).toBe(2);
  });

  it('a source whose owner let go is freed without a target', () => {
    const of = world();
    const cc = isolated(of);
    of.model.map.refcount[START + 1] = 1;
    expect(migratePages(of.ctx, cc)).toBe(0);
    expect(of.moves).toEqual(['1003>1603', '1002>1602', '1000>1601']);
    expect(of.model.map.refcount[START + 1]).toBe(0);
    expect(nodeState(of.model.vmstat, 0, NodeStatItem.nr_isolated_anon)).toBe(0);
  });

  const { PG_locked, PG_writeback, PG_dirty } = PageFlag;
  it.each([
    ['a locked page is tried again', PG_locked, 1, 0],
    ['a page in write-back fails', PG_writeback, 1, 0],
    ['a page in write-back is waited for when everything is', PG_writeback, 2, 1],
    ['a dirty page that cannot migrate fails', PG_dirty | PageMark.MAPPING, 1, 0],
    ['a dirty page that cannot migrate is written when waiting', PG_dirty | PageMark.MAPPING, 2, 1],
  ])('%s', (_name, flags, mode, asked) => {
    let calls = 0;
    const of = world({
      host: {
        hasMigrateCallback: () => false,
        migrate: (from) => {
          if (from === START + 3) calls++;
          return 0;
        },
      },
    });
    const { map } = of.model;
    const cc = isolated(of, mode);
    map.flags[START + 3] = flags;
    migratePages(of.ctx, cc);
    expect(calls).toBe(asked);
    expect(short(sources(cc))).toEqual(asked === 1 ? [] : [3]);
    // A page that is waited for goes after all others.
    if (flags === PG_writeback && asked === 1) expect(of.moves.at(-1)).toBe('1003>1600');
  });

  it('a page that a driver moves keeps its references and goes on no list', () => {
    const of = world({
      kind: (pfn) => (pfn < START + 4 || pfn < 0x1600 || pfn >= 0x1610 ? 'fixed' : 'free'),
      host: { isolatePage: () => true },
    });
    const { map } = of.model;
    for (let pfn = START; pfn < START + 4; pfn++) map.flags[pfn] = PageMark.MAPPING_MOVABLE;
    const cc = isolated(of);
    expect(migratePages(of.ctx, cc)).toBe(0);
    expect(of.lru.pages).toEqual([]);
    expect(map.refcount[0x1603]).toBe(1);
    expect(map.flags[0x1603]).toBe(PageMark.MAPPING_MOVABLE);
    expect(nodeState(of.model.vmstat, 0, NodeStatItem.nr_isolated_file)).toBe(0);
  });
});

describe('a migrate callback that throws', () => {
  it('ends the run with nothing lost', () => {
    let calls = 0;
    const of = world({
      host: {
        migrate: () => {
          if (++calls === 3) throw new Error('host is gone');
          return 0;
        },
      },
    });
    expect(() => compactMemory(of.ctx, 0)).toThrow('host is gone');
    expect(of.moves).toHaveLength(2);
    expect(of.lru.pages).toHaveLength(4);
    expect(wrongOwners(of.model, claimedOf(of, OPTIONS))).toEqual([]);
    expect(nodeState(of.model.vmstat, 0, NodeStatItem.nr_isolated_anon)).toBe(0);
    expect(vmEvent(of.model.vmstat, VmEvent.pgmigrate_success)).toBe(2);
    expect(of.ctx.runs).toBe(0);
    // The machine goes on.
    compactMemory(of.ctx, 0);
    expect(of.lru.pages.every((pfn) => pfn >= 0x1600)).toBe(true);
  });

  it('in a driver that isolates, too', () => {
    const of = world({
      kind: (pfn) => (pfn === START + 1 ? 'fixed' : OPTIONS.kind(pfn)),
      host: {
        isolatePage: () => {
          throw new Error('driver is gone');
        },
      },
    });
    of.model.map.flags[START + 1] = PageMark.MAPPING_MOVABLE;
    expect(() => compactMemory(of.ctx, 0)).toThrow('driver is gone');
    expect(of.lru.pages).toHaveLength(3);
    expect(nodeState(of.model.vmstat, 0, NodeStatItem.nr_isolated_anon)).toBe(0);
  });
});

describe('compact_control', () => {
  it.each([
    [0, 1, true],
    [1, 1, false],
    [2, 0, false],
  ])('of priority %i: mode %i, whole zone %s', (priority, mode, whole) => {
    const request = directCompactRequest(Gfp.GFP_KERNEL, 4, 0x40, 2, priority, 3);
    expect(request).toEqual({
      order: 4,
      gfp: Gfp.GFP_KERNEL,
      allocFlags: 0x40,
      highestZoneidx: 2,
      mode,
      direct: true,
      wholeZone: whole,
      ignoreSkipHint: whole,
      ignoreBlockSuitable: whole,
      cpu: 3,
    });
  });
});
