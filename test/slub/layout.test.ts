// covers: src/slub/order.ts, src/slub/layout.ts, src/slub/tunables.ts
import { expect, test } from 'vitest';
import { kmallocCacheInfo } from '../../src/mm/kmalloc-sizes.ts';
import { bootCacheAlignment, calculateAlignment } from '../../src/mm/slab-create.ts';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import { calculateSizes, infoEnd, type Layout, openLayout } from '../../src/slub/layout.ts';
import { calculateOrder, type OrderParameters } from '../../src/slub/order.ts';
import {
  cpuPartialSlabs,
  initialCpuPartial,
  initialMinPartial,
  withCmpxchgDouble,
} from '../../src/slub/tunables.ts';

function parameters(cpus: number, change: Partial<OrderParameters> = {}): OrderParameters {
  return { minOrder: 0, maxOrder: 3, minObjects: 0, presentCpus: cpus, cpuIds: cpus, ...change };
}

function layoutOf(size: number, flags = 0, align = 0, hasCtor = false, cpus = 2): Layout {
  const layout = calculateSizes({
    objectSize: size,
    align: calculateAlignment(flags, align, size),
    flags,
    hasCtor,
    trackSize: 32,
    order: parameters(cpus),
  });
  if (layout === null) throw new Error('no layout');
  return layout;
}

test('7.1 orders and objects of the kmalloc caches', () => {
  const rows: Record<number, string> = {
    1: '0/21 0/16 0/8 1/8 2/8 3/8 3/4',
    2: '0/21 0/16 1/16 2/16 3/16 3/8 3/4',
    7: '0/21 0/16 1/16 2/16 3/16 3/8 3/4',
    8: '0/21 1/32 2/32 3/32 3/16 3/8 3/4',
    15: '0/21 1/32 2/32 3/32 3/16 3/8 3/4',
  };
  for (const [cpus, row] of Object.entries(rows)) {
    const found = [2, 8, 9, 10, 11, 12, 13].map((index) => {
      const { size, flags } = kmallocCacheInfo(0, index);
      const align = bootCacheAlignment(flags, size);
      const { order, objects } = layoutOf(size, flags, align, false, Number(cpus));
      return `${order}/${objects}`;
    });
    expect(found.join(' ')).toBe(row);
  }
});

test('7.1 the other numbers of the kmalloc caches, 2 to 7 CPUs', () => {
  const rows = [3, 5, 6, 1, 2, 8, 9, 10, 12, 13].map((index) => {
    const { size, flags } = kmallocCacheInfo(0, index);
    const align = bootCacheAlignment(flags, size);
    const layout = layoutOf(size, flags, align);
    const partial = initialCpuPartial(layout.size, layout.flags, true);
    return [
      ...[layout.offset, align, `${layout.minOrder}/${layout.minObjects}`],
      ...[initialMinPartial(layout.size), partial, cpuPartialSlabs(partial, layout.objects)],
    ].join(' ');
  });
  expect(rows).toEqual([
    '0 8 0/512 5 120 1',
    '16 32 0/128 5 120 2',
    '32 64 0/64 5 120 4',
    '48 8 0/42 5 120 6',
    '96 8 0/21 5 120 12',
    '128 256 0/16 5 52 7',
    '256 512 0/8 5 52 7',
    '512 1024 0/4 5 24 3',
    '2048 4096 0/1 6 6 2',
    '4096 8192 1/1 6 6 3',
  ]);
});

test('7.2 orders of odd sizes', () => {
  const order = (size: number, cpus = 2): number => calculateOrder(size, parameters(cpus));
  expect([3000, 12000, 16384, 16392, 40000].map((size) => order(size))).toEqual([3, 2, 3, 3, 4]);
  expect([order(576, 1), order(576, 4)]).toEqual([1, 2]);
  expect([order(4194304), order(4194305)]).toEqual([10, -1]);
});

test('4.6 boot parameters change the order', () => {
  expect(calculateOrder(256, parameters(2, { minOrder: 2 }))).toBe(2);
  expect(calculateOrder(2048, parameters(2, { maxOrder: 1 }))).toBe(1);
  expect(calculateOrder(256, parameters(2, { minObjects: 100 }))).toBe(3);
  expect(calculateOrder(8000, parameters(2, { maxOrder: 0 }))).toBe(1);
  // More objects than a slab may have: get_order(8 * 32767) - 1.
  expect(calculateOrder(8, parameters(2, { minOrder: 7, maxOrder: 7 }))).toBe(5);
  // One present CPU: the number of CPU ids counts.
  expect(calculateOrder(256, { ...parameters(1), cpuIds: 8 })).toBe(1);
});

test('7.3 layouts', () => {
  const shape = (layout: Layout): number[] => [
    layout.inuse,
    layout.offset,
    layout.redLeftPad,
    layout.size,
  ];
  const { SLAB_POISON, SLAB_RED_ZONE, SLAB_STORE_USER, SLAB_KMALLOC } = SlabFlag;
  expect(shape(layoutOf(64))).toEqual([64, 32, 0, 64]);
  expect(shape(layoutOf(61, SLAB_POISON))).toEqual([64, 64, 0, 72]);
  expect(shape(layoutOf(64, SLAB_RED_ZONE))).toEqual([72, 32, 8, 88]);
  expect(shape(layoutOf(64, DEBUG_DEFAULT_FLAGS))).toEqual([72, 72, 8, 160]);
  expect(shape(layoutOf(200, DEBUG_DEFAULT_FLAGS))).toEqual([208, 208, 8, 296]);
  const kmalloc = layoutOf(64, DEBUG_DEFAULT_FLAGS | SLAB_KMALLOC, 64);
  expect(shape(kmalloc)).toEqual([72, 72, 64, 256]);
  const rcu = SlabFlag.SLAB_TYPESAFE_BY_RCU | SlabFlag.SLAB_RECLAIM_ACCOUNT;
  expect(shape(layoutOf(496, rcu, 64))).toEqual([496, 496, 0, 512]);
  expect(shape(layoutOf(8000, SLAB_STORE_USER))).toEqual([8000, 4000, 0, 8064]);
});

test('4.5 where the free pointer goes', () => {
  const { SLAB_RED_ZONE, SLAB_TYPESAFE_BY_RCU } = SlabFlag;
  expect([8, 24, 40].map((size) => layoutOf(size).offset)).toEqual([0, 8, 16]);
  expect(layoutOf(64, 0, 0, true).offset).toBe(64);
  expect(layoutOf(64, SLAB_TYPESAFE_BY_RCU).offset).toBe(64);
  expect([7, 8].map((size) => layoutOf(size, SLAB_RED_ZONE).offset)).toEqual([8, 0]);
});

test('4.5 flags and page request bits', () => {
  const { SLAB_POISON, SLAB_CACHE_DMA, SLAB_CACHE_DMA32, SLAB_RECLAIM_ACCOUNT } = SlabFlag;
  expect(layoutOf(64, SLAB_POISON).flags >>> 31).toBe(1);
  expect(layoutOf(64, SLAB_POISON, 0, true).flags >>> 31).toBe(0);
  expect(layoutOf(64).allocflags).toBe(0);
  expect(layoutOf(4096).allocflags).toBe(0x40000);
  expect(layoutOf(64, SLAB_CACHE_DMA).allocflags).toBe(0x1);
  expect(layoutOf(64, SLAB_CACHE_DMA32).allocflags).toBe(0x4);
  expect(layoutOf(64, SLAB_RECLAIM_ACCOUNT).allocflags).toBe(0x10);
});

test('4.7 slub_debug=O takes the debug flags off where a single object would need more pages', () => {
  const input = {
    objectSize: 4096,
    align: 8,
    flags: DEBUG_DEFAULT_FLAGS,
    hasCtor: false,
    trackSize: 32,
    order: parameters(2),
  };
  const plain = openLayout(input, true);
  expect(plain).toMatchObject({ size: 4096, offset: 2048, redLeftPad: 8 });
  expect((plain?.flags ?? 0) >>> 0).toBe(SlabFlag.SLAB_CONSISTENCY_CHECKS);
  expect(openLayout(input, false)?.size).toBe(4192);
  expect(openLayout({ ...input, objectSize: 64 }, true)?.size).toBe(160);
  expect(openLayout({ ...input, objectSize: 4194304 }, true)).toBeNull();
});

test('4.7 the numbers that depend on size and flags', () => {
  expect([8, 4096, 16384, 65536, 2 ** 22].map(initialMinPartial)).toEqual([5, 6, 7, 8, 10]);
  expect([64, 256, 1024, 4096].map((size) => initialCpuPartial(size, 0, true))).toEqual([
    120, 52, 24, 6,
  ]);
  expect(initialCpuPartial(64, SlabFlag.SLAB_CONSISTENCY_CHECKS, true)).toBe(0);
  expect(initialCpuPartial(64, 0, false)).toBe(0);
  expect(withCmpxchgDouble(SlabFlag.SLAB_POISON)).toBe(0x40000800);
  expect(withCmpxchgDouble(SlabFlag.SLAB_TRACE)).toBe(SlabFlag.SLAB_TRACE);
});

test('tracks begin behind the free pointer if that is outside', () => {
  expect([infoEnd(64, 32), infoEnd(64, 64)]).toEqual([64, 72]);
});
