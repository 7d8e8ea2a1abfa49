// covers: src/reclaim/shrink-folio-list.ts src/reclaim/references.ts src/reclaim/pageout.ts src/reclaim/remove-mapping.ts
import { describe, expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import { NodeStatItem, type NodeStatName } from '../../src/mm/vm-items.ts';
import { nodeState } from '../../src/mm/vmstat.ts';
import { AOP_WRITEPAGE_ACTIVATE, PgdatFlag } from '../../src/reclaim/constants.ts';
import { inSwapcache, lruOf, PG_SWAPCACHE } from '../../src/reclaim/folio.ts';
import { RmapMark } from '../../src/reclaim/rmap.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { shrinkInactiveList } from '../../src/reclaim/shrink-lists.ts';
import type { ReclaimHost } from '../../src/reclaim/types.ts';
import { type PageOptions, World, type WorldOptions } from './support.ts';

const { PG_active, PG_dirty, PG_mlocked, PG_private, PG_reclaim, PG_referenced } = PageFlag;
const { PG_swapbacked, PG_writeback } = PageFlag;

function count(world: World, name: NodeStatName): number {
  return nodeState(world.model.vmstat, 0, NodeStatItem[name]);
}

/** How a page fares, and with what. */
interface Case extends WorldOptions {
  readonly page: PageOptions;
  readonly host?: ReclaimHost;
  readonly sc?: Partial<ScanControl>;
  readonly kswapd?: boolean;
  readonly pgdatFlags?: number;
  readonly prepare?: (world: World, pfn: number) => void;
}

interface Fate {
  readonly world: World;
  readonly pfn: number;
  readonly fate: 'freed' | 'kept' | 'activated';
}

/** Puts one page through a pass of direct reclaim, or of kswapd. */
function reclaimOne(options: Case): Fate {
  const world = new World(options);
  const pfn = world.lruPage(options.page);
  options.prepare?.(world, pfn);
  world.state.pgdatFlags[0] = options.pgdatFlags ?? 0;
  const lru = lruOf(world.model.map.flags[pfn]);
  const sc = Object.assign(new ScanControl(), {
    gfpMask: Gfp.GFP_KERNEL,
    mayUnmap: true,
    mayWritepage: true,
    maySwap: true,
    ...options.sc,
  });
  const run = () => shrinkInactiveList(world.state, 0, lru, 32, sc, 0);
  const freed = options.kswapd ? world.asKswapd(run) : run();
  world.reclaim.lruAddDrain();
  const fate = freed === 1 ? 'freed' : world.has(pfn, PG_active) ? 'activated' : 'kept';
  expect(world.pages.freed).toEqual(freed === 1 ? [pfn] : []);
  return { world, pfn, fate };
}

describe('decisions about file pages (spec 4.23)', () => {
  test.each<[string, Fate['fate'], Case]>([
    ['a clean page', 'freed', { page: {} }],
    ['a referenced page without mappings', 'freed', { page: { referenced: true } }],
    ['a page with one more reference', 'kept', { page: { extra: 1 } }],
    ['a locked page', 'kept', { page: {}, host: { trylock: () => false } }],
    ['a page with one young mapping', 'kept', { page: { mapped: 1, young: 1 } }],
    [
      'and that was referenced before',
      'activated',
      { page: { mapped: 1, young: 1, referenced: true } },
    ],
    ['a page with two young mappings', 'activated', { page: { mapped: 2, young: 2 } }],
    [
      'an executable page in use',
      'activated',
      { page: { mapped: 1, young: 1, marks: RmapMark.EXEC } },
    ],
    ['a page with an old mapping', 'freed', { page: { mapped: 1 } }],
    [
      'a mapped page that may not be unmapped',
      'kept',
      { page: { mapped: 1 }, sc: { mayUnmap: false } },
    ],
    [
      'a page whose reverse map is busy',
      'kept',
      { page: { mapped: 1 }, host: { referenced: () => -1 } },
    ],
    [
      'a page that cannot be unmapped',
      'activated',
      { page: { mapped: 1 }, host: { tryToUnmap: () => {} } },
    ],
    ['a page pinned for DMA', 'activated', { page: { extra: 1024 } }],
    ['a page whose private data goes', 'freed', { page: { isPrivate: true } }],
    [
      'a page whose private data stays',
      'activated',
      { page: { isPrivate: true }, host: { releaseFolio: () => false } },
    ],
    [
      'a truncated page',
      'kept',
      {
        page: {},
        prepare: (world, pfn) => {
          world.model.map.flags[pfn] &= ~PageMark.MAPPING;
        },
      },
    ],
  ])('%s is %s', (_, fate, options) => {
    expect(reclaimOne(options).fate).toBe(fate);
  });

  test('a page without mapping whose private data goes is freed', () => {
    const { fate, world } = reclaimOne({
      page: { isPrivate: true },
      prepare: (world, pfn) => {
        world.model.map.flags[pfn] &= ~PageMark.MAPPING;
        world.model.map.refcount[pfn]--;
      },
    });
    expect(fate).toBe('freed');
    expect(world.state.nonresidentAge[0]).toBe(0);
  });

  test('a used page is marked again, one young mapping or two', () => {
    const { pfn, world } = reclaimOne({ page: { mapped: 1, young: 1 } });
    expect(world.has(pfn, PG_referenced)).toBe(true);
    expect(world.state.rmap.young[pfn]).toBe(0);
    expect(world.state.stat.nrRefKeep).toBe(1);
    const twice = reclaimOne({ page: { mapped: 2, young: 2 } });
    expect(twice.world.has(twice.pfn, PG_referenced)).toBe(true);
    expect(twice.world.event('pgactivate')).toBe(1);
  });

  test('a lock that is not obtained is not counted as scanned', () => {
    const sc = new ScanControl();
    sc.gfpMask = Gfp.GFP_KERNEL;
    const world = new World({ host: { trylock: () => false } });
    world.lruPage();
    shrinkInactiveList(world.state, 0, 2, 32, sc, 0);
    expect([sc.nrScanned, sc.nrTaken]).toEqual([0, 1]);
    expect(world.event('pgscan_direct')).toBe(1);
  });

  test('a page found in a locked mapping goes to the unevictable list', () => {
    const { pfn, world } = reclaimOne({ page: { mapped: 1, marks: RmapMark.LOCKED } });
    expect(world.has(pfn, PG_mlocked | PageFlag.PG_unevictable)).toBe(true);
    expect(world.has(pfn, PG_active)).toBe(false);
    expect(world.event('pgactivate')).toBe(0);
  });

  test('failed unmapping is counted', () => {
    const { world } = reclaimOne({ page: { mapped: 1 }, host: { tryToUnmap: () => {} } });
    expect(world.state.stat.nrUnmapFail).toBe(1);
  });

  test('an eviction leaves age and working set mark with the host, then ticks', () => {
    const left: unknown[] = [];
    const { world, pfn } = reclaimOne({
      page: { workingset: true },
      host: { removeFromCache: (...args) => void left.push(args) },
      prepare: (world) => {
        world.state.nonresidentAge[0] = 7;
      },
    });
    expect(left).toEqual([[pfn, 7, true, 0]]);
    expect(world.state.nonresidentAge[0]).toBe(8);
  });

  test('shared memory leaves no shadow', () => {
    const left: unknown[] = [];
    const { fate, world } = reclaimOne({
      page: {},
      host: { removeFromCache: (_, eviction) => void left.push(eviction) },
      swapPages: 4,
      prepare: (world, pfn) => {
        world.reclaim.lruvecDelFolio(pfn);
        world.model.map.flags[pfn] |= PG_swapbacked;
        world.reclaim.folioAddLru(pfn);
        world.reclaim.lruAddDrain();
      },
    });
    expect([fate, left, world.state.nonresidentAge[0]]).toEqual(['freed', [-1], 0]);
  });
});

describe('dirty file pages (spec 4.23)', () => {
  test.each<[string, Case]>([
    ['direct reclaim', { page: { dirty: true } }],
    ['kswapd', { page: { dirty: true }, kswapd: true }],
    [
      'direct reclaim, coming round again among dirty pages',
      { page: { dirty: true, reclaim: true }, pgdatFlags: PgdatFlag.PGDAT_DIRTY },
    ],
    ['kswapd, coming round again', { page: { dirty: true, reclaim: true }, kswapd: true }],
    [
      'kswapd, among dirty pages',
      { page: { dirty: true }, kswapd: true, pgdatFlags: PgdatFlag.PGDAT_DIRTY },
    ],
  ])('%s activates and marks them', (_, options) => {
    const { fate, pfn, world } = reclaimOne(options);
    expect(fate).toBe('activated');
    expect(world.has(pfn, PG_reclaim)).toBe(true);
    expect(count(world, 'nr_vmscan_immediate_reclaim')).toBe(1);
  });

  const AGAIN: Omit<Case, 'page'> = { kswapd: true, pgdatFlags: PgdatFlag.PGDAT_DIRTY };
  const DIRTY: PageOptions = { dirty: true, reclaim: true };

  test('kswapd writes those that come round again among dirty pages', () => {
    const { fate, pfn, world } = reclaimOne({ page: DIRTY, ...AGAIN });
    expect(fate).toBe('kept');
    expect(world.has(pfn, PG_dirty)).toBe(false);
    expect(world.has(pfn, PG_writeback)).toBe(true);
    expect(world.has(pfn, PG_reclaim)).toBe(true);
    expect(count(world, 'nr_vmscan_write')).toBe(1);
    expect(world.state.stat.nrPageout).toBe(1);
    world.reclaim.folioEndWriteback(pfn);
    expect(world.has(pfn, PG_reclaim)).toBe(false);
  });

  test.each<[string, Fate['fate'], Case]>([
    [
      'referenced pages are kept instead',
      'kept',
      { page: { ...DIRTY, referenced: true }, ...AGAIN },
    ],
    ['no file system entry', 'kept', { page: DIRTY, ...AGAIN, sc: { gfpMask: Gfp.GFP_NOFS } }],
    ['no permission to write', 'kept', { page: DIRTY, ...AGAIN, sc: { mayWritepage: false } }],
    ['somebody else refers to the page', 'kept', { page: { ...DIRTY, extra: 1 }, ...AGAIN }],
    ['no writepage', 'activated', { page: DIRTY, ...AGAIN, host: { hasWritepage: () => false } }],
    [
      'writepage refuses',
      'activated',
      { page: DIRTY, ...AGAIN, host: { writepage: () => AOP_WRITEPAGE_ACTIVATE } },
    ],
    ['writepage is done at once', 'freed', { page: DIRTY, ...AGAIN, host: { writepage: () => 0 } }],
    ['writepage fails', 'freed', { page: DIRTY, ...AGAIN, host: { writepage: () => -5 } }],
    [
      'no mapping',
      'kept',
      {
        page: DIRTY,
        ...AGAIN,
        prepare: (world, pfn) => {
          world.model.map.flags[pfn] &= ~PageMark.MAPPING;
        },
      },
    ],
  ])('not written: %s', (_, fate, options) => {
    const result = reclaimOne(options);
    expect(result.fate).toBe(fate);
    if (result.fate === 'activated' && options.host?.writepage !== undefined) {
      expect(result.world.has(result.pfn, PG_reclaim)).toBe(false);
    }
  });

  test('a page without mapping whose buffers can be freed is clean after all', () => {
    const { fate, pfn, world } = reclaimOne({
      page: { ...DIRTY, isPrivate: true, extra: 1 },
      ...AGAIN,
      prepare: (world, pfn) => {
        world.model.map.flags[pfn] &= ~PageMark.MAPPING;
        world.model.map.refcount[pfn]--;
      },
    });
    // One reference of nobody we know remains beside the isolation: not freed, but clean.
    expect(fate).toBe('kept');
    expect(world.has(pfn, PG_dirty | PG_private)).toBe(false);
  });

  test('a page that writepage leaves dirty is kept', () => {
    const { fate, pfn, world } = reclaimOne({
      page: DIRTY,
      ...AGAIN,
      prepare: (world) =>
        world.reclaim.setHost({
          writepage: (pfn) => {
            world.model.map.flags[pfn] |= PG_dirty;
            return 0;
          },
        }),
    });
    expect(fate).toBe('kept');
    expect(world.has(pfn, PG_reclaim)).toBe(false);
    expect(count(world, 'nr_vmscan_write')).toBe(1);
  });
});

describe('pages in write-back (spec 4.23)', () => {
  test('get the reclaim mark and another round', () => {
    const { fate, pfn, world } = reclaimOne({ page: { writeback: true } });
    expect(fate).toBe('activated');
    expect(world.has(pfn, PG_reclaim)).toBe(true);
    expect(world.state.stat).toMatchObject({ nrWriteback: 1, nrDirty: 1, nrUnqueuedDirty: 0 });
  });

  test('are met at once when kswapd sees nothing else', () => {
    const page = { writeback: true, reclaim: true };
    const { fate, world } = reclaimOne({
      page,
      kswapd: true,
      pgdatFlags: PgdatFlag.PGDAT_WRITEBACK,
    });
    expect(fate).toBe('activated');
    expect(world.state.stat).toMatchObject({ nrImmediate: 1, nrWriteback: 0, nrCongested: 1 });
    const direct = reclaimOne({ page, pgdatFlags: PgdatFlag.PGDAT_WRITEBACK });
    expect(direct.world.state.stat).toMatchObject({ nrImmediate: 0, nrWriteback: 1 });
  });

  test('are counted by what the file system says, if the page has private data', () => {
    const { world } = reclaimOne({
      page: { dirty: true, isPrivate: true },
      host: { isDirtyWriteback: () => 2 },
    });
    expect(world.state.stat).toMatchObject({ nrDirty: 1, nrUnqueuedDirty: 0 });
    const flags = reclaimOne({ page: { dirty: true, writeback: true, isPrivate: true } });
    expect(flags.world.state.stat).toMatchObject({ nrDirty: 1, nrUnqueuedDirty: 0 });
  });
});

describe('anonymous pages (spec 4.23)', () => {
  const SWAP = { swapPages: 4 };

  test('are activated without swap', () => {
    expect(reclaimOne({ page: { anon: true } }).fate).toBe('activated');
  });

  test('get a slot, are unmapped and written; the next pass frees them', () => {
    const { fate, pfn, world } = reclaimOne({ page: { anon: true, mapped: 1 }, ...SWAP });
    expect(fate).toBe('kept');
    expect(inSwapcache(world.model.map.flags[pfn])).toBe(true);
    expect(world.has(pfn, PG_writeback)).toBe(true);
    expect(world.has(pfn, PG_reclaim)).toBe(true);
    expect(world.model.map.mapcount[pfn]).toBe(0);
    expect([count(world, 'nr_swapcached'), count(world, 'nr_file_pages')]).toEqual([1, 1]);
    expect(world.state.swap.nrFree).toBe(3);
    expect(world.event('pswpout')).toBe(1);
    const other = world.lruPage({ anon: true });
    world.reclaim.folioEndWriteback(pfn);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 0)).toEqual([other, pfn]);
    const sc = Object.assign(new ScanControl(), { gfpMask: Gfp.GFP_KERNEL, mayUnmap: true });
    expect(shrinkInactiveList(world.state, 0, 0, 1, sc, 0)).toBe(1);
    expect(world.pages.freed).toEqual([pfn]);
    expect([count(world, 'nr_swapcached'), count(world, 'nr_file_pages')]).toEqual([0, 0]);
    // The page table entry still stands for the slot.
    expect(world.state.swap.nrFree).toBe(3);
    expect(world.state.nonresidentAge[0]).toBe(1);
  });

  test.each<[string, Case]>([
    ['without I/O', { page: { anon: true }, ...SWAP, sc: { gfpMask: Gfp.GFP_NOIO } }],
    ['pinned for DMA', { page: { anon: true, extra: 1024 }, ...SWAP }],
    [
      'whose slot nobody needs',
      {
        page: { anon: true, mapped: 0, extra: 1 },
        ...SWAP,
        prepare: (world, pfn) => {
          world.model.map.refcount[pfn]--;
        },
      },
    ],
  ])('are kept %s', (_, options) => {
    // A page without any reference but the isolation's is freed by the put-back, not by the decision.
    const world = new World(options);
    const pfn = world.lruPage({ ...options.page, extra: (options.page.extra ?? 0) + 1 });
    const sc = Object.assign(new ScanControl(), {
      gfpMask: Gfp.GFP_KERNEL,
      mayUnmap: true,
      mayWritepage: true,
      ...options.sc,
    });
    expect(shrinkInactiveList(world.state, 0, 0, 32, sc, 0)).toBe(0);
    expect(world.has(pfn, PG_active)).toBe(false);
    expect(world.has(pfn, PG_writeback)).toBe(false);
  });

  test('swap on a file system needs the file system', () => {
    const options: Case = {
      page: { anon: true, mapped: 1 },
      ...SWAP,
      sc: { gfpMask: Gfp.GFP_NOFS },
    };
    const block = reclaimOne(options);
    expect(block.world.has(block.pfn, PG_writeback)).toBe(true);
    const file = reclaimOne({ ...options, swapOnFileSystem: true });
    expect(file.world.has(file.pfn, PG_writeback)).toBe(false);
    expect(file.fate).toBe('kept');
  });

  test('give their slot up when they become active and swap is nearly full', () => {
    const options: Case = {
      page: { anon: true, mapped: 1, young: 2 },
      swapPages: 4,
      prepare: (world, pfn) => {
        const slots = [0, 1, 2].map(() => world.state.swap.alloc());
        world.model.map.private[pfn] = slots[2];
        world.model.map.flags[pfn] |= PG_SWAPCACHE;
        world.model.map.refcount[pfn]++;
      },
    };
    const { fate, pfn, world } = reclaimOne(options);
    expect(fate).toBe('activated');
    expect(inSwapcache(world.model.map.flags[pfn])).toBe(false);
    expect(world.has(pfn, PG_dirty)).toBe(true);
    expect(world.state.swap.nrFree).toBe(2);
  });

  test('droppable ones are dropped, unless they were written to', () => {
    const dropped = reclaimOne({ page: { lazyfree: true } });
    expect(dropped.fate).toBe('freed');
    expect(dropped.world.event('pglazyfreed')).toBe(1);
    const pinned = reclaimOne({ page: { lazyfree: true, extra: 1 } });
    expect(pinned.fate).toBe('kept');
    const written = reclaimOne({ page: { lazyfree: true, marks: RmapMark.DIRTY } });
    expect(written.fate).toBe('activated');
    expect(written.world.has(written.pfn, PG_swapbacked)).toBe(true);
    expect(written.world.state.stat).toMatchObject({ nrUnmapFail: 1, nrLazyfreeFail: 1 });
    expect(written.world.state.stat).toMatchObject({ nrActivateAnon: 1, nrActivateFile: 0 });
  });
});

describe('removing pages from their cache (spec 4.23, 4.30)', () => {
  test('one reference stays and nothing ages', () => {
    const left: unknown[] = [];
    const world = new World({ host: { removeFromCache: (...args) => void left.push(args) } });
    const pfn = world.lruPage();
    world.reclaim.isolateLruPage(pfn);
    expect(world.reclaim.removeMapping(pfn)).toBe(true);
    expect(world.model.map.refcount[pfn]).toBe(1);
    expect(left).toEqual([[pfn, -1, false, 0]]);
    expect(world.state.nonresidentAge[0]).toBe(0);
    expect(world.has(pfn, PageMark.MAPPING)).toBe(false);
  });

  test('a dirty page, or one in use elsewhere, stays', () => {
    const world = new World();
    for (const options of [{ dirty: true }, { extra: 1 }]) {
      const pfn = world.lruPage(options);
      world.reclaim.isolateLruPage(pfn);
      expect(world.reclaim.removeMapping(pfn)).toBe(false);
      world.reclaim.putbackLruPage(pfn);
    }
  });
});
