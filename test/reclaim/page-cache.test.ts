// covers: src/reclaim/page-cache.ts src/reclaim/cached-file.ts src/reclaim/shadow-leaves.ts src/reclaim/page-frames.ts src/reclaim/writeback-queue.ts src/reclaim/host.ts
import { describe, expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { NodeStatItem, type NodeStatName } from '../../src/mm/vm-items.ts';
import { nodeState } from '../../src/mm/vmstat.ts';
import { LruList, VmscanThrottle } from '../../src/reclaim/constants.ts';
import { PageCache, type PageCacheOptions } from '../../src/reclaim/page-cache.ts';
import { SHRINK_EMPTY } from '../../src/reclaim/shrinker.ts';
import { World, type WorldOptions } from './support.ts';

const { LRU_ACTIVE_FILE, LRU_INACTIVE_FILE } = LruList;

interface Cached {
  readonly world: World;
  readonly cache: PageCache;
}

function cached(options: WorldOptions = {}, cacheOptions: Partial<PageCacheOptions> = {}): Cached {
  const world = new World({ hz: 100, ...options });
  const cache = new PageCache(world.reclaim, { pages: world.pages, ...cacheOptions });
  return { world, cache };
}

function count(world: World, name: NodeStatName): number {
  return nodeState(world.model.vmstat, 0, NodeStatItem[name]);
}

/** Direct reclaim of everything that can be had. */
function reclaimAll({ world }: Cached): number {
  return world.reclaim.shrinkAllMemory(1e6);
}

describe('reading files', () => {
  test('a miss allocates, a hit does not; the second use activates', () => {
    const { world, cache } = cached();
    const file = cache.createFile({ name: 'data' });
    const pfn = cache.read(file, 5);
    expect(file.page(5)).toBe(pfn);
    expect(cache.fileOf(pfn)).toBe(file);
    expect(world.model.map.refcount[pfn]).toBe(2);
    expect(world.has(pfn, PageFlag.PG_referenced)).toBe(true);
    expect(cache.read(file, 5)).toBe(pfn);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, LRU_ACTIVE_FILE)).toEqual([pfn]);
    expect(count(world, 'nr_file_pages')).toBe(1);
    expect(file.nrPages).toBe(1);
  });

  test('an evicted page leaves a shadow, and a quick refault is activated', () => {
    const at = cached();
    const { world, cache } = at;
    const file = cache.createFile();
    const active = cache.read(file, 0);
    cache.read(file, 0);
    cache.read(file, 1);
    world.reclaim.lruAddDrain();
    reclaimAll(at);
    expect(file.page(1)).toBe(-1);
    expect(file.shadow(1)).toBeGreaterThanOrEqual(0);
    expect(file.page(0)).toBe(active);
    const back = cache.read(file, 1);
    expect(world.has(back, PageFlag.PG_active)).toBe(true);
    expect(count(world, 'workingset_refault_file')).toBe(1);
    expect(file.shadow(1)).toBe(-1);
  });

  test('a write is no refault', () => {
    const at = cached();
    const file = at.cache.createFile();
    at.cache.read(file, 1);
    reclaimAll(at);
    at.cache.write(file, 1);
    expect(count(at.world, 'workingset_refault_file')).toBe(0);
  });

  test('a position evicted long ago is counted, but not activated', () => {
    const { world, cache } = cached();
    const file = cache.createFile();
    cache.setEvicted(file, 3);
    const pfn = cache.read(file, 3);
    expect(count(world, 'workingset_refault_file')).toBe(1);
    expect(world.has(pfn, PageFlag.PG_active)).toBe(false);
    expect(() => cache.setEvicted(file, 3)).toThrow(expect.objectContaining({ code: 'BAD_STATE' }));
  });

  test('a position holds one page', () => {
    const { world, cache } = cached();
    const file = cache.createFile();
    cache.read(file, 0);
    const pfn = world.page();
    expect(() => cache.addFolio(file, 0, pfn, Gfp.GFP_KERNEL)).toThrow(
      expect.objectContaining({ code: 'BAD_STATE' }),
    );
    expect(() => cache.addFolio(file, -1, pfn, Gfp.GFP_KERNEL)).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });

  test('positions may be far apart', () => {
    const { cache } = cached();
    const file = cache.createFile();
    cache.read(file, 2 ** 30);
    cache.read(file, 7);
    expect([...file.entries()]).toEqual([7, 2 ** 30]);
    expect([...file.entries(8)]).toEqual([2 ** 30]);
  });
});

describe('leaves with nothing but shadows (spec 4.13)', () => {
  test('are counted when the last page goes, and not any more when one comes', () => {
    const at = cached({}, { slotsPerLeaf: 16 });
    const { world, cache } = at;
    const file = cache.createFile();
    for (let i = 0; i < 33; i++) cache.read(file, i);
    const pinned = file.page(20);
    world.reclaim.folioGet(pinned);
    reclaimAll(at);
    // Leaves 0 and 2; leaf 1 keeps a page.
    expect(count(world, 'workingset_nodes')).toBe(2);
    cache.read(file, 3);
    expect(count(world, 'workingset_nodes')).toBe(1);
    world.reclaim.folioPut(pinned);
    cache.truncate(file);
    expect(count(world, 'workingset_nodes')).toBe(0);
  });

  test('are freed by their shrinker beyond a part of memory', () => {
    const at = cached({ nodes: [[0, 0, 64, 0]] }, { slotsPerLeaf: 64 });
    const { world, cache } = at;
    const file = cache.createFile();
    const [shrinker] = world.state.shrinkers;
    const sc = { gfpMask: 0, nid: 0, nrToScan: 0, nrScanned: 0, cpu: 0 };
    expect(shrinker.countObjects(sc)).toBe(SHRINK_EMPTY);
    for (let leaf = 0; leaf < 11; leaf++) cache.setEvicted(file, leaf * 64 + 1);
    // An eighth of 64 pages is left alone.
    expect(shrinker.countObjects(sc)).toBe(3);
    expect(shrinker.scanObjects({ ...sc, nrToScan: 2 })).toBe(2);
    expect(file.shadow(1)).toBe(-1);
    expect(file.shadow(2 * 64 + 1)).toBeGreaterThanOrEqual(0);
    expect(count(world, 'workingset_nodes')).toBe(9);
    expect(count(world, 'workingset_nodereclaim')).toBe(2);
  });

  test('with small leaves the limit is half of memory', () => {
    const { world, cache } = cached({ nodes: [[0, 0, 16, 0]] }, { slotsPerLeaf: 16 });
    const file = cache.createFile();
    for (let leaf = 0; leaf < 11; leaf++) cache.setEvicted(file, leaf * 16);
    const sc = { gfpMask: 0, nid: 0, nrToScan: 0, nrScanned: 0, cpu: 0 };
    expect(world.state.shrinkers[0].countObjects(sc)).toBe(3);
  });
});

describe('dirty pages', () => {
  test('are written after their time, in order', () => {
    const { world, cache } = cached({}, { writeJiffies: 3, dirtyExpireJiffies: 10 });
    const file = cache.createFile();
    const a = cache.write(file, 0);
    cache.advance(4);
    const b = cache.write(file, 1);
    cache.advance(6);
    expect(world.has(a, PageFlag.PG_writeback)).toBe(true);
    expect(world.has(b, PageFlag.PG_writeback)).toBe(false);
    expect(world.has(b, PageFlag.PG_dirty)).toBe(true);
    cache.advance(3);
    expect(world.has(a, PageFlag.PG_writeback)).toBe(false);
    cache.advance(4);
    expect([count(world, 'nr_dirty'), count(world, 'nr_writeback')]).toEqual([0, 0]);
    expect(count(world, 'nr_written')).toBe(2);
    expect(cache.jiffies).toBe(17);
  });

  test('are written at once by sync, and by the flusher that reclaim wakes', () => {
    const { world, cache } = cached();
    const file = cache.createFile();
    cache.write(file, 0);
    cache.sync();
    expect(cache.writing).toBe(1);
    cache.advance(1);
    cache.write(file, 0);
    cache.wakeupFlusherThreads();
    expect(cache.writing).toBe(1);
    expect(count(world, 'nr_dirty')).toBe(0);
  });

  test('of files without accounting stay as they are', () => {
    const { world, cache } = cached({}, { dirtyExpireJiffies: 1 });
    const file = cache.createFile({ dirtyAccounting: false });
    const pfn = cache.write(file, 0);
    cache.advance(50);
    expect(world.has(pfn, PageFlag.PG_dirty)).toBe(true);
    expect(count(world, 'nr_dirty')).toBe(0);
  });

  test('that were cleaned, dropped or read again meanwhile are passed over', () => {
    const { world, cache } = cached({}, { dirtyExpireJiffies: 5 });
    const file = cache.createFile();
    const pfn = cache.write(file, 0);
    cache.write(file, 1);
    world.reclaim.folioClearDirtyForIo(pfn);
    cache.truncate(file, 1);
    cache.advance(10);
    expect(count(world, 'nr_written')).toBe(0);
  });

  test('reclaim that meets only such pages lets them be written and frees them then', () => {
    const at = cached({}, { writeJiffies: 100 });
    const { world, cache } = at;
    const file = cache.createFile();
    for (let i = 0; i < 64; i++) cache.write(file, i);
    world.reclaim.lruAddDrain();
    reclaimAll(at);
    expect(cache.writing).toBeGreaterThan(0);
    cache.advance(100);
    expect(reclaimAll(at)).toBe(64);
    expect(file.nrPages).toBe(0);
  });

  test('a throttled reclaimer is woken by progress', () => {
    const { world, cache } = cached({}, { writeJiffies: 3 });
    const file = cache.createFile();
    for (let i = 0; i < 64; i++) cache.write(file, i);
    cache.sync();
    world.state.nrWritebackThrottled[0] = 1;
    const reason = VmscanThrottle.VMSCAN_THROTTLE_WRITEBACK;
    expect(cache.throttle(0, reason, 10)).toBe(3);
    world.state.writebackWoken[0] = 0;
    expect(cache.throttle(0, VmscanThrottle.VMSCAN_THROTTLE_ISOLATED, 4)).toBe(4);
  });
});

describe('mapped files', () => {
  test('are mapped once, used by touching, and unmapped by reclaim', () => {
    const at = cached();
    const { world, cache } = at;
    const file = cache.createFile();
    const pfn = cache.fault(file, 0, { write: true, exec: true });
    expect(world.model.map.mapcount[pfn]).toBe(1);
    expect(world.state.rmap.young[pfn]).toBe(1);
    world.state.rmap.young[pfn] = 0;
    expect(cache.fault(file, 0)).toBe(pfn);
    expect(world.state.rmap.young[pfn]).toBe(1);
    expect(count(world, 'nr_mapped')).toBe(1);
    world.reclaim.lruAddDrain();
    for (let i = 0; i < 4; i++) reclaimAll(at);
    expect(count(world, 'nr_mapped')).toBe(0);
    // The dirty entry made the page dirty when it went.
    cache.sync();
    cache.advance(1);
    expect(count(world, 'nr_written')).toBe(1);
  });
});

describe('truncation and locks', () => {
  test('gives pages back without writing them', () => {
    const { world, cache } = cached();
    const file = cache.createFile();
    for (let i = 0; i < 8; i++) cache.write(file, i);
    cache.fault(file, 2, { write: true });
    cache.sync();
    cache.write(file, 7);
    world.reclaim.lruAddDrain();
    cache.truncate(file, 2);
    expect([...file.entries()]).toEqual([0, 1]);
    expect(world.pages.freed).toHaveLength(6);
    expect(count(world, 'nr_file_pages')).toBe(2);
    expect(count(world, 'nr_dirty')).toBe(0);
    cache.truncate(file);
    expect(count(world, 'nr_file_pages')).toBe(0);
    expect(world.model.map.refcount.every((references) => references === 0)).toBe(true);
  });

  test('locked shared memory is not reclaimed; unlocked it is found again', () => {
    const at = cached();
    const { world, cache } = at;
    const file = cache.createFile({ unevictable: true });
    cache.read(file, 0);
    world.reclaim.lruAddDrain();
    expect(count(world, 'nr_unevictable')).toBe(1);
    cache.setUnevictable(file, false);
    expect(world.reclaim.lruList(0, LRU_INACTIVE_FILE)).toHaveLength(1);
    cache.setUnevictable(file, true);
    reclaimAll(at);
    world.reclaim.lruAddDrain();
    expect(count(world, 'nr_unevictable')).toBe(1);
    expect(file.nrPages).toBe(1);
  });

  test('shared memory counts as such, is dirty from birth, and stays', () => {
    const at = cached({ swapPages: 8 });
    const { world, cache } = at;
    const file = cache.createFile({ swapBacked: true, dirtyAccounting: false });
    const pfn = cache.read(file, 0);
    expect(count(world, 'nr_shmem')).toBe(1);
    expect(world.has(pfn, PageFlag.PG_dirty | PageFlag.PG_swapbacked)).toBe(true);
    for (let i = 0; i < 3; i++) reclaimAll(at);
    expect(file.page(0)).toBe(pfn);
    cache.truncate(file);
    expect(count(world, 'nr_shmem')).toBe(0);
  });
});

describe('memory that fills up', () => {
  test('kswapd runs when it is woken, and its nap ends with time', () => {
    const { world, cache } = cached({ nodes: [[0, 0, 400, 0]] });
    world.zone().watermark.set([20, 30, 40, 50]);
    world.reclaim.startKswapd();
    const file = cache.createFile();
    for (let i = 0; i < 370; i++) cache.read(file, i);
    world.reclaim.wakeupKswapd(2, Gfp.GFP_KERNEL, 0, 2);
    expect(world.reclaim.kswapdState(0)).toBe('running');
    cache.read(file, 1000);
    expect(world.reclaim.kswapdState(0)).toBe('short-sleep');
    cache.advance(9);
    expect(world.reclaim.kswapdState(0)).toBe('short-sleep');
    cache.advance(1);
    expect(world.reclaim.kswapdState(0)).toBe('short-sleep');
    cache.advance(1);
    expect(world.reclaim.kswapdState(0)).toBe('long-sleep');
    expect(world.event('pgsteal_kswapd')).toBeGreaterThan(0);
  });

  test('a request that fails is repeated after direct reclaim, unless told not to', () => {
    const { world, cache } = cached({ nodes: [[0, 0, 100, 0]] });
    const file = cache.createFile();
    for (let i = 0; i < 300; i++) expect(cache.read(file, i)).toBeGreaterThan(0);
    expect(world.event('pgsteal_direct')).toBeGreaterThan(100);
    expect(world.reclaim.task.pfMemalloc).toBe(false);
    const strict = cached({ nodes: [[0, 0, 100, 0]] }, { directReclaim: false });
    const other = strict.cache.createFile();
    const got = Array.from({ length: 101 }, (_, i) => strict.cache.read(other, i));
    expect(got.filter((pfn) => pfn < 0)).toEqual([-1]);
    expect(strict.cache.write(other, 500)).toBe(-1);
    expect(strict.cache.fault(other, 500)).toBe(-1);
  });

  test('kswapd can be left to the user', () => {
    const { world, cache } = cached({ nodes: [[0, 0, 100, 0]] }, { kswapd: 'deferred' });
    world.zone().watermark.set([5, 10, 120, 130]);
    world.reclaim.startKswapd();
    const file = cache.createFile();
    world.model.nodes[0].kswapdFailures = 0;
    cache.read(file, 0);
    world.reclaim.wakeupKswapd(2, Gfp.GFP_KERNEL, 0, 2);
    cache.read(file, 1);
    expect(world.reclaim.kswapdState(0)).toBe('running');
  });
});

describe('migration', () => {
  test('the file finds the new page; a page in use elsewhere stays', () => {
    const { world, cache } = cached();
    const file = cache.createFile();
    const from = cache.fault(file, 4);
    world.reclaim.lruAddDrain();
    world.reclaim.isolateLruPage(from);
    const to = world.page();
    expect(cache.migrate(from, to, 1)).toBe(0);
    expect(file.page(4)).toBe(to);
    expect(cache.fileOf(to)).toBe(file);
    expect(cache.fileOf(from)).toBe(null);
    expect(world.state.rmap.young[to]).toBe(1);
    const pinned = cache.read(file, 5);
    world.reclaim.folioGet(pinned);
    expect(cache.migrate(pinned, world.page(), 1)).toBe(1);
  });
});
