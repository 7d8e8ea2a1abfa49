// covers: src/slub/allocator.ts, src/slub/backend.ts, src/mm/kmalloc.ts, src/slub/kmalloc-calls.ts, src/slub/state.ts
import { expect, test } from 'vitest';
import { createBuddy } from '../../src/buddy/index.ts';
import { ArgumentError } from '../../src/lib/errors.ts';
import { arrayBufferMemory } from '../../src/memory/array-buffer.ts';
import { noMemory } from '../../src/memory/none.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { ZERO_SIZE_PTR } from '../../src/mm/kmalloc-sizes.ts';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import { topologyOfModel } from '../../src/mm/slab-topology.ts';
import { NodeStatItem } from '../../src/mm/vm-items.ts';
import { nodeState, Vmstat } from '../../src/mm/vmstat.ts';
import { SlubAllocator } from '../../src/slub/allocator.ts';
import { made, take, testSlub, testTopology } from './support.ts';

const MAX = Number.MAX_SAFE_INTEGER;

test('4.21 kmalloc goes to its size class and type', () => {
  const { slub } = testSlub();
  const cacheOf = (size: number, gfp: number = Gfp.GFP_KERNEL): string | undefined =>
    slub.locate(made(slub.kmalloc(size, gfp)))?.cache;
  expect([1, 8, 9, 96, 97, 192, 193, 8192].map((size) => cacheOf(size))).toEqual([
    'kmalloc-8',
    'kmalloc-8',
    'kmalloc-16',
    'kmalloc-96',
    'kmalloc-128',
    'kmalloc-192',
    'kmalloc-256',
    'kmalloc-8k',
  ]);
  expect(cacheOf(64, Gfp.GFP_KERNEL | Gfp.__GFP_RECLAIMABLE)).toBe('kmalloc-rcl-64');
  expect(cacheOf(64, Gfp.GFP_KERNEL | Gfp.GFP_DMA)).toBe('dma-kmalloc-64');
  expect(slub.kmalloc(0)).toBe(ZERO_SIZE_PTR);
});

test('4.21 large blocks are pages, counted and given back', () => {
  const vmstat = new Vmstat(2, 8, 2);
  const { slub, pages } = testSlub({ vmstat, topology: testTopology([0, 1], 2) });
  const counted = (node: number): number =>
    nodeState(vmstat, node, NodeStatItem.nr_slab_unreclaimable);
  const block = made(slub.kmalloc(20000, Gfp.GFP_KERNEL | Gfp.__GFP_ZERO, 1));
  expect(pages.requests).toMatchObject([{ order: 3, node: 1, gfp: 0x40dc0 }]);
  expect(counted(1)).toBe(8);
  expect(slub.locate(block)).toBeNull();
  expect(slub.ksize(block)).toBe(32768);
  expect(slub.ksize(block + 4096)).toBe(0);
  slub.kfree(block + 5000);
  expect([counted(1), pages.used.size]).toEqual([0, 0]);
  expect(() => slub.kfree(block)).toThrow(expect.objectContaining({ code: 'FOREIGN_POINTER' }));
  const here = made(slub.kmallocNode(9000, Gfp.GFP_KERNEL, 0, 1));
  expect(pages.nodeOf(Math.floor(here / 4096))).toBe(0);
  expect(slub.kmalloc(4194304 + 1)).toBeNull();
  expect(slub.kmalloc(MAX)).toBeNull();
  expect(pages.requests).toHaveLength(2);
});

test('kfree of a page that is neither slab nor compound warns once, and frees it', () => {
  const buddy = createBuddy({ zones: [{ zone: 'DMA32', startPfn: 0x1000, pages: 0x400 }] });
  const log: string[] = [];
  const slub = new SlubAllocator({
    source: buddy.pageSource(),
    boot: 'bare',
    topology: topologyOfModel(buddy.model),
    log: (line) => log.push(line),
  });
  log.length = 0;
  const pfn = made(buddy.allocPages(Gfp.GFP_KERNEL, 0));
  slub.kfree(pfn * 4096 + 100);
  expect(log).toEqual([`object pointer: 0x${(pfn * 4096 + 100).toString(16)}`]);
  expect(() => slub.kfree(pfn * 4096)).toThrow(
    expect.objectContaining({ code: 'FOREIGN_POINTER' }),
  );
});

test('kfree of nothing', () => {
  const { slub } = testSlub();
  slub.kfree(null);
  slub.kfree(0);
  slub.kfree(ZERO_SIZE_PTR);
  slub.kfreeSensitive(null);
  expect(slub.ksize(null)).toBe(0);
  expect(() => slub.kfree(-4096)).toThrow(ArgumentError);
  expect(() => slub.kfree(Number.NaN)).toThrow(
    expect.objectContaining({ code: 'FOREIGN_POINTER' }),
  );
  expect(() => slub.kfree(2 ** 52)).toThrow(expect.objectContaining({ code: 'FOREIGN_POINTER' }));
});

test('4.21 what a block holds', () => {
  const { slub } = testSlub();
  const ksize = (size: number, flags: number): number => {
    const cache = made(slub.createCache(`c${flags}`, { size, flags }));
    return slub.ksize(take(cache, 1)[0]);
  };
  expect(slub.ksize(made(slub.kmalloc(65)))).toBe(96);
  expect(ksize(60, 0)).toBe(64);
  expect(ksize(61, SlabFlag.SLAB_STORE_USER)).toBe(64);
  expect(ksize(61, SlabFlag.SLAB_TYPESAFE_BY_RCU)).toBe(64);
  expect(ksize(61, SlabFlag.SLAB_RED_ZONE)).toBe(61);
  expect(ksize(61, DEBUG_DEFAULT_FLAGS)).toBe(61);
  expect([0, 1, 8193].map((size) => slub.kmallocSizeRoundup(size))).toEqual([0, 8, 16384]);
});

test('4.21 krealloc keeps, moves with the whole old content, or frees', () => {
  const { slub, memory } = testSlub();
  const block = made(slub.kmalloc(40));
  for (let i = 0; i < 64; i++) memory.writeU8(block + i, i);
  expect(slub.krealloc(block, 64)).toBe(block);
  expect(slub.krealloc(block, 50, Gfp.GFP_KERNEL | Gfp.__GFP_ZERO)).toBe(block);
  expect(memory.readU8(block + 49)).toBe(49);
  expect(memory.readU8(block + 50)).toBe(0);
  memory.writeU8(block + 63, 99);
  const moved = made(slub.krealloc(block, 100));
  expect(moved).not.toBe(block);
  expect(memory.readU8(moved + 63)).toBe(99);
  expect(memory.readU8(moved + 49)).toBe(49);
  expect(slub.locate(block)).toMatchObject({ inUse: false });
  expect(slub.krealloc(moved, 0)).toBe(ZERO_SIZE_PTR);
  expect(slub.locate(moved)).toMatchObject({ inUse: false });
  const fresh = made(slub.krealloc(null, 30));
  expect(slub.locate(fresh)?.cache).toBe('kmalloc-32');
  expect(slub.locate(made(slub.krealloc(ZERO_SIZE_PTR, 8)))?.cache).toBe('kmalloc-8');
});

test('krealloc without memory leaves the old block', () => {
  const { slub, pages } = testSlub();
  const block = made(slub.kmalloc(40));
  pages.budget = 0;
  expect(slub.krealloc(block, 5000)).toBeNull();
  expect(slub.locate(block)).toMatchObject({ inUse: true });
});

test('arrays: the product counts, and overflows in silence', () => {
  const { slub, memory } = testSlub();
  const events: string[] = [];
  slub.trace = { kmalloc: (address) => events.push(String(address)) };
  const block = made(slub.kmallocArray(10, 9));
  expect(slub.locate(block)?.cache).toBe('kmalloc-96');
  memory.fill(block, 96, 0xff);
  slub.kfree(block);
  const cleared = made(slub.kcalloc(12, 8));
  expect(cleared).toBe(block);
  expect(memory.readU8(cleared + 95)).toBe(0);
  expect(slub.locate(made(slub.kreallocArray(cleared, 20, 8)))?.cache).toBe('kmalloc-192');
  events.length = 0;
  expect(slub.kmallocArray(2 ** 33, 2 ** 31)).toBeNull();
  expect(slub.kcalloc(2 ** 40, 2 ** 24)).toBeNull();
  expect(slub.kreallocArray(null, 2 ** 40, 2 ** 24)).toBeNull();
  expect(events).toEqual([]);
  expect(slub.kmallocArray(2 ** 31, 2 ** 32)).toBeNull();
  expect(events).toEqual(['-1']);
});

test('kfreeSensitive clears before it frees', () => {
  const { slub, memory } = testSlub();
  const block = made(slub.kmalloc(64));
  memory.fill(block, 64, 0x77);
  slub.kfreeSensitive(block);
  const free = Array.from({ length: 64 }, (_, i) => memory.readU8(block + i));
  // Only the pointer to the next free object stands in it.
  expect(free.filter((byte) => byte === 0x77)).toEqual([]);
  expect(free.slice(0, 32).every((byte) => byte === 0)).toBe(true);
});

test('5.5 tracepoints: what is traced and what is not', () => {
  const { slub } = testSlub();
  const events: string[] = [];
  slub.trace = {
    kmalloc: (address, req, alloc, gfp, node) =>
      events.push(`kmalloc ${address} ${req} ${alloc} ${gfp} ${node}`),
    kmemCacheAlloc: (address, req, alloc, gfp, node) =>
      events.push(`alloc ${address} ${req} ${alloc} ${gfp} ${node}`),
    kfree: (address) => events.push(`kfree ${address}`),
    kmemCacheFree: (address, name) => events.push(`free ${address} ${name}`),
  };
  const cache = made(slub.createCache('c', { size: 100 }));
  const traced = (action: () => unknown): string[] => {
    events.length = 0;
    action();
    return [...events];
  };
  let object = 0;
  expect(traced(() => (object = made(cache.allocNode(Gfp.GFP_ATOMIC, 0))))).toEqual([
    `alloc ${object} 100 104 2592 0`,
  ]);
  expect(traced(() => cache.free(object))).toEqual([`free ${object} c`]);
  expect(traced(() => slub.kmalloc(0))).toEqual([]);
  expect(traced(() => slub.kfree(null))).toEqual(['kfree -1']);
  expect(traced(() => (object = made(slub.kmalloc(100))))).toEqual([
    `kmalloc ${object} 100 128 3264 -1`,
  ]);
  expect(traced(() => slub.krealloc(null, 8))).toEqual([
    expect.stringMatching(/^kmalloc/),
    'kfree -1',
  ]);
  const many = [0, 0];
  expect(traced(() => cache.allocBulk(Gfp.GFP_KERNEL, many))).toEqual([]);
  expect(traced(() => cache.freeBulk(many))).toEqual([]);
  slub.trace = null;
  expect(traced(() => cache.alloc())).toEqual([]);
});

test('a failed allocation is traced too', () => {
  const { slub, pages } = testSlub();
  const cache = made(slub.createCache('c', { size: 100 }));
  const events: number[] = [];
  slub.trace = { kmemCacheAlloc: (address) => events.push(address) };
  pages.budget = 0;
  expect(cache.alloc()).toBeNull();
  expect(events).toEqual([-1]);
});

test('4.26 what is cleared, by parameter and cache', () => {
  const { slub, memory } = testSlub({ parameters: { initOnAlloc: true } });
  const first = (flags: number, gfp: number, ctor?: (at: number) => void): number[] => {
    const cache = made(slub.createCache(`c${flags}${gfp}${ctor?.name}`, { size: 24, flags, ctor }));
    const [object] = take(cache, 1);
    for (let i = 0; i < 24; i++) memory.writeU8(object + i, 0x11);
    cache.free(object);
    const again = made(cache.alloc(gfp));
    return [again - object, memory.readU8(again), memory.readU8(again + 23)];
  };
  const zero = Gfp.GFP_KERNEL | Gfp.__GFP_ZERO;
  const { SLAB_TYPESAFE_BY_RCU, SLAB_POISON } = SlabFlag;
  expect(first(0, Gfp.GFP_KERNEL)).toEqual([0, 0, 0]);
  expect(first(SLAB_TYPESAFE_BY_RCU, Gfp.GFP_KERNEL)).toEqual([0, 0x11, 0x11]);
  expect(first(SLAB_TYPESAFE_BY_RCU, zero)).toEqual([0, 0, 0]);
  expect(first(SLAB_POISON, Gfp.GFP_KERNEL)).toEqual([0, 0x6b, 0xa5]);
  expect(first(0, zero, () => undefined)).toEqual([0, 0x11, 0x11]);
});

test('4.18, 4.26 init_on_free clears the object and what follows it, then stores the pointer', () => {
  const { slub, memory } = testSlub({ parameters: { initOnFree: true } });
  const cache = made(slub.createCache('c', { size: 20, align: 32 }));
  const [object, other] = take(cache, 2);
  for (let i = 0; i < 32; i++) memory.writeU8(object + i, 0x11);
  cache.free(other);
  cache.free(object);
  const bytes = Array.from({ length: 32 }, (_, i) => memory.readU8(object + i));
  const { offset, inuse } = cache.geometry();
  expect([offset, inuse]).toEqual([8, 24]);
  // Between the object and its metadata nothing is cleared.
  expect(bytes.slice(20, 24)).toEqual([0x11, 0x11, 0x11, 0x11]);
  expect(bytes.slice(24)).toEqual(new Array(8).fill(0));
  expect(memory.readU32(object + 8)).toBe(other);
  const again = made(cache.alloc());
  expect(again).toBe(object);
  expect(memory.readU32(again + 8)).toBe(0);
});

test('merging makes clearing cover the largest request', () => {
  const { slub, memory } = testSlub();
  const small = made(slub.createCache('small', { size: 97 }));
  const large = made(slub.createCache('large', { size: 104 }));
  expect(large).toBe(small);
  const [object] = take(small, 1);
  memory.writeU8(object + 103, 1);
  small.free(object);
  made(small.zalloc());
  expect(memory.readU8(object + 103)).toBe(0);
});

test('4.1 creations that cannot work', () => {
  const { slub, log } = testSlub();
  const code = (expected: string): unknown => expect.objectContaining({ code: expected });
  expect(() => slub.createCache('a', { size: 0 })).toThrow(code('BAD_CACHE'));
  expect(() => slub.createCache('b', { size: 8, flags: 1 })).toThrow(code('BAD_CACHE'));
  expect(() => slub.createCache('c', { size: 4194305 })).toThrow(code('BAD_CACHE'));
  expect(log).toEqual([
    'kmem_cache_create_usercopy(b) failed with error -22',
    'kmem_cache_create_usercopy(c) failed with error -22',
  ]);
  log.length = 0;
  const panics = { size: 4194305, flags: SlabFlag.SLAB_PANIC };
  expect(() => slub.createCache('d', panics)).toThrow(code('PANIC'));
  expect(log).toEqual(["kmem_cache_create_usercopy: Failed to create slab 'd'. Error -22"]);
  for (const options of [{ size: 1.5 }, { size: 8, align: 3 }, { size: 8, usersize: -1 }]) {
    expect(() => slub.createCache('e', options)).toThrow(ArgumentError);
  }
  expect(() => slub.createCache('f', { size: 8 }, 1)).toThrow(ArgumentError);
  expect(slub.caches).toHaveLength(39);
});

test('4.1 a creation without memory for its descriptor is null, error -12 in the log', () => {
  const { slub, pages, log } = testSlub({ boot: 'kernel', topology: testTopology([0], 1) });
  pages.budget = 0;
  let made_ = 0;
  while (slub.createCache(`c${made_}`, { size: 8 * (made_ + 1), usersize: 1 }) !== null) made_++;
  expect(made_).toBeGreaterThan(0);
  expect(log[log.length - 1]).toBe(`kmem_cache_create_usercopy(c${made_}) failed with error -12`);
  slub.assertInvariants();
});

test('4.1 a creation without memory for a node structure gives everything back, error -22', () => {
  const { slub, pages, log } = testSlub({
    boot: 'kernel',
    topology: testTopology([0, 1], 2),
    config: { freelistRandom: true },
  });
  const sequences = made(slub.cache('kmalloc-256'));
  sequences.free(take(sequences, 1)[0]);
  const descriptors = made(slub.cache('kmem_cache'));
  const nodes = made(slub.cache('kmem_cache_node'));
  // Descriptors in stock, but no node structure.
  take(descriptors, 1);
  pages.budget = 0;
  while (nodes.alloc(Gfp.GFP_KERNEL) !== null);
  const before = descriptors.stats().activeObjects;
  sequences.flush();
  const shuffled = sequences.stats().activeObjects;
  log.length = 0;
  expect(slub.createCache('late', { size: 72, usersize: 1 })).toBeNull();
  expect(log[log.length - 1]).toBe('kmem_cache_create_usercopy(late) failed with error -22');
  expect(descriptors.stats().activeObjects).toBe(before);
  sequences.flush();
  expect(sequences.stats().activeObjects).toBe(shuffled);
  expect(slub.cache('late')).toBeNull();
});

test('addresses are the same with and without content', () => {
  const run = (memory: ReturnType<typeof noMemory>): number[] => {
    const { slub } = testSlub({ memory, checks: 'basic', topology: testTopology([0, 0], 1) });
    const held: number[] = [];
    const seen: number[] = [];
    for (let i = 0; i < 4000; i++) {
      const cpu = i % 2;
      const victim = (i * 7919) % 97;
      if (held[victim] !== undefined) slub.kfree(held[victim], cpu);
      held[victim] = made(slub.kmalloc(1 + ((i * 31) % 600), Gfp.GFP_KERNEL, cpu));
      seen.push(held[victim]);
    }
    return seen;
  };
  const bytes = 0x1000 * 4096;
  expect(run(arrayBufferMemory(new ArrayBuffer(bytes)))).toEqual(run(noMemory(bytes)));
});

test('options that contradict themselves', () => {
  const source = { allocPages: () => -1, freePages: () => undefined, nodeOf: () => 0 };
  expect(() => new SlubAllocator({ source })).toThrow(ArgumentError);
  expect(() => testSlub({ pageOffset: 0x1000n })).toThrow(ArgumentError);
});
