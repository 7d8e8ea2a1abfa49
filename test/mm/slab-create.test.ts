import { expect, test } from 'vitest';
import {
  bootCacheAlignment,
  calculateAlignment,
  checkCreation,
  creationFailure,
  getOrder,
} from '../../src/mm/slab-create.ts';
import { SlabFlag, type SlabFlagConfig } from '../../src/mm/slab-flags.ts';

const SLUB: SlabFlagConfig = { allocator: 'slub', debug: true, memcg: false };
const SLAB: SlabFlagConfig = { allocator: 'slab', debug: false, memcg: false };

test('4.2 alignment with HWCACHE_ALIGN', () => {
  const found = [40, 32, 20, 16, 9, 8, 3].map((size) =>
    calculateAlignment(SlabFlag.SLAB_HWCACHE_ALIGN, 0, size),
  );
  expect(found).toEqual([64, 32, 32, 16, 16, 8, 8]);
});

test('alignment is at least 8 and a multiple of 8; the larger wish wins', () => {
  expect([0, 1, 4, 8, 16, 512].map((align) => calculateAlignment(0, align, 100))).toEqual([
    8, 8, 8, 8, 16, 512,
  ]);
  expect(calculateAlignment(SlabFlag.SLAB_HWCACHE_ALIGN, 128, 100)).toBe(128);
  expect(calculateAlignment(SlabFlag.SLAB_HWCACHE_ALIGN, 16, 100)).toBe(64);
});

test('boot caches of a power of two are aligned to their size', () => {
  expect([8, 64, 96, 192, 8192].map((size) => bootCacheAlignment(0, size))).toEqual([
    8, 64, 8, 8, 8192,
  ]);
  expect(bootCacheAlignment(SlabFlag.SLAB_HWCACHE_ALIGN, 208)).toBe(64);
});

test('flags that are not permitted are refused, others dropped in silence', () => {
  expect(checkCreation({ size: 8, flags: 0x1 }, SLUB)).toBeNull();
  expect(checkCreation({ size: 8, flags: SlabFlag.SLAB_KMALLOC }, SLUB)).toBeNull();
  expect(checkCreation({ size: 8, flags: SlabFlag.SLAB_ACCOUNT }, SLUB)).toBeNull();
  const memcg = { ...SLUB, memcg: true };
  expect(checkCreation({ size: 8, flags: SlabFlag.SLAB_ACCOUNT }, memcg)?.flags).toBe(0x4000000);
  expect(checkCreation({ size: 8, flags: SlabFlag.SLAB_MEM_SPREAD }, SLUB)?.flags).toBe(0);
  expect(checkCreation({ size: 8, flags: SlabFlag.SLAB_MEM_SPREAD }, SLAB)?.flags).toBe(0x100000);
  expect(checkCreation({ size: 8, flags: SlabFlag.SLAB_TRACE }, SLAB)?.flags).toBe(0);
});

test('a user copy window that does not fit is dropped', () => {
  const window = (size: number, useroffset: number, usersize: number): unknown => {
    const checked = checkCreation({ size, useroffset, usersize }, SLUB);
    return [checked?.useroffset, checked?.usersize, checked?.windowDropped];
  };
  expect(window(64, 8, 56)).toEqual([8, 56, false]);
  expect(window(64, 9, 56)).toEqual([0, 0, true]);
  expect(window(64, 0, 65)).toEqual([0, 0, true]);
  expect(window(64, 8, 0)).toEqual([0, 0, true]);
  expect(window(64, 0, 0)).toEqual([0, 0, false]);
});

test('the order of a number of bytes', () => {
  expect([1, 4096, 4097, 8192, 8193, 4194304].map(getOrder)).toEqual([0, 0, 1, 1, 2, 10]);
});

test('the texts of a failure name the usercopy function', () => {
  expect(creationFailure('x', 22, true)).toBe(
    "kmem_cache_create_usercopy: Failed to create slab 'x'. Error -22",
  );
  expect(creationFailure('x', 12, false)).toBe(
    'kmem_cache_create_usercopy(x) failed with error -12',
  );
});
