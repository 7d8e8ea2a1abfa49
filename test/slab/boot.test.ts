// covers: src/slab/hotplug.ts src/slab/own-memory.ts src/slab/parameters.ts src/slab/state.ts src/slab/allocator.ts
import { describe, expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { SlabAllocator } from '../../src/slab/allocator.ts';
import { descriptorBytes } from '../../src/slab/boot.ts';
import { cacheNodeOf } from '../../src/slab/cache-state.ts';
import {
  defaultConfig,
  defaultParameters,
  parseSlabParameters,
} from '../../src/slab/parameters.ts';
import { BootState } from '../../src/slab/state.ts';
import { made, TestPages, take, testSlab, testTopology } from './support.ts';

describe('the caches of boot (spec slab 4.22)', () => {
  test('are listed newest first, kmalloc-128 before the other kmalloc caches', () => {
    const { slab } = testSlab();
    const names = slab.caches.map(({ name }) => name).reverse();
    expect(names.slice(0, 12)).toEqual([
      'kmem_cache',
      'kmalloc-128',
      'kmalloc-32',
      'kmalloc-64',
      'kmalloc-96',
      'kmalloc-192',
      'kmalloc-256',
      'kmalloc-512',
      'kmalloc-1k',
      'kmalloc-2k',
      'kmalloc-4k',
      'kmalloc-8k',
    ]);
    expect(names[12]).toBe('kmalloc-rcl-32');
    expect(names.at(-1)).toBe('dma-kmalloc-8k');
    expect(names).toHaveLength(34);
  });

  test('follow the build', () => {
    const { slab } = testSlab({ config: { memcg: true, zoneDma: false } });
    expect(slab.cache('dma-kmalloc-32')).toBeNull();
    expect(slab.cache('kmalloc-cg-32')?.refcount).toBe(1);
    expect(slab.cache('kmalloc-32')?.refcount).toBe(-1);
    const charged = slab.kmalloc(100, Gfp.GFP_KERNEL_ACCOUNT) as number;
    expect(slab.locate(charged)?.cache).toBe('kmalloc-cg-128');
    const plain = slab.kmalloc(100, Gfp.GFP_KERNEL | Gfp.GFP_DMA) as number;
    expect(slab.locate(plain)?.cache).toBe('kmalloc-128');
  });

  test('have descriptors of the sizes of spec slab 2.1', () => {
    const sizeOf = (nodes: number, config = {}): number => {
      const { slab } = testSlab({ config, topology: testTopology([0], nodes) });
      expect(slab.cache('kmem_cache')?.objectSize).toBe(descriptorBytes(slab.state));
      return descriptorBytes(slab.state);
    };
    expect([sizeOf(1), sizeOf(2)]).toEqual([128, 136]);
    expect(sizeOf(1, { freelistRandom: true })).toBe(136);
    expect(sizeOf(3, { debug: true })).toBe(248);
    const { slab } = testSlab({ topology: testTopology([0], 2) });
    expect(slab.cache('kmem_cache')?.geometry()).toMatchObject({ size: 192, align: 64, num: 21 });
    const one = testSlab().slab.cache('kmem_cache')?.geometry();
    expect(one).toMatchObject({ size: 128, align: 128, num: 32, refcount: -1 });
  });

  test('come out of their own pages, index 0 first', () => {
    const { slab, pages } = testSlab({ boot: 'kernel', bringUp: 'none' });
    // Two pages of descriptors and two of node structures.
    expect(pages.requests.map(({ gfp }) => gfp)).toEqual(new Array(4).fill(0x242000));
    expect(slab.cache('kmalloc-128')?.address).toBe(0x1000);
    expect(slab.cache('kmalloc-32')?.address).toBe(0x1080);
    const node = cacheNodeOf(made(slab.cache('kmem_cache')), 0);
    expect([node.address, slab.locate(node.address)?.cache]).toEqual([0x2000, 'kmalloc-128']);
    expect(cacheNodeOf(made(slab.cache('kmalloc-128')), 0).address).toBe(0x2080);
    expect(slab.state.bootState).toBe(BootState.UP);
    expect(slab.cache('kmalloc-64')?.geometry()).toMatchObject({
      limit: 1,
      batchcount: 1,
      shared: 0,
    });
    expect(slab.gfpAllowedMask).toBe(Gfp.GFP_BOOT_MASK);
    expect(slab.checkInvariants()).toEqual([]);
  });

  test('get their final arrays late, newest cache first', () => {
    const { slab, pages } = testSlab({
      boot: 'kernel',
      bringUp: 'none',
      topology: testTopology([0, 0], 1),
    });
    const before = pages.requests.length;
    slab.kmemCacheInitLate();
    expect(slab.state.bootState).toBe(BootState.FULL);
    expect(slab.cache('kmalloc-64')?.geometry()).toMatchObject({
      limit: 120,
      batchcount: 60,
      shared: 8,
    });
    // No CPU is in the mask yet: one batch and one slab.
    expect(cacheNodeOf(made(slab.cache('kmalloc-64')), 0).freeLimit).toBe(60 + 64);
    // Arrays of 4k caches lie in kmalloc-1k, of 1k in kmalloc-2k, of 256 in kmalloc-4k.
    const shared = cacheNodeOf(made(slab.cache('kmalloc-4k')), 0).shared;
    expect(slab.locate(shared?.address ?? 0)?.cache).toBe('kmalloc-1k');
    const small = cacheNodeOf(made(slab.cache('kmem_cache')), 0).shared;
    expect([small?.limit, slab.locate(small?.address ?? 0)?.cache]).toEqual([480, 'kmalloc-4k']);
    expect(pages.requests.length).toBeGreaterThan(before);
    slab.kmemCacheInitLate();
    expect(slab.checkInvariants()).toEqual([]);
  });

  test('take one object at a time before that', () => {
    const { slab } = testSlab({ bringUp: 'none' });
    const first = slab.kmalloc(64) as number;
    const second = slab.kmalloc(64) as number;
    expect(second - first).toBe(64);
    slab.kfree(first);
    slab.kfree(second);
    // The array holds one; the first went back into its slab.
    expect(slab.kmalloc(64)).toBe(second);
    expect(slab.kmalloc(64)).toBe(first);
  });

  test('panic without memory', () => {
    const pages = new TestPages();
    for (const budget of [0, 1, 2, 5, 9]) {
      pages.budget = budget;
      const options = { source: pages, memory: noMemory(0x1000 * 4096) };
      expect(() => new SlabAllocator({ ...options, topology: testTopology([0, 0], 1) })).toThrow(
        expect.objectContaining({ code: 'PANIC' }),
      );
      pages.used.clear();
    }
  });
});

describe('limits of free objects follow the CPUs (spec slab 4.4)', () => {
  test('caches of boot miss one CPU', () => {
    for (const cpus of [1, 2, 4]) {
      const { slab } = testSlab({ topology: testTopology(new Array(cpus).fill(0), 1) });
      expect(cacheNodeOf(made(slab.cache('kmalloc-64')), 0).freeLimit).toBe(cpus * 60 + 64);
      const later = made(slab.createCache('later', { size: 64 }));
      expect(cacheNodeOf(later, 0).freeLimit).toBe((1 + cpus) * 60 + 64);
    }
  });

  test('with emulated nodes only the node of the CPU is recomputed', () => {
    const { slab } = testSlab({
      topology: testTopology([0, 1], 2),
      nodeCpus: [
        [0, 1],
        [0, 1],
      ],
    });
    const boot = made(slab.cache('kmalloc-64'));
    expect([0, 1].map((node) => cacheNodeOf(boot, node).freeLimit)).toEqual([124, 184]);
    const later = made(slab.createCache('later', { size: 64 }));
    expect([0, 1].map((node) => cacheNodeOf(later, node).freeLimit)).toEqual([244, 244]);
  });

  test('without NUMA all CPUs count', () => {
    const { slab } = testSlab({ config: { numa: false }, topology: testTopology([0, 0, 0], 1) });
    const later = made(slab.createCache('later', { size: 64 }));
    expect(cacheNodeOf(later, 0).freeLimit).toBe(4 * 60 + 64);
  });
});

describe('CPUs come and go (spec slab 4.23)', () => {
  const topology = testTopology([0, 0, 1], 2);

  test('one by one', () => {
    const { slab } = testSlab({ boot: 'kernel', bringUp: 'none', topology });
    slab.kmemCacheInitLate();
    slab.gfpAllowedMask = Gfp.__GFP_BITS_MASK;
    slab.onlineCpu(0);
    expect(() => slab.kmalloc(64, Gfp.GFP_KERNEL, 1)).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT' }),
    );
    for (const cpu of [1, 2]) {
      expect(slab.prepareCpu(cpu)).toBe(true);
      slab.onlineCpu(cpu);
      expect(slab.kmalloc(64, Gfp.GFP_KERNEL, cpu)).not.toBeNull();
    }
    expect(slab.state.reapDue.every((due) => due > 0)).toBe(true);
    expect(slab.state.hooked).toBe(true);
    expect(slab.checkInvariants()).toEqual([]);
  });

  test('a dead CPU leaves its objects to its node', () => {
    const { slab } = testSlab({ topology });
    const cache = made(slab.createCache('demo', { size: 2048 }));
    const n = cacheNodeOf(cache, 0);
    const limit = n.freeLimit;
    for (const address of take(cache, 6, 1)) cache.free(address, 1);
    slab.offlineCpu(1);
    expect(slab.state.nodeCpus[0]).toEqual([0]);
    expect(slab.state.reapDue[1]).toBe(-1);
    expect(() => cache.alloc(Gfp.GFP_KERNEL, 1)).toThrow(
      expect.objectContaining({ message: 'the CPU is offline' }),
    );
    slab.cpuDead(1);
    expect(cache.cpuCache[1].avail).toBe(0);
    expect(n.freeLimit).toBe(limit - 12);
    expect(n.totalSlabs).toBe(0);
    expect(n.shared).not.toBeNull();
    expect(slab.prepareCpu(1)).toBe(true);
    slab.onlineCpu(1);
    expect(n.freeLimit).toBe(limit - 12);
    expect(take(cache, 1, 1)).toHaveLength(1);
  });

  test('the last CPU of a node takes the shared and alien arrays with it', () => {
    const { slab } = testSlab({ topology, boot: 'kernel' });
    const cache = made(slab.createCache('demo', { size: 1024 }));
    cache.tune({ limit: 2, batchcount: 1, shared: 2 });
    const [own] = take(cache, 1, 2);
    const [foreign] = take(cache, 1, 0);
    for (const address of take(cache, 6, 2)) cache.free(address, 2);
    cache.free(foreign, 2);
    const n = cacheNodeOf(cache, 1);
    expect([n.shared?.avail, n.alien?.caches[0]?.avail]).toEqual([2, 1]);
    const home = cacheNodeOf(cache, 0);
    slab.offlineCpu(2);
    slab.cpuDead(2);
    expect([n.shared, n.alien]).toEqual([null, null]);
    expect(home.shared?.avail).toBe(1);
    expect(slab.checkInvariants()).toEqual([]);
    // A CPU of another node now finds no alien array there, only slabs.
    cache.free(own, 0);
    expect(slab.checkInvariants()).toEqual([]);
    expect(slab.prepareCpu(2)).toBe(true);
    expect(n.alien?.caches[0]?.limit).toBe(12);
  });

  test('without memory a CPU stays down', () => {
    const { slab, pages } = testSlab({ topology, boot: 'kernel' });
    slab.offlineCpu(1);
    slab.cpuDead(1);
    pages.budget = 0;
    while (slab.kmalloc(120) !== null);
    expect(slab.prepareCpu(1)).toBe(false);
    expect(slab.checkInvariants()).toEqual([]);
  });
});

describe('memory comes and goes', () => {
  test('a node that comes gets structures, and no alien slots in older sets', () => {
    const topology = { ...testTopology([0, 0], 2), memoryNodes: [0] };
    const { slab } = testSlab({ topology });
    const cache = made(slab.createCache('demo', { size: 1024 }));
    expect(slab.state.multiNode).toBe(false);
    expect(slab.memoryGoingOnline(1)).toBe(true);
    expect(slab.state.onlineNodes).toEqual([0, 1]);
    const address = cache.allocNode(Gfp.GFP_KERNEL, 1) as number;
    expect(slab.locate(address)?.node).toBe(1);
    cache.free(address);
    expect(cacheNodeOf(cache, 1).freeObjects).toBe(4);
    expect(slab.memoryGoingOnline(1)).toBe(true);
  });

  test('a node goes only without objects', () => {
    const { slab } = testSlab({ topology: testTopology([0, 1], 2) });
    const cache = made(slab.createCache('demo', { size: 4096 }));
    const address = cache.allocNode(Gfp.GFP_KERNEL, 1, 0) as number;
    expect(slab.memoryGoingOffline(1)).toBe(false);
    cache.free(address, 0);
    cache.shrink();
    expect(slab.memoryGoingOffline(1)).toBe(true);
  });

  test('without memory for the structures the node stays away', () => {
    const topology = { ...testTopology([0, 0], 2), memoryNodes: [0] };
    const { slab, pages } = testSlab({ topology, boot: 'kernel' });
    pages.budget = 0;
    while (slab.kmalloc(120) !== null);
    expect(slab.memoryGoingOnline(1)).toBe(false);
    expect(slab.state.onlineNodes).toEqual([0]);
  });
});

describe('parameters', () => {
  test('are read from a command line', () => {
    expect(parseSlabParameters('quiet ro')).toEqual(defaultParameters());
    expect(
      parseSlabParameters(
        'slab_nomerge noaliencache slab_max_order=3 init_on_alloc=1 init_on_free=y',
      ),
    ).toEqual({
      maxOrder: 3,
      nomerge: true,
      noAlienCache: true,
      initOnAlloc: true,
      initOnFree: true,
    });
    expect(parseSlabParameters('slab_nomerge slab_merge').nomerge).toBe(false);
    expect(parseSlabParameters('slab_max_order=-5').maxOrder).toBe(0);
    expect(parseSlabParameters('slab_max_order=x init_on_alloc=maybe init_on_free').maxOrder).toBe(
      -1,
    );
    expect(parseSlabParameters('init_on_alloc=on init_on_alloc=off').initOnAlloc).toBe(false);
  });

  test('decide the order limit', () => {
    const order = (maxOrder: number, totalRamPages: number): number =>
      testSlab({ parameters: { maxOrder }, totalRamPages }).slab.state.slabMaxOrder;
    expect([order(-1, 8192), order(-1, 8193), order(0, 8193), order(20, 1)]).toEqual([0, 1, 0, 10]);
    expect(defaultConfig().numa).toBe(true);
  });
});

describe('options that contradict each other are refused', () => {
  const source = new TestPages();
  const memory = noMemory(0x1000 * 4096);
  test.each([
    { source },
    { source, memory, hz: 0 },
    { source, memory, cacheLineSize: 7 },
    { source, memory, onlineNodes: [1] },
    { source, memory, onlineNodes: [] },
    { source, memory, nodeCpus: [] },
    { source, memory, nodeCpus: [[5]] },
  ])('%#', (options) => {
    expect(() => new SlabAllocator(options)).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT' }),
    );
  });
});
