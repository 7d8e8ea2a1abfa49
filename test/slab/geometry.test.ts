import { describe, expect, test } from 'vitest';
import { bootCacheAlignment, calculateAlignment } from '../../src/mm/slab-create.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import {
  cacheEstimate,
  calculateGeometry,
  calculateSlabOrder,
  debugFlags,
  defaultSlabMaxOrder,
  FreelistFlag,
  type GeometryConfig,
  type IndexArrayCache,
} from '../../src/slab/geometry.ts';

const { CFLGS_OBJFREELIST_SLAB, CFLGS_OFF_SLAB } = FreelistFlag;
const PLACES: Record<string, number> = {
  OBJFREELIST: CFLGS_OBJFREELIST_SLAB,
  OFF_SLAB: CFLGS_OFF_SLAB,
  ON_SLAB: 0,
};

function holderOf(bytes: number): IndexArrayCache {
  const sizes = [32, 64, 128, 192, 256];
  return { size: sizes.find((size) => bytes <= size) ?? 512, flags: 0 };
}

function config(change: Partial<GeometryConfig> = {}): GeometryConfig {
  return {
    slabMaxOrder: 1,
    cacheLineSize: 64,
    debug: false,
    initOnFree: false,
    kmallocCacheFor: holderOf,
    ...change,
  };
}

function geometry(size: number, align = 0, flags = 0, hasCtor = false, change = {}) {
  const request = {
    objectSize: size,
    align: calculateAlignment(flags, align, size),
    flags,
    hasCtor,
  };
  return calculateGeometry(request, config(change));
}

const { SLAB_HWCACHE_ALIGN, SLAB_TYPESAFE_BY_RCU, SLAB_RECLAIM_ACCOUNT } = SlabFlag;

describe('the table of spec slab 7.1', () => {
  test.each([
    [8, 0, 0, false, 16, 8, 'ON_SLAB', 240, 0, 0],
    [24, 0, 0, false, 24, 8, 'ON_SLAB', 163, 0, 0],
    [64, 0, 0, false, 64, 8, 'OBJFREELIST', 64, 0, 0],
    [100, 0, 0, false, 104, 8, 'OBJFREELIST', 39, 0, 0],
    [200, 0, 0, false, 200, 8, 'OBJFREELIST', 20, 0, 1],
    [200, 0, 0, true, 200, 8, 'ON_SLAB', 20, 0, 1],
    [600, 0, 0, false, 600, 8, 'OBJFREELIST', 6, 0, 7],
    [704, 0, SLAB_HWCACHE_ALIGN, false, 704, 64, 'OBJFREELIST', 11, 1, 7],
    [1024, 0, SLAB_TYPESAFE_BY_RCU, false, 1024, 8, 'OFF_SLAB', 4, 0, 0],
    [1000, 0, SLAB_TYPESAFE_BY_RCU, false, 1000, 8, 'ON_SLAB', 4, 0, 1],
    [1411, 64, SLAB_HWCACHE_ALIGN, false, 1472, 64, 'OBJFREELIST', 5, 1, 13],
    [1400, 0, SLAB_RECLAIM_ACCOUNT, true, 1400, 8, 'ON_SLAB', 2, 0, 20],
    [2048, 0, SLAB_HWCACHE_ALIGN, true, 2048, 64, 'OFF_SLAB', 2, 0, 0],
    [6000, 0, 0, false, 6000, 8, 'OBJFREELIST', 1, 1, 34],
    [12000, 0, 0, false, 12000, 8, 'OBJFREELIST', 1, 2, 68],
    [200000, 0, 0, false, 200000, 8, 'OBJFREELIST', 1, 6, 971],
  ] as const)('%i bytes, align %i, flags 0x%s, ctor %s', (...row) => {
    const [objectSize, wanted, flags, ctor, size, align, place, num, gfporder, colour] = row;
    expect(geometry(objectSize, wanted, flags, ctor)).toMatchObject({
      size,
      align,
      num,
      gfporder,
      colour,
      colourOff: 64,
      freelistSize: num,
      flags: (flags | PLACES[place]) >>> 0,
    });
  });
});

test('kmalloc caches have the sizes of spec slab 4.22', () => {
  const rows = [
    [32, 32, 32, 124, 0, 0],
    [64, 64, 64, 64, 0, CFLGS_OBJFREELIST_SLAB],
    [96, 128, 64, 32, 0, CFLGS_OBJFREELIST_SLAB],
    [128, 128, 128, 32, 0, CFLGS_OBJFREELIST_SLAB],
    [192, 192, 64, 21, 0, CFLGS_OBJFREELIST_SLAB],
    [4096, 4096, 4096, 1, 0, CFLGS_OBJFREELIST_SLAB],
    [8192, 8192, 8192, 1, 1, CFLGS_OBJFREELIST_SLAB],
  ];
  for (const [objectSize, size, align, num, gfporder, place] of rows) {
    const request = {
      objectSize,
      align: bootCacheAlignment(SLAB_HWCACHE_ALIGN, objectSize),
      flags: SLAB_HWCACHE_ALIGN,
      hasCtor: false,
    };
    const flags = (SLAB_HWCACHE_ALIGN | place) >>> 0;
    expect(calculateGeometry(request, config())).toMatchObject({
      size,
      align,
      num,
      gfporder,
      flags,
    });
  }
});

test('an index byte per object counts only on the slab', () => {
  expect(cacheEstimate(0, 16, 0)).toEqual({ num: 240, leftBytes: 16 });
  expect(cacheEstimate(0, 16, CFLGS_OBJFREELIST_SLAB)).toEqual({ num: 256, leftBytes: 0 });
  expect(cacheEstimate(1, 1000, CFLGS_OFF_SLAB)).toEqual({ num: 8, leftBytes: 192 });
});

test('a cache of reclaimable objects takes the first order that fits', () => {
  expect(geometry(704, 0, SLAB_RECLAIM_ACCOUNT)?.gfporder).toBe(0);
  expect(geometry(704)?.gfporder).toBe(1);
  expect(geometry(6000, 0, SLAB_RECLAIM_ACCOUNT)?.gfporder).toBe(1);
});

test('the order limit comes from the size of the machine', () => {
  expect(defaultSlabMaxOrder(8192)).toBe(0);
  expect(defaultSlabMaxOrder(8193)).toBe(1);
  expect(geometry(704, 0, 0, false, { slabMaxOrder: 0 })).toMatchObject({ num: 5, gfporder: 0 });
  // Order 1 fits 11 with 448 bytes left, which is below an eighth: order 2 is not tried.
  expect(geometry(704, 0, 0, false, { slabMaxOrder: 3 })).toMatchObject({ num: 11, gfporder: 1 });
  expect(geometry(3000, 0, 0, false, { slabMaxOrder: 3 })).toMatchObject({ num: 5, gfporder: 2 });
});

test('only the request decides whether an index array is small, not the stride', () => {
  // 129 bytes with 128-byte alignment: stride 256; half of the request is 64, kmalloc-32 would do.
  const flags = SLAB_TYPESAFE_BY_RCU;
  expect(geometry(129, 128, flags)?.flags).toBe((flags | CFLGS_OFF_SLAB) >>> 0);
  // Half of 63 is 31: kmalloc-32 is too large, although half of the stride 128 is not.
  expect(geometry(63, 128, flags)?.flags).toBe(flags);
  expect(geometry(64, 128, flags)?.flags).toBe((flags | CFLGS_OFF_SLAB) >>> 0);
});

test('an index array needs a kmalloc cache that exists and has none of its own', () => {
  const flags = SLAB_TYPESAFE_BY_RCU;
  const without = config({ kmallocCacheFor: () => null });
  const chained = config({ kmallocCacheFor: () => ({ size: 32, flags: CFLGS_OFF_SLAB }) });
  for (const none of [without, chained]) {
    expect(calculateSlabOrder(1024, 1024, flags | CFLGS_OFF_SLAB, none).num).toBe(0);
    const request = { objectSize: 1024, align: 8, flags, hasCtor: false };
    expect(calculateGeometry(request, none)?.flags).toBe(flags);
  }
  expect(geometry(1024, 0, flags | SlabFlag.SLAB_NOLEAKTRACE)).toMatchObject({
    num: 7,
    gfporder: 1,
  });
});

test('zero on free forbids index arrays in objects', () => {
  expect(geometry(1024, 0, 0, false, { initOnFree: true })?.flags).toBe(CFLGS_OFF_SLAB);
});

test('objects above 4 MiB fit nowhere', () => {
  expect(geometry(4194304)).toMatchObject({ num: 1, gfporder: 10, colour: 0 });
  expect(geometry(4194305)).toBeNull();
  // On the slab the index byte does not fit any more.
  expect(geometry(4194304, 0, SlabFlag.SLAB_NOLEAKTRACE, true)).toBeNull();
});

test('requests for pages carry the zone and the mobility of the cache', () => {
  expect(geometry(100)?.allocflags).toBe(0x40000);
  expect(geometry(100, 0, SlabFlag.SLAB_CACHE_DMA)?.allocflags).toBe(0x40001);
  expect(geometry(100, 0, SlabFlag.SLAB_CACHE_DMA32)?.allocflags).toBe(0x40004);
  expect(geometry(100, 0, SLAB_RECLAIM_ACCOUNT)?.allocflags).toBe(0x40010);
});

describe('debug builds (spec slab 4.26, 7.8)', () => {
  const ALL = SlabFlag.SLAB_RED_ZONE | SlabFlag.SLAB_STORE_USER | SlabFlag.SLAB_POISON;
  const debug = { debug: true };

  test('100 bytes get red zones, a last user and poison', () => {
    const found = geometry(100, 0, 0, false, debug);
    expect(found).toMatchObject({ size: 128, objOffset: 8, num: 32 });
    expect(found?.flags).toBe((ALL | CFLGS_OBJFREELIST_SLAB) >>> 0);
  });

  test('4096 bytes are only poisoned, 5000 get everything', () => {
    expect(debugFlags(0, 4096)).toBe(SlabFlag.SLAB_POISON);
    expect(debugFlags(0, 4095)).toBe(ALL);
    const found = geometry(5000, 0, 0, false, debug);
    expect(found).toMatchObject({ size: 5024, gfporder: 1, objOffset: 8 });
    expect(found?.flags).toBe((ALL | CFLGS_OBJFREELIST_SLAB) >>> 0);
  });

  test('aligned objects have no room for red zones', () => {
    const found = geometry(100, 0, SLAB_HWCACHE_ALIGN, false, debug);
    const flags = SLAB_HWCACHE_ALIGN | SlabFlag.SLAB_POISON | CFLGS_OBJFREELIST_SLAB;
    expect(found).toMatchObject({ size: 128, objOffset: 0, flags: flags >>> 0 });
  });

  test('objects under RCU are not poisoned', () => {
    expect(debugFlags(SLAB_TYPESAFE_BY_RCU, 100) & SlabFlag.SLAB_POISON).toBe(0);
  });
});
