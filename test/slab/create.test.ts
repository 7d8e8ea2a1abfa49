// covers: src/slab/kfree-bulk.ts src/slab/destroy.ts src/slab/standalone.ts src/slab/kmalloc-front-end.ts src/slab/stats.ts
import { describe, expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { KMALLOC_MAX_SIZE, ZERO_SIZE_PTR } from '../../src/mm/kmalloc-sizes.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { cacheNodeOf } from '../../src/slab/cache-state.ts';
import { heldCount } from '../../src/slab/slab-table.ts';
import { createKmemCache } from '../../src/slab/standalone.ts';
import { made, TestPages, take, testSlab, testTopology } from './support.ts';

describe('creation', () => {
  test('keeps the flags that SLAB knows', () => {
    const { slab } = testSlab();
    const flags =
      SlabFlag.SLAB_TRACE |
      SlabFlag.SLAB_CONSISTENCY_CHECKS |
      SlabFlag.SLAB_NO_USER_FLAGS |
      SlabFlag.SLAB_POISON |
      SlabFlag.SLAB_MEM_SPREAD;
    const cache = made(slab.createCache('demo', { size: 3000, flags }));
    expect(cache.flags & ~0x40000000).toBe(SlabFlag.SLAB_MEM_SPREAD);
  });

  test('refuses flags that do not exist, and sizes that fit nowhere', () => {
    const lines: string[] = [];
    const { slab } = testSlab({ log: (line) => lines.push(line) });
    const bad = (size: number, flags: number, code: string, errno: number): void => {
      expect(() => slab.createCache('demo', { size, flags })).toThrow(
        expect.objectContaining({ code, data: expect.objectContaining({ errno }) }),
      );
    };
    bad(64, 1, 'BAD_CACHE', -22);
    bad(64, SlabFlag.SLAB_ACCOUNT, 'BAD_CACHE', -22);
    bad(4194305, 0, 'BAD_CACHE', -7);
    bad(4194305, SlabFlag.SLAB_PANIC, 'PANIC', -7);
    expect(lines).toEqual([
      'kmem_cache_create_usercopy(demo) failed with error -22',
      'kmem_cache_create_usercopy(demo) failed with error -22',
      'kmem_cache_create_usercopy(demo) failed with error -7',
      "kmem_cache_create_usercopy: Failed to create slab 'demo'. Error -7",
    ]);
    for (const size of [0, -1, 1.5, Number.NaN]) {
      expect(() => slab.createCache('demo', { size })).toThrow(
        expect.objectContaining({ code: 'BAD_ARGUMENT' }),
      );
    }
    expect(slab.caches).toHaveLength(34);
  });

  test('takes a descriptor, structures and arrays, in the order of spec slab 4.4', () => {
    const allocated: number[] = [];
    const { slab } = testSlab({ boot: 'kernel', topology: testTopology([0, 1], 2) });
    slab.trace = {
      kmemCacheAlloc: (_, bytesReq) => allocated.push(-bytesReq),
      kmalloc: (_, bytesReq) => allocated.push(bytesReq),
    };
    const cache = made(slab.createCache('demo', { size: 200 }));
    // Descriptor; per node: pointers, the alien array of the other node, shared array, structure.
    expect(allocated).toEqual([-136, 16, 120, 3856, 120, 16, 120, 3856, 120]);
    expect(slab.locate(cacheNodeOf(cache, 1).address)?.node).toBe(1);
    expect(slab.locate(cacheNodeOf(cache, 0).alien?.caches[1]?.address ?? 0)?.cache).toBe(
      'kmalloc-128',
    );
    const freed: (number | string)[] = [];
    slab.trace = {
      kfree: (address) => freed.push(slab.ksize(address)),
      kmemCacheFree: (_, name) => freed.push(name),
    };
    expect(cache.destroy()).toBe(true);
    // Per node: shared array, alien array, pointers, structure; then the descriptor.
    expect(freed).toEqual([4096, 128, 32, 128, 4096, 128, 32, 128, 'kmem_cache']);
  });

  test('undoes everything when memory ends', () => {
    const lines: string[] = [];
    const topology = testTopology([0, 1], 2);
    const { slab, pages } = testSlab({ boot: 'kernel', topology, log: (l) => lines.push(l) });
    // Objects of the allocator and of callers, not those that wait in arrays.
    const inUse = (): number =>
      slab.caches.reduce((sum, { name, slabs }) => {
        const cache = made(slab.cache(name));
        let count = 0;
        for (let slot = 1; slot < slabs.count; slot++) {
          if (slabs.cache[slot] === cache.id) count += heldCount(slabs, slot);
        }
        return sum + count;
      }, 0);
    const results: (string | null)[] = [];
    for (let budget = 0; budget < 4; budget++) {
      pages.budget = 0;
      // Every shared array of 3856 bytes takes a page of its own from here on.
      while (slab.kmalloc(4096) !== null);
      const before = inUse();
      pages.budget = budget;
      const cache = slab.createCache(`demo${budget}`, { size: 200, ctor: () => undefined });
      results.push(cache?.name ?? null);
      if (cache === null) expect(inUse()).toBe(before);
      expect(slab.checkInvariants()).toEqual([]);
    }
    expect(results).toEqual([null, null, 'demo2', 'demo3']);
    expect(lines.slice(0, 2)).toEqual([
      'enable_cpucache failed for demo0, error 12',
      'kmem_cache_create_usercopy(demo0) failed with error -12',
    ]);
    pages.budget = 0;
    while (slab.kmalloc(4096) !== null);
    const flags = SlabFlag.SLAB_PANIC;
    expect(() => slab.createCache('last', { size: 200, flags, ctor: () => undefined })).toThrow(
      expect.objectContaining({ code: 'PANIC' }),
    );
    // Not even a descriptor is left.
    while (slab.createCache('small', { size: 9000, ctor: () => undefined }) !== null);
    expect(slab.checkInvariants()).toEqual([]);
  });
});

describe('merging', () => {
  test('joins the oldest cache that fits, and keeps the larger size', () => {
    const { slab } = testSlab();
    const first = made(slab.createCache('first', { size: 196 }));
    const second = made(slab.createCache('second', { size: 200 }));
    expect(second).toBe(first);
    expect([first.refcount, first.objectSize, first.name]).toEqual([2, 200, 'first']);
    expect(slab.cache('second')).toBeNull();
    expect(made(slab.createCache('third', { size: 190 }))).not.toBe(first);
    expect(first.destroy()).toBe(true);
    expect(first.refcount).toBe(1);
    expect(slab.cache('first')).toBe(first);
    expect(first.destroy()).toBe(true);
    expect(slab.cache('first')).toBeNull();
  });

  test('needs alignments that fit, no constructor, and to be allowed', () => {
    const { slab } = testSlab();
    const aligned = made(slab.createCache('aligned', { size: 192, align: 64 }));
    expect(slab.createCache('finer', { size: 190, align: 16 })).toBe(aligned);
    expect(slab.createCache('coarser', { size: 190, align: 128 })).not.toBe(aligned);
    expect(slab.createCache('ctor', { size: 190, align: 64, ctor: () => 0 })).not.toBe(aligned);
    expect(slab.createCache('user', { size: 190, align: 64, usersize: 8 })).not.toBe(aligned);
    const apart = testSlab({ parameters: { nomerge: true } }).slab;
    expect(apart.createCache('a', { size: 200 })).not.toBe(apart.createCache('b', { size: 200 }));
    const debug = testSlab({ config: { debug: true } }).slab;
    expect(debug.createCache('a', { size: 200 })).not.toBe(debug.createCache('b', { size: 200 }));
  });
});

describe('destruction', () => {
  test('waits for the objects', () => {
    const lines: string[] = [];
    const { slab } = testSlab({ log: (line) => lines.push(line) });
    const cache = made(slab.createCache('demo', { size: 200 }));
    const [address] = take(cache, 1);
    slab.callSite = { address: 1n, symbolOf: () => 'demo_exit+0x10/0x20' };
    expect(cache.destroy()).toBe(false);
    expect(lines).toEqual([
      'kmem_cache_destroy demo: Slab cache still has objects when called from demo_exit+0x10/0x20',
    ]);
    expect(slab.cache('demo')).toBe(cache);
    expect(cache.refcount).toBe(0);
    for (const act of [() => cache.alloc(), () => cache.destroy(), () => cache.shrink()]) {
      expect(act).toThrow(expect.objectContaining({ code: 'CACHE_DESTROYED' }));
    }
    cache.free(address);
    expect(slab.checkInvariants()).toEqual([]);
  });

  test('leaves a handle that only says that it is gone', () => {
    const { slab, pages } = testSlab();
    const cache = made(slab.createCache('demo', { size: 200 }));
    const [address] = take(cache, 1);
    cache.free(address);
    expect(cache.destroy()).toBe(true);
    expect(pages.used.size).toBe(0);
    expect(() => cache.free(address)).toThrow(expect.objectContaining({ code: 'CACHE_DESTROYED' }));
    expect(() => cache.alloc()).toThrow(expect.objectContaining({ code: 'CACHE_DESTROYED' }));
    expect(slab.checkInvariants()).toEqual([]);
  });

  test('under RCU ends with the grace period', () => {
    const { slab, pages } = testSlab({ boot: 'kernel' });
    const flags = SlabFlag.SLAB_TYPESAFE_BY_RCU;
    const cache = made(slab.createCache('demo', { size: 1000, flags }));
    const objects = take(cache, 8);
    for (const address of objects) cache.free(address);
    const used = pages.used.size;
    expect(cache.shrink()).toBe(false);
    expect(pages.used.size).toBe(used);
    expect(slab.state.rcuSlabs).toHaveLength(2);
    expect(() => cache.free(objects[0])).toThrow(
      expect.objectContaining({ code: 'FOREIGN_POINTER' }),
    );
    expect(cache.destroy()).toBe(true);
    expect(slab.cache('demo')).toBeNull();
    const descriptor = cache.address;
    expect(slab.locate(descriptor)?.inUse).toBe(true);
    slab.endGracePeriod();
    expect(pages.used.size).toBe(used - 2);
    expect(slab.locate(descriptor)?.inUse).toBe(false);
    expect(slab.checkInvariants()).toEqual([]);
  });
});

describe('bulk calls', () => {
  test('give what single calls give', () => {
    const [one, all] = [testSlab().slab, testSlab().slab];
    const single = take(made(one.createCache('demo', { size: 200 })), 50);
    const cache = made(all.createCache('demo', { size: 200 }));
    const slots = new Float64Array(50);
    expect(cache.allocBulk(Gfp.GFP_KERNEL, slots)).toBe(50);
    expect([...slots]).toEqual(single);
    cache.freeBulk(slots);
    expect(cache.alloc()).toBe(single[49]);
    expect(cache.allocBulk(Gfp.GFP_KERNEL, [])).toBe(0);
  });

  test('give all or nothing', () => {
    const { slab, pages } = testSlab();
    const cache = made(slab.createCache('demo', { size: 2048 }));
    pages.budget = 3;
    expect(cache.allocBulk(Gfp.GFP_KERNEL, new Array(8).fill(0))).toBe(0);
    expect(cache.stats().activeObjects).toBe(cache.cpuCache[0].avail);
    expect(cache.allocBulk(Gfp.GFP_KERNEL, new Array(6).fill(0))).toBe(6);
  });
});

describe('kmalloc', () => {
  test('rounds up to the size classes of SLAB', () => {
    const { slab } = testSlab();
    for (const [size, cache] of [
      [1, 'kmalloc-32'],
      [32, 'kmalloc-32'],
      [33, 'kmalloc-64'],
      [96, 'kmalloc-96'],
      [97, 'kmalloc-128'],
      [192, 'kmalloc-192'],
      [8192, 'kmalloc-8k'],
    ] as const) {
      expect(slab.locate(slab.kmalloc(size) ?? 0)?.cache).toBe(cache);
    }
    expect(slab.ksize(slab.kmalloc(80))).toBe(96);
    expect(slab.kmallocSizeRoundup(10)).toBe(32);
    expect(slab.locate(slab.kmalloc(80, Gfp.GFP_KERNEL | Gfp.__GFP_RECLAIMABLE) ?? 0)?.cache).toBe(
      'kmalloc-rcl-96',
    );
  });

  test('of nothing, of pages, and of too much', () => {
    const { slab, pages } = testSlab({ pagesPerNode: 0x4000 });
    expect(slab.kmalloc(0)).toBe(ZERO_SIZE_PTR);
    slab.kfree(ZERO_SIZE_PTR);
    slab.kfree(null);
    const large = slab.kmalloc(8193) as number;
    expect(pages.requests.at(-1)).toMatchObject({ order: 2, gfp: 0x40cc0 });
    expect(slab.ksize(large)).toBe(16384);
    slab.kfree(large);
    expect(pages.freed).toEqual([{ pfn: large / 4096, order: 2, cpu: 0 }]);
    expect(slab.kmalloc(KMALLOC_MAX_SIZE + 1)).toBeNull();
    expect(() => slab.kfree(large)).toThrow(expect.objectContaining({ code: 'FOREIGN_POINTER' }));
  });

  test('on nodes, cleared, for arrays', () => {
    const { slab, memory } = testSlab({ topology: testTopology([0, 1], 2) });
    expect(slab.locate(slab.kmallocNode(64, Gfp.GFP_KERNEL, 1) ?? 0)?.node).toBe(1);
    const dirty = slab.kmalloc(64) as number;
    memory.fill(dirty, 64, 0xff);
    slab.kfree(dirty);
    expect(slab.kzalloc(60)).toBe(dirty);
    expect(memory.readU8(dirty + 63)).toBe(0);
    expect(slab.ksize(slab.kcalloc(3, 30))).toBe(96);
    expect(slab.kmallocArray(2 ** 40, 2 ** 40)).toBeNull();
    expect(slab.kreallocArray(null, 2 ** 40, 2 ** 40)).toBeNull();
    expect(slab.ksize(slab.kreallocArray(null, 2, 50))).toBe(128);
  });

  test('realloc keeps, moves and frees', () => {
    const { slab, memory } = testSlab();
    const address = slab.krealloc(null, 50) as number;
    memory.writeU8(address, 7);
    expect(slab.krealloc(address, 64)).toBe(address);
    const moved = slab.krealloc(address, 65) as number;
    expect(moved).not.toBe(address);
    expect(memory.readU8(moved)).toBe(7);
    expect(slab.locate(address)?.inUse).toBe(false);
    expect(slab.krealloc(moved, 0)).toBe(ZERO_SIZE_PTR);
    expect(slab.locate(moved)?.inUse).toBe(false);
  });

  test('sensitive and bulk frees', () => {
    const { slab, memory } = testSlab();
    const secret = slab.kmalloc(64) as number;
    memory.fill(secret, 64, 0xff);
    slab.kfreeSensitive(secret);
    expect(memory.readU8(secret + 40)).toBe(0);
    const traced: number[] = [];
    slab.trace = { kfree: (address) => traced.push(address) };
    const blocks = [slab.kmalloc(64), slab.kmalloc(300), slab.kmalloc(10000)] as number[];
    slab.kfreeBulk(blocks);
    expect(traced).toEqual([]);
    for (const address of blocks.slice(0, 2)) expect(slab.locate(address)?.inUse).toBe(false);
    slab.kfree(slab.kmalloc(64));
    expect(traced).toHaveLength(1);
    slab.trace = null;
    expect(slab.trace).toBeNull();
  });

  test('bulk frees check all blocks before the first', () => {
    const { slab } = testSlab();
    const [small, large] = [slab.kmalloc(64), slab.kmalloc(20000)] as [number, number];
    const before = slab.snapshot();
    for (const [addresses, code] of [
      [[small, small], 'DOUBLE_FREE'],
      [[large, large], 'DOUBLE_FREE'],
      [[small, large, 0x900000], 'FOREIGN_POINTER'],
      [[small, -1], 'BAD_ARGUMENT'],
    ] as const) {
      expect(() => slab.kfreeBulk([...addresses])).toThrow(expect.objectContaining({ code }));
    }
    expect(slab.snapshot()).toEqual(before);
    slab.kfreeBulk([0, small, ZERO_SIZE_PTR, large]);
    expect(slab.locate(small)?.inUse).toBe(false);
    expect(() => slab.kfree(large)).toThrow(expect.objectContaining({ code: 'FOREIGN_POINTER' }));
  });

  test('tracepoints tell what was asked for and what it takes', () => {
    const events: unknown[] = [];
    const { slab } = testSlab({
      trace: {
        kmalloc: (...args) => events.push(['kmalloc', ...args]),
        kmemCacheAlloc: (...args) => events.push(['alloc', ...args]),
        kmemCacheFree: (...args) => events.push(['free', ...args]),
      },
    });
    const address = slab.kmalloc(80, Gfp.GFP_ATOMIC);
    expect(events).toEqual([['kmalloc', address, 80, 128, Gfp.GFP_ATOMIC, -1]]);
    const cache = made(slab.createCache('demo', { size: 100 }));
    events.length = 0;
    const object = cache.allocNode(Gfp.GFP_KERNEL, 0) as number;
    cache.free(object);
    expect(events).toEqual([
      ['alloc', object, 100, 104, Gfp.GFP_KERNEL, 0],
      ['free', object, 'demo'],
    ]);
  });

  test('a CPU that does not exist is refused', () => {
    const { slab } = testSlab({ checks: 'basic' });
    const address = slab.kmalloc(64) as number;
    expect(slab.state.hooked).toBe(false);
    expect(() => slab.kmalloc(64, Gfp.GFP_KERNEL, 1)).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT' }),
    );
    expect(() => slab.kfree(address, 1)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    expect(() => slab.kfree(-1)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });
});

test('a cache of its own needs nothing around it', () => {
  const source = new TestPages();
  const cache = createKmemCache({ source, memory: noMemory(0x1000 * 4096), size: 64 });
  expect(cache.name).toBe('object');
  expect(cache.alloc()).not.toBeNull();
  expect(source.used.size).toBe(1);
});
