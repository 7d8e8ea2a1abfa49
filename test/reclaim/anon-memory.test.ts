// covers: src/reclaim/anon-memory.ts src/reclaim/swap.ts
import { describe, expect, test } from 'vitest';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { NodeStatItem, type NodeStatName } from '../../src/mm/vm-items.ts';
import { nodeState } from '../../src/mm/vmstat.ts';
import { LruList } from '../../src/reclaim/constants.ts';
import { inSwapcache } from '../../src/reclaim/folio.ts';
import { PageCache } from '../../src/reclaim/page-cache.ts';
import { Swap } from '../../src/reclaim/swap.ts';
import { World, type WorldOptions } from './support.ts';

interface Anon {
  readonly world: World;
  readonly cache: PageCache;
}

function anon(options: WorldOptions = {}): Anon {
  const world = new World({ hz: 100, ...options });
  return { world, cache: new PageCache(world.reclaim, { pages: world.pages }) };
}

function count(world: World, name: NodeStatName): number {
  return nodeState(world.model.vmstat, 0, NodeStatItem[name]);
}

/** Passes of hibernation until nothing more goes, with writes ended in between. */
function swapOut({ world, cache }: Anon): void {
  for (let i = 0; i < 6; i++) {
    world.reclaim.lruAddDrain();
    world.reclaim.shrinkAllMemory(1e6);
    cache.advance(2);
  }
}

describe('anonymous memory', () => {
  test('appears at the first touch, inactive and mapped', () => {
    const { world, cache } = anon();
    const region = cache.anon.create(4);
    const pfn = cache.anon.touch(region, 2);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, LruList.LRU_INACTIVE_ANON)).toEqual([pfn]);
    expect(world.model.map.refcount[pfn]).toBe(1);
    expect(count(world, 'nr_anon_pages')).toBe(1);
    expect(cache.anon.touch(region, 2, false)).toBe(pfn);
    expect(() => cache.anon.touch(region, 4)).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });

  test('goes back when it is released', () => {
    const { world, cache } = anon();
    const region = cache.anon.create(8);
    for (let i = 0; i < 8; i++) cache.anon.touch(region, i);
    cache.anon.release(region);
    world.reclaim.lruAddDrain();
    expect(world.pages.freed).toHaveLength(8);
    expect(count(world, 'nr_anon_pages')).toBe(0);
  });

  test('locked memory goes to the unevictable list and comes from it', () => {
    const { world, cache } = anon();
    const region = cache.anon.create(3, true);
    for (let i = 0; i < 3; i++) cache.anon.touch(region, i);
    world.reclaim.lruAddDrain();
    expect(count(world, 'nr_unevictable')).toBe(3);
    swapOut({ world, cache });
    expect(count(world, 'nr_unevictable')).toBe(3);
    cache.anon.release(region);
    world.reclaim.lruAddDrain();
    expect(count(world, 'nr_unevictable')).toBe(0);
    expect(world.pages.freed).toHaveLength(3);
  });

  test('stays without swap', () => {
    const at = anon();
    const region = at.cache.anon.create(4);
    for (let i = 0; i < 4; i++) at.cache.anon.touch(region, i);
    swapOut(at);
    expect(at.world.pages.freed).toEqual([]);
  });

  test('a machine without memory gives none', () => {
    const { world, cache } = anon({ nodes: [[0, 0, 4, 0]] });
    const region = cache.anon.create(8);
    const got = Array.from({ length: 5 }, (_, i) => cache.anon.touch(region, i));
    expect(got.at(-1)).toBe(-1);
    expect(world.pages.free[2]).toEqual([]);
  });
});

describe('swap', () => {
  test('pages are written, freed, and read back', () => {
    const at = anon({ swapPages: 16 });
    const { world, cache } = at;
    const region = cache.anon.create(4);
    for (let i = 0; i < 4; i++) cache.anon.touch(region, i);
    swapOut(at);
    expect(world.pages.freed).toHaveLength(4);
    expect([...region.entries].every((entry) => entry < 0)).toBe(true);
    expect(world.event('pswpout')).toBe(4);
    expect(world.state.swap.nrFree).toBe(12);
    const back = cache.anon.touch(region, 1, false);
    expect(world.event('pswpin')).toBe(1);
    expect(count(world, 'workingset_refault_anon')).toBe(1);
    // Only read, and swap is not full: it keeps its slot and needs no write next time.
    expect(inSwapcache(world.model.map.flags[back])).toBe(true);
    swapOut(at);
    expect(world.event('pswpout')).toBe(4);
    const again = cache.anon.touch(region, 1, true);
    expect(inSwapcache(world.model.map.flags[again])).toBe(false);
    expect(world.has(again, PageFlag.PG_dirty)).toBe(true);
    expect(world.state.swap.nrFree).toBe(13);
  });

  test('a page still in the swap cache is mapped again without a read', () => {
    const at = anon({ swapPages: 16 });
    const { world, cache } = at;
    const region = cache.anon.create(1);
    const pfn = cache.anon.touch(region, 0);
    for (let i = 0; i < 2 && region.entries[0] > 0; i++) {
      world.reclaim.lruAddDrain();
      world.reclaim.shrinkAllMemory(1e6);
    }
    expect(region.entries[0]).toBeLessThan(0);
    expect(cache.anon.touch(region, 0)).toBe(pfn);
    expect(world.event('pswpin')).toBe(0);
    cache.advance(5);
    expect(count(world, 'nr_writeback')).toBe(0);
  });

  test('slots go back with the region', () => {
    const at = anon({ swapPages: 16 });
    const { world, cache } = at;
    const region = cache.anon.create(6);
    for (let i = 0; i < 6; i++) cache.anon.touch(region, i);
    swapOut(at);
    cache.anon.touch(region, 0, false);
    cache.anon.release(region);
    world.reclaim.lruAddDrain();
    expect(world.state.swap.nrFree).toBe(16);
    expect(count(world, 'nr_swapcached')).toBe(0);
    expect(count(world, 'nr_file_pages')).toBe(0);
    expect(world.model.map.refcount.every((references) => references === 0)).toBe(true);
  });

  test('with swap full anonymous pages are not even looked at, written or not', () => {
    const at = anon({ swapPages: 2 });
    const region = at.cache.anon.create(6);
    for (let i = 0; i < 6; i++) at.cache.anon.touch(region, i);
    swapOut(at);
    expect(at.world.event('pswpout')).toBe(2);
    expect(at.world.state.swap.nrFree).toBe(0);
    expect(at.world.pages.freed).toEqual([]);
  });

  test('a migrated page is found in its region and in the swap cache', () => {
    const at = anon({ swapPages: 16 });
    const { world, cache } = at;
    const region = cache.anon.create(2);
    cache.anon.touch(region, 0);
    swapOut(at);
    const from = cache.anon.touch(region, 0, false);
    world.reclaim.lruAddDrain();
    world.reclaim.isolateLruPage(from);
    const to = world.page();
    expect(cache.migrate(from, to, 1)).toBe(0);
    expect(region.entries[0]).toBe(to + 1);
  });
});

describe('slots', () => {
  test('the next free one after the last, singly', () => {
    const swap = new Swap(3);
    expect([swap.alloc(), swap.alloc(), swap.alloc(), swap.alloc()]).toEqual([0, 1, 2, -1]);
    swap.free(1);
    expect(swap.nrFree).toBe(1);
    expect(swap.alloc()).toBe(1);
    swap.duplicate(0, 2);
    swap.free(0);
    expect(swap.claims(0)).toBe(2);
    expect(swap.nrFree).toBe(0);
  });

  test('come back from a snapshot of the same size', () => {
    const swap = new Swap(4);
    swap.alloc();
    const before = swap.snapshot();
    swap.alloc();
    swap.restore(before);
    expect([swap.nrFree, swap.alloc()]).toEqual([3, 1]);
    expect(() => new Swap(5).restore(before)).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT' }),
    );
  });
});
