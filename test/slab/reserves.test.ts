// covers: src/slab/slab-lists.ts src/slab/refill.ts src/slab/node-alloc.ts
import { describe, expect, test } from 'vitest';
import { listToArray } from '../../src/lib/list.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import { cacheNodeOf } from '../../src/slab/cache-state.ts';
import { made, take, testSlab, testTopology } from './support.ts';

function partialOf(cache: SlabCache): number[] {
  return listToArray(cache.state.map, cacheNodeOf(cache, 0).slabsPartial);
}

describe('slabs of emergency reserves (spec slab 4.24)', () => {
  function reserved(marked: readonly number[], nodes = 1) {
    const test = testSlab({ topology: testTopology([0], nodes), pagesPerNode: 64 });
    const { slab, pages } = test;
    slab.memallocSocks = true;
    const cache = made(slab.createCache('demo', { size: 1024 }));
    const allocPages = pages.allocPages.bind(pages);
    pages.allocPages = (gfp, order, node, cpu) => {
      const pfn = allocPages(gfp, order, node, cpu);
      if (marked.includes(pfn)) slab.state.map.flags[pfn] |= PageMark.PFMEMALLOC;
      return pfn;
    };
    return { ...test, cache };
  }

  test('their objects never enter an array again', () => {
    const { cache } = reserved([1]);
    const objects = take(cache, 4);
    expect(cache.cpuCache[0].avail).toBe(0);
    cache.free(objects[0]);
    expect(cache.cpuCache[0].avail).toBe(0);
    expect(partialOf(cache)).toEqual([1]);
  });

  test('normal callers pass them over, privileged ones do not', () => {
    const { cache, slab } = reserved([1]);
    const objects = take(cache, 4);
    cache.free(objects[3]);
    // The reserved slab has a free object, but a new slab is made.
    expect(Math.floor((cache.alloc() as number) / 4096)).toBe(2);
    take(cache, 3);
    slab.state.task.pfMemalloc = true;
    expect(cache.alloc()).toBe(objects[3]);
    slab.state.task.pfMemalloc = false;
    cache.free(objects[3]);
    expect(cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_MEMALLOC)).toBe(objects[3]);
  });

  test('privileged callers take one at a time, past the array (spec slab 4.7 step 6a)', () => {
    const { cache, slab } = reserved([1]);
    const objects = take(cache, 4);
    for (const object of objects) cache.free(object);
    slab.state.task.pfMemalloc = true;
    const ac = cache.cpuCache[0];
    ac.touched = 0;
    expect(cache.alloc()).toBe(objects[3]);
    expect([ac.avail, ac.touched]).toEqual([0, 0]);
    expect(cacheNodeOf(cache, 0).freeObjects).toBe(3);
    expect(partialOf(cache)).toEqual([1]);
  });

  test('a request for a node has none of them, whoever asks (spec slab 4.10 step 1)', () => {
    const { cache, slab } = reserved([64], 2);
    slab.state.task.pfMemalloc = true;
    expect(cache.allocNode(Gfp.GFP_KERNEL, 1)).toBe(64 * 4096);
    expect(cache.allocNode(Gfp.GFP_KERNEL, 1)).toBe(65 * 4096);
  });

  test('the mark goes when a node has more free objects than it keeps', () => {
    const { cache, slab } = reserved([1]);
    const objects = take(cache, 4);
    cache.free(objects[0]);
    cacheNodeOf(cache, 0).freeLimit = 0;
    expect(cache.alloc()).toBe(objects[0]);
    expect(slab.state.map.flags[1] & PageFlag.PG_active).toBe(0);
  });
});
