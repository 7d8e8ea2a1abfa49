// covers: src/slab/alloc.ts src/slab/grow.ts src/slab/slab-lists.ts src/slab/array-cache.ts src/slab/freelist.ts src/slab/pages.ts src/slab/push-object.ts src/slab/free.ts src/slab/cache.ts src/slab/cache-state.ts
import { describe, expect, test } from 'vitest';
import { listToArray } from '../../src/lib/list.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { NodeStatItem } from '../../src/mm/vm-items.ts';
import { Vmstat } from '../../src/mm/vmstat.ts';
import { ArrayCache, copyOldest, dropOldest, transferObjects } from '../../src/slab/array-cache.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import { cacheNodeOf } from '../../src/slab/cache-state.ts';
import { objectAddress } from '../../src/slab/freelist.ts';
import { gfpExactNode } from '../../src/slab/grow.ts';
import { made, nameOf, take, testSlab, testTopology } from './support.ts';

function arrayOf(cache: SlabCache, cpu = 0): number[] {
  const { entries, avail } = cache.cpuCache[cpu];
  return Array.from(entries.subarray(0, avail), (object) => objectAddress(cache, object));
}

function lists(cache: SlabCache, node = 0): Record<string, number[]> {
  const n = cacheNodeOf(cache, node);
  const { map } = cache.state;
  return {
    partial: listToArray(map, n.slabsPartial),
    full: listToArray(map, n.slabsFull),
    free: listToArray(map, n.slabsFree),
  };
}

describe('first allocations (spec slab 7.2)', () => {
  test('come in batches, descending within each', () => {
    const { slab } = testSlab();
    const cache = made(slab.createCache('demo', { size: 200 }));
    expect(cache.geometry()).toMatchObject({ limit: 120, batchcount: 60, shared: 0, num: 20 });
    const objects = take(cache, 24);
    const expected = [
      ...[15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((i) => 0x1000 + i * 200),
      ...[19, 18, 17, 16].map((i) => 0x1000 + i * 200),
      ...[19, 18, 17, 16].map((i) => 0x2000 + i * 200),
    ];
    expect(objects).toEqual(expected);
    expect(lists(cache)).toEqual({ partial: [], full: [2, 1], free: [] });
    const n = cacheNodeOf(cache, 0);
    expect([n.freeObjects, n.totalSlabs, n.freeTouched]).toEqual([0, 2, 1]);
    expect(arrayOf(cache)).toEqual(Array.from({ length: 16 }, (_, i) => 0x2000 + i * 200));
  });

  test('an idle array is filled by 16 at most, one in use by a whole batch', () => {
    const { slab } = testSlab();
    const cache = made(slab.createCache('demo', { size: 64 }));
    take(cache, 1);
    expect(cache.cpuCache[0].avail).toBe(15);
    take(cache, 16);
    // 48 objects are left in the slab: less than a batch of 60 is enough.
    expect(cache.cpuCache[0].avail).toBe(47);
    take(cache, 47);
    cache.cpuCache[0].touched = 0;
    take(cache, 1);
    expect(cache.cpuCache[0].avail).toBe(15);
  });
});

test('the shared array is taken first, from its top (spec slab 7.3)', () => {
  const { slab, pages } = testSlab({ topology: testTopology([0, 0], 1) });
  const cache = made(slab.createCache('demo', { size: 1024 }));
  expect(cache.tune({ limit: 4, batchcount: 2, shared: 1 })).toBe(true);
  const n = cacheNodeOf(cache, 0);
  expect([n.freeLimit, n.shared?.limit]).toEqual([10, 2]);
  const objects = take(cache, 7);
  const slabs = pages.requests.map(({ pfn }) => pfn);
  const name = (address: number): string => nameOf(cache, address, slabs);
  expect(objects.map(name)).toEqual(['A#1', 'A#0', 'A#3', 'A#2', 'B#1', 'B#0', 'B#3']);
  expect(arrayOf(cache).map(name)).toEqual(['B#2']);
  const sharedNames = (): string[] =>
    Array.from(n.shared?.entries.subarray(0, n.shared.avail) ?? [], (o) =>
      name(objectAddress(cache, o)),
    );
  for (const address of objects.slice(0, 5)) cache.free(address, 1);
  expect(sharedNames()).toEqual(['A#1', 'A#0']);
  expect(arrayOf(cache, 1).map(name)).toEqual(['A#3', 'A#2', 'B#1']);
  for (const address of objects.slice(5)) cache.free(address, 1);
  expect(arrayOf(cache, 1).map(name)).toEqual(['B#1', 'B#0', 'B#3']);
  expect(n.freeObjects).toBe(2);
  expect(take(cache, 5).map(name)).toEqual(['B#2', 'A#0', 'A#1', 'A#3', 'A#2']);
  expect(n.shared?.touched).toBe(1);
  expect(lists(cache).full.map((pfn) => slabs.indexOf(pfn))).toEqual([0, 1]);
});

test('colours begin at 1 and go round (spec slab 7.7)', () => {
  const { slab } = testSlab();
  const cache = made(slab.createCache('demo', { size: 600 }));
  const starts = take(cache, 9 * 6).map((address) => (address % 4096) % 600);
  const perSlab = Array.from({ length: 9 }, (_, i) => starts[i * 6]);
  expect(perSlab).toEqual([64, 128, 192, 256, 320, 384, 0, 64, 128]);
});

test('masks of page requests (spec slab 4.9)', () => {
  const rows = [
    [Gfp.GFP_KERNEL, 0x2420c0, 0x40cc0],
    [Gfp.GFP_ATOMIC, 0x242220, 0x40a20],
    [Gfp.GFP_NOWAIT, 0x242000, 0x40800],
    [Gfp.GFP_KERNEL | Gfp.__GFP_ZERO, 0x2420c0, 0x40cc0],
  ];
  for (const [gfp, exact, last] of rows) {
    const { slab, pages } = testSlab();
    const cache = made(slab.createCache('demo', { size: 200 }));
    pages.budget = 0;
    expect(cache.alloc(gfp)).toBeNull();
    // Two attempts on the node, and one anywhere.
    expect(pages.requests.map((request) => request.gfp)).toEqual([exact, exact, last]);
  }
  expect(gfpExactNode(Gfp.GFP_KERNEL | Gfp.__GFP_NOFAIL, false)).toBe(Gfp.GFP_KERNEL);
});

test('without NUMA there is one attempt, and it may reclaim', () => {
  const { slab, pages } = testSlab({ config: { numa: false } });
  const cache = made(slab.createCache('demo', { size: 200 }));
  pages.budget = 0;
  expect(cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_NOFAIL)).toBeNull();
  expect(pages.requests.map((request) => request.gfp)).toEqual([0x40cc0]);
});

test('bits that a slab must not have are removed, with a message', () => {
  const lines: string[] = [];
  const { slab, pages } = testSlab({ log: (line) => lines.push(line) });
  const cache = made(slab.createCache('demo', { size: 200 }));
  cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_HIGHMEM);
  expect(pages.requests[0].gfp).toBe(0x2420c0);
  expect(lines).toEqual(
    [
      'Unexpected gfp: 0x2 (__GFP_HIGHMEM). Fixing up to gfp: 0x202cc0 ' +
        '(__GFP_IO|__GFP_FS|__GFP_NOWARN|__GFP_THISNODE|__GFP_RECLAIM). Fix your code!',
    ].map((line) => expect.stringContaining(line.slice(0, 40))),
  );
});

test('a page that fills the array while it is waited for leaves the new slab whole', () => {
  const { slab, pages } = testSlab({ config: { numa: false }, checks: 'basic' });
  const cache = made(slab.createCache('demo', { size: 200 }));
  const objects = take(cache, 36);
  expect(cache.cpuCache[0].avail).toBe(4);
  take(cache, 4);
  const allocPages = pages.allocPages.bind(pages);
  pages.allocPages = (gfp, order, node, cpu) => {
    pages.allocPages = allocPages;
    cache.free(objects[0]);
    return allocPages(gfp, order, node, cpu);
  };
  expect(cache.alloc()).toBe(objects[0]);
  expect(lists(cache).free).toEqual([3]);
});

test('pages are marked and counted while a slab has them', () => {
  const vmstat = new Vmstat(1, 4, 1);
  const { slab, pages } = testSlab({ vmstat });
  const plain = made(slab.createCache('plain', { size: 6000 }));
  const flags = SlabFlag.SLAB_RECLAIM_ACCOUNT;
  const reclaimable = made(slab.createCache('reclaimable', { size: 200, flags }));
  const [address] = take(plain, 1);
  take(reclaimable, 1);
  const { map } = slab.state;
  const pfn = Math.floor(address / 4096);
  expect(map.flags[pfn] & PageFlag.PG_slab).not.toBe(0);
  expect(map.private[pfn]).toBe(map.private[pfn + 1]);
  expect(vmstat.node[NodeStatItem.nr_slab_unreclaimable]).toBe(2);
  expect(vmstat.node[NodeStatItem.nr_slab_reclaimable]).toBe(1);
  expect([...slab.state.slabBytes]).toEqual([8192, 4096]);
  plain.free(address);
  plain.shrink();
  expect(map.flags[pfn] & PageFlag.PG_slab).toBe(0);
  expect(map.private[pfn]).toBe(0);
  expect(vmstat.node[NodeStatItem.nr_slab_unreclaimable]).toBe(0);
  expect(pages.freed).toEqual([{ pfn: 2, order: 1, cpu: 0 }]);
});

test('a page source that gives an unusable page is refused', () => {
  for (const pfn of [0, 3, 0x1000, 1.5, -2]) {
    const { slab, pages } = testSlab();
    const cache = made(slab.createCache('demo', { size: 6000 }));
    const back: number[] = [];
    pages.allocPages = () => pfn;
    pages.freePages = (block) => back.push(block);
    expect(() => cache.alloc()).toThrow(expect.objectContaining({ code: 'BAD_PAGE' }));
    expect(back).toEqual([pfn]);
  }
  const { slab, pages } = testSlab();
  const cache = made(slab.createCache('demo', { size: 200 }));
  const objects = take(cache, 20);
  pages.allocPages = () => 1;
  expect(() => cache.alloc()).toThrow(expect.objectContaining({ code: 'BAD_PAGE' }));
  // The page is a slab with objects in use: it must not go back.
  expect(pages.freed).toEqual([]);
  for (const object of objects) cache.free(object);
});

describe('zeroing', () => {
  test('clears the object, not its slot', () => {
    const { slab, memory } = testSlab();
    const cache = made(slab.createCache('demo', { size: 100 }));
    memory.fill(0x1000, 4096, 0xff);
    const address = cache.zalloc() as number;
    expect(memory.readU8(address)).toBe(0);
    expect(memory.readU8(address + 99)).toBe(0);
    expect(memory.readU8(address + 100)).toBe(0xff);
  });

  test('init_on_alloc clears always, but not constructed objects, and others only on request', () => {
    const { slab, memory } = testSlab({ parameters: { initOnAlloc: true } });
    const plain = made(slab.createCache('plain', { size: 100 }));
    const rcu = made(slab.createCache('rcu', { size: 120, flags: SlabFlag.SLAB_TYPESAFE_BY_RCU }));
    const ctor = made(
      slab.createCache('ctor', { size: 140, ctor: (at) => memory.fill(at, 140, 0x11) }),
    );
    const again = (cache: SlabCache, gfp: number): number => {
      const address = cache.alloc() as number;
      memory.fill(address, cache.objectSize, 0x11);
      cache.free(address);
      expect(cache.alloc(gfp)).toBe(address);
      return memory.readU8(address);
    };
    expect(again(plain, Gfp.GFP_KERNEL)).toBe(0);
    expect(again(rcu, Gfp.GFP_KERNEL)).toBe(0x11);
    expect(again(rcu, Gfp.GFP_KERNEL | Gfp.__GFP_ZERO)).toBe(0);
    expect(again(ctor, Gfp.GFP_KERNEL | Gfp.__GFP_ZERO)).toBe(0x11);
  });

  test('init_on_free clears what is given back', () => {
    const { slab, memory } = testSlab({ parameters: { initOnFree: true } });
    const cache = made(slab.createCache('demo', { size: 100 }));
    const address = cache.alloc() as number;
    memory.fill(address, 100, 0xff);
    cache.free(address);
    expect(memory.readU8(address + 50)).toBe(0);
    const ctor = made(slab.createCache('ctor', { size: 140, ctor: () => undefined }));
    const kept = ctor.alloc() as number;
    memory.fill(kept, 140, 0xff);
    ctor.free(kept);
    expect(memory.readU8(kept)).toBe(0xff);
  });
});

describe('constructors', () => {
  test('run once per object, ascending, when a slab is made', () => {
    const { slab } = testSlab();
    const seen: number[] = [];
    const cache = made(slab.createCache('demo', { size: 1000, ctor: (at) => seen.push(at) }));
    const first = cache.alloc() as number;
    cache.free(first);
    take(cache, 4);
    expect(seen).toEqual([0x1000, 0x1000 + 1000, 0x1000 + 2000, 0x1000 + 3000]);
  });

  test('asking for zeroed memory is warned about once', () => {
    const lines: string[] = [];
    const { slab } = testSlab({ log: (line) => lines.push(line) });
    const cache = made(slab.createCache('demo', { size: 3000, ctor: () => undefined }));
    cache.zalloc();
    cache.zalloc();
    expect(lines).toHaveLength(1);
  });

  test('one that throws leaves everything as it was', () => {
    const { slab, pages } = testSlab();
    let fails = true;
    const ctor = (): void => {
      if (fails) throw new Error('no');
    };
    const cache = made(slab.createCache('demo', { size: 600, ctor }));
    const before = slab.snapshot();
    expect(() => cache.alloc()).toThrow('no');
    expect(slab.snapshot()).toEqual({ ...before, slabs: expect.anything(), freeSlots: [1] });
    expect(pages.used.size).toBe(0);
    fails = false;
    expect(cache.alloc()).not.toBeNull();
  });
});

describe('index arrays off the slab', () => {
  const rcu = SlabFlag.SLAB_TYPESAFE_BY_RCU;

  test('are kmalloc objects of the node, and go back after the pages', () => {
    const { slab } = testSlab({ boot: 'kernel' });
    const cache = made(slab.createCache('demo', { size: 1024, ctor: () => undefined }));
    const holder = slab.cache('kmalloc-32') as SlabCache;
    const before = holder.stats().activeObjects - holder.cpuCache[0].avail;
    const address = cache.alloc() as number;
    expect(holder.stats().activeObjects - holder.cpuCache[0].avail).toBe(before + 1);
    const slot = slab.state.map.private[Math.floor(address / 4096)];
    expect(slab.locate(slab.state.slabs.freelist[slot])?.cache).toBe('kmalloc-32');
    cache.free(address);
    cache.shrink();
    expect(holder.stats().activeObjects - holder.cpuCache[0].avail).toBe(before);
  });

  test('without memory for one there is no slab, but the colour moved on', () => {
    const { slab, pages } = testSlab({ boot: 'kernel' });
    const cache = made(slab.createCache('demo', { size: 1024, flags: rcu }));
    pages.budget = 1;
    expect(cache.alloc()).toBeNull();
    const used = pages.used.size;
    expect(pages.requests.slice(-4).map(({ order }) => order)).toEqual([0, 0, 0, 0]);
    pages.budget = 10;
    expect(cache.alloc()).not.toBeNull();
    expect(pages.used.size).toBe(used + 2);
  });

  test('are kept outside when the allocator costs nothing', () => {
    const { slab } = testSlab();
    const cache = made(slab.createCache('demo', { size: 1024, flags: rcu }));
    expect(take(cache, 4)).toEqual([0x1c00, 0x1800, 0x1400, 0x1000]);
  });
});

describe('array caches', () => {
  function filled(limit: number, ...entries: number[]): ArrayCache {
    const ac = new ArrayCache(limit, 2);
    ac.entries.set(entries);
    ac.avail = entries.length;
    return ac;
  }
  const shown = (ac: ArrayCache): number[] => [...ac.entries.subarray(0, ac.avail)];

  test('transfer takes the newest and keeps their order', () => {
    const [to, from] = [filled(4, 9), filled(8, 1, 2, 3, 4, 5)];
    expect(transferObjects(to, from, 10)).toBe(3);
    expect([shown(to), shown(from)]).toEqual([
      [9, 3, 4, 5],
      [1, 2],
    ]);
    expect(transferObjects(to, from, 10)).toBe(0);
    expect(transferObjects(filled(9), from, 1)).toBe(1);
    expect(shown(from)).toEqual([1]);
  });

  test('a flush takes the oldest', () => {
    const [to, from] = [filled(9, 9), filled(8, 1, 2, 3, 4, 5)];
    copyOldest(to, from, 2);
    dropOldest(from, 2);
    expect([shown(to), shown(from)]).toEqual([
      [9, 1, 2],
      [3, 4, 5],
    ]);
  });
});
