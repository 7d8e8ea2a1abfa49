import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import {
  KMALLOC_MAX_CACHE_SIZE,
  KMALLOC_SIZES,
  KmallocType,
  kmallocCacheList,
  kmallocIndexSlab,
  kmallocIndexSlub,
  kmallocSizeRoundup,
  kmallocType,
} from '../../src/mm/kmalloc-sizes.ts';

test('4.21 every size goes to the smallest cache that holds it', () => {
  for (let size = 1; size <= KMALLOC_MAX_CACHE_SIZE; size++) {
    const fits = KMALLOC_SIZES.filter((bytes) => bytes >= size);
    expect(KMALLOC_SIZES[kmallocIndexSlub(size)]).toBe(Math.min(...fits));
    const slab = Math.min(...fits.filter((bytes) => bytes >= 32));
    expect(KMALLOC_SIZES[kmallocIndexSlab(size)]).toBe(slab);
  }
});

test('4.21 the type of a request', () => {
  const { __GFP_RECLAIMABLE, __GFP_DMA, __GFP_ACCOUNT, __GFP_DMA32, GFP_KERNEL } = Gfp;
  const { NORMAL, RECLAIM, DMA, CGROUP } = KmallocType;
  const types = (memcg: boolean): number[] =>
    [
      0,
      __GFP_DMA32,
      __GFP_ACCOUNT,
      __GFP_RECLAIMABLE,
      __GFP_RECLAIMABLE | __GFP_ACCOUNT,
      __GFP_DMA,
      __GFP_DMA | __GFP_RECLAIMABLE | __GFP_ACCOUNT,
    ].map((bits) => kmallocType(GFP_KERNEL | bits, memcg));
  expect(types(false)).toEqual([NORMAL, NORMAL, NORMAL, RECLAIM, RECLAIM, DMA, DMA]);
  expect(types(true)).toEqual([NORMAL, NORMAL, CGROUP, RECLAIM, RECLAIM, DMA, DMA]);
});

test('4.9 boot makes the caches by type, in each by size', () => {
  const names = (memcg: boolean, zoneDma: boolean, allocator: 'slub' | 'slab'): string[] =>
    kmallocCacheList({ allocator, memcg, zoneDma }).map(({ name }) => name);
  const slub = names(false, true, 'slub');
  expect(slub.slice(0, 13)).toEqual(
    '8 16 32 64 96 128 192 256 512 1k 2k 4k 8k'.split(' ').map((end) => `kmalloc-${end}`),
  );
  expect(slub).toHaveLength(39);
  expect(names(false, false, 'slub')).toHaveLength(26);
  const memcg = names(true, true, 'slub');
  expect([memcg[13], memcg[26], memcg[39]]).toEqual([
    'kmalloc-cg-8',
    'kmalloc-rcl-8',
    'dma-kmalloc-8',
  ]);
  expect(names(false, false, 'slab').slice(0, 5)).toEqual([
    'kmalloc-32',
    'kmalloc-64',
    'kmalloc-96',
    'kmalloc-128',
    'kmalloc-192',
  ]);
});

test('the bytes that a request occupies', () => {
  expect([0, 1, 100, 8192, 8193, 20000].map((size) => kmallocSizeRoundup(size, 'slub'))).toEqual([
    0, 8, 128, 8192, 16384, 32768,
  ]);
  expect(kmallocSizeRoundup(1, 'slab')).toBe(32);
});
