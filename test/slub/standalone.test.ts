// covers: src/slub/standalone.ts, src/slub/slabinfo.ts, src/slub/merge.ts
import { expect, test } from 'vitest';
import { createBuddy } from '../../src/buddy/index.ts';
import { arrayBufferMemory } from '../../src/memory/array-buffer.ts';
import type { KmemCache } from '../../src/mm/kmem-cache.ts';
import type { PageSource } from '../../src/mm/page-source.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { topologyOfModel } from '../../src/mm/slab-topology.ts';
import { SlabAllocator } from '../../src/slab/allocator.ts';
import {
  createKmemCache,
  formatBootLine,
  parseSlubParameters,
  SlubAllocator,
} from '../../src/slub/index.ts';
import { made, take, testSlub } from './support.ts';

test('a cache of its own over a user’s page source', () => {
  const free = [3, 2, 1];
  const source: PageSource = {
    allocPages: (_gfp, order) => (order === 0 ? (free.pop() ?? -1) : -1),
    freePages: (pfn) => free.push(pfn),
    nodeOf: () => 0,
  };
  const memory = arrayBufferMemory(new ArrayBuffer(4 * 4096));
  const cache = createKmemCache({ source, memory, size: 1000, name: 'mine' });
  const objects = take(cache, 12);
  expect(objects[0]).toBe(4096);
  expect(cache.alloc()).toBeNull();
  for (const object of objects) cache.free(object);
  expect(cache.shrink()).toBe(false);
  expect(free).toHaveLength(3);
});

test('over the buddy allocator, without content: addresses and nothing else', () => {
  const buddy = createBuddy({ zones: [{ zone: 'DMA32', startPfn: 0x1000, pages: 0x400 }] });
  const cache = createKmemCache({
    source: buddy.pageSource(),
    topology: topologyOfModel(buddy.model),
    size: 64,
    flags: SlabFlag.SLAB_HWCACHE_ALIGN,
  });
  const [first, second] = take(cache, 2);
  expect([cache.name, second - first, first % 4096]).toEqual(['object', 64, 0]);
  cache.free(second);
  expect(cache.alloc()).toBe(second);
});

test('SLAB takes the place of SLUB in one line', () => {
  const use = (cache: KmemCache): number => {
    const object = made(cache.alloc());
    cache.free(object);
    return cache.objectSize;
  };
  for (const Allocator of [SlubAllocator, SlabAllocator]) {
    const buddy = createBuddy({ zones: [{ zone: 'DMA32', startPfn: 0x1000, pages: 0x400 }] });
    const memory = arrayBufferMemory(new ArrayBuffer(0x1400 * 4096));
    const allocator = new Allocator({ source: buddy.pageSource(), memory, boot: 'bare' });
    expect(use(made(allocator.createCache('c', { size: 100 })))).toBe(100);
    expect(allocator.ksize(made(allocator.kmalloc(100)))).toBe(128);
  }
});

test('a cache for which there is no place', () => {
  const source: PageSource = { allocPages: () => -1, freePages: () => {}, nodeOf: () => 0 };
  const memory = arrayBufferMemory(new ArrayBuffer(4096));
  expect(() => createKmemCache({ source, memory, size: 5_000_000 })).toThrow(
    expect.objectContaining({ code: 'BAD_CACHE' }),
  );
});

test('5.2, 5.3 texts of a whole allocator', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('demo_cache', { size: 320 }));
  take(cache, 13);
  const line = slub.slabinfo().split('\n')[2];
  expect(line).toBe(
    'demo_cache            24     24    320   12    1 : tunables    0    0    0 : slabdata      2      2      0',
  );
  expect(slub.unreclaimableSlab()).toEqual([
    'Unreclaimable slab info:',
    'Name                      Used          Total',
    'demo_cache                 7KB          7KB',
  ]);
  expect(slub.cache('demo_cache')).toBe(cache);
  expect(slub.cache('none')).toBeNull();
});

test('5.1 the boot line with parameters', () => {
  const parameters = parseSlubParameters('slub_max_order=2 slub_min_objects=9');
  expect(formatBootLine({ parameters, cpus: 4, nodes: 1 })).toBe(
    'SLUB: HWalign=64, Order=0-2, MinObjects=9, CPUs=4, Nodes=1',
  );
});

test('merged names find the cache that they joined', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('a', { size: 64 }));
  made(slub.createCache('b', { size: 64 }));
  expect(slub.cache('b')).toBe(cache);
  expect(cache.aliases).toEqual(['b']);
  const apart = testSlub({ parameters: { nomerge: true } }).slub;
  const first = made(apart.createCache('a', { size: 64 }));
  expect(made(apart.createCache('b', { size: 64 }))).not.toBe(first);
});
