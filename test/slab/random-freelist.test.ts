import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/lib/random.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { made, take, testSlab } from './support.ts';

/** Numbers in turn, then zeros. */
function numbers(...values: number[]) {
  return { nextU32: () => values.shift() ?? 0 };
}

describe('SLAB_FREELIST_RANDOM (spec slab 4.25)', () => {
  test('a cache has one order, which each slab enters at another place', () => {
    const fresh = testSlab({ config: { freelistRandom: true }, random: seededRandom(1) });
    const cache = made(fresh.slab.createCache('demo', { size: 1024 }));
    const order = [...(cache.randomSeq ?? [])];
    expect([...order].sort()).toEqual([0, 1, 2, 3]);
    const objects = take(cache, 8);
    for (const start of [0, 4]) {
      // The array is filled in the order of the freelist and emptied from its top; the host, which
      // is read first, comes out of the slab last.
      const indexes = objects
        .slice(start, start + 4)
        .map((a) => (a % 4096) / 1024)
        .reverse();
      const rotated = [...indexes.slice(3), ...indexes.slice(0, 3)];
      const at = order.indexOf(rotated[0]);
      expect(rotated).toEqual([...order.slice(at), ...order.slice(0, at)]);
    }
  });

  test('shuffles from the end down', () => {
    const { slab } = testSlab({ config: { freelistRandom: true }, random: numbers() });
    // With zeros element i changes places with element 0, from the end down.
    const cache = made(slab.createCache('demo', { size: 1024 }));
    expect([...(cache.randomSeq ?? [])]).toEqual([1, 2, 3, 0]);
    // The host is read first; the others follow, and the array is emptied from its top.
    const indexes = take(cache, 4).map((address) => (address % 4096) / 1024);
    expect(indexes.reverse()).toEqual([2, 3, 0, 1]);
  });

  test('index arrays elsewhere begin at the place itself', () => {
    const { slab } = testSlab({ config: { freelistRandom: true }, random: numbers() });
    const cache = made(slab.createCache('demo', { size: 1000, ctor: () => undefined }));
    expect([...(cache.randomSeq ?? [])]).toEqual([1, 2, 3, 0]);
    expect(take(cache, 4).map((address) => (address % 4096) / 1000)).toEqual([0, 3, 2, 1]);
  });

  test('before arrays have their sizes each slab has an order of its own', () => {
    const { slab } = testSlab({ config: { freelistRandom: true }, bringUp: 'none' });
    const objects = Array.from({ length: 16 }, () => slab.kmalloc(256) as number);
    const indexes = objects.map((address) => (address % 4096) / 256);
    expect(indexes).not.toEqual([...indexes].sort((a, b) => a - b));
    expect([...indexes].sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i));
    // The host stays the last object.
    expect(indexes[15]).toBe(15);
    const on = Array.from({ length: 124 }, () => slab.kmalloc(32) as number);
    expect(new Set(on).size).toBe(124);
  });

  test('the order is a kmalloc object that goes with the cache', () => {
    const { slab } = testSlab({ boot: 'kernel', config: { freelistRandom: true } });
    const cache = made(slab.createCache('demo', { size: 100 }));
    const address = cache.randomSeqAddress;
    expect(slab.locate(address)?.cache).toBe('kmalloc-192');
    cache.destroy();
    expect(slab.locate(address)?.inUse).toBe(false);
  });

  test('without memory for it there is no cache', () => {
    const lines: string[] = [];
    const { slab, pages } = testSlab({
      boot: 'kernel',
      config: { freelistRandom: true },
      log: (line) => lines.push(line),
    });
    pages.budget = 0;
    while (slab.kmalloc(192) !== null);
    expect(slab.createCache('demo', { size: 100, ctor: () => undefined })).toBeNull();
    expect(lines[0]).toBe('enable_cpucache failed for demo, error 12');
  });

  test('a slab of one object has no order', () => {
    const { slab } = testSlab({ config: { freelistRandom: true } });
    const flags = SlabFlag.SLAB_TYPESAFE_BY_RCU;
    const cache = made(slab.createCache('demo', { size: 4096, flags }));
    expect(cache.num).toBe(1);
    expect(cache.randomSeq).toBeNull();
    expect(take(cache, 2)).toEqual([0x1000, 0x2000]);
  });
});
