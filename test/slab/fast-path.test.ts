import { describe, expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { giveFast, slotHint, takeFast } from '../../src/slab/fast-path.ts';
import { checkInvariants } from '../../src/slab/invariants.ts';
import { made, take, testSlab, testTopology } from './support.ts';

/** An allocator that nothing watches, so that the shortest paths are open. */
function open(cpuNode: readonly number[] = [0], nodes = 1) {
  const { slab, memory } = testSlab({ checks: 'basic', topology: testTopology(cpuNode, nodes) });
  const cache = made(slab.createCache('demo', { size: 200 }));
  expect(slab.state.hooked).toBe(false);
  return { slab, memory, cache };
}

describe('the shortest way to an object', () => {
  test('is open while the array has one', () => {
    const { cache } = open();
    expect(takeFast(cache, Gfp.GFP_KERNEL, 0)).toBe(-1);
    const [first] = take(cache, 1);
    cache.cpuCache[0].touched = 0;
    expect(takeFast(cache, Gfp.GFP_KERNEL, 0)).toBe(first - 200);
    expect(cache.cpuCache[0]).toMatchObject({ avail: 14, touched: 1 });
    expect(checkInvariants(cache.state)).toEqual([]);
  });

  test('is closed for clearing, for CPUs that do not exist, and for dead caches', () => {
    const { cache } = open();
    take(cache, 1);
    expect(takeFast(cache, Gfp.GFP_KERNEL | Gfp.__GFP_ZERO, 0)).toBe(-1);
    expect(takeFast(cache, Gfp.GFP_KERNEL, 1)).toBe(-1);
    cache.refcount = 0;
    expect(takeFast(cache, Gfp.GFP_KERNEL, 0)).toBe(-1);
  });

  test('is closed while anything watches', () => {
    const { slab, cache } = open();
    take(cache, 1);
    slab.trace = {};
    expect(takeFast(cache, Gfp.GFP_KERNEL, 0)).toBe(-1);
    slab.trace = null;
    expect(takeFast(cache, Gfp.GFP_KERNEL, 0)).not.toBe(-1);
    slab.memallocSocks = true;
    expect(takeFast(cache, Gfp.GFP_KERNEL, 0)).toBe(-1);
    slab.memallocSocks = false;
    slab.offlineCpu(0);
    expect(takeFast(cache, Gfp.GFP_KERNEL, 0)).toBe(-1);
  });
});

describe('the shortest way back', () => {
  test('is open for an object of its caller', () => {
    const { slab, cache } = open();
    const [address] = take(cache, 1);
    const slot = slotHint(slab.state, address);
    expect(giveFast(cache, slot, address, 0)).toBe(true);
    expect(giveFast(cache, slot, address, 0)).toBe(false);
    expect(checkInvariants(slab.state)).toEqual([]);
    expect(cache.alloc()).toBe(address);
  });

  test('is closed for all other addresses', () => {
    const { slab, cache } = open();
    const [address] = take(cache, 1);
    const slot = slotHint(slab.state, address);
    for (const wrong of [address + 8, address + 0.5, address - 1, 0x1000 - 200, 0x1000 + 4000]) {
      expect(giveFast(cache, slot, wrong, 0)).toBe(false);
    }
    expect(giveFast(cache, slot, address, 1)).toBe(false);
    expect(slotHint(slab.state, -1)).toBeUndefined();
    expect(slotHint(slab.state, 2 ** 52)).toBeUndefined();
  });

  test('is closed for a full array and for another node', () => {
    const { slab, cache } = open([0, 1], 2);
    cache.tune({ limit: 2, batchcount: 1, shared: 0 });
    const objects = take(cache, 4);
    const slot = slotHint(slab.state, objects[0]);
    for (const address of objects.slice(0, 2)) expect(giveFast(cache, slot, address, 0)).toBe(true);
    expect(cache.cpuCache[0].avail).toBe(2);
    expect(giveFast(cache, slot, objects[2], 0)).toBe(false);
    expect(cache.cpuCache[1].avail).toBe(0);
    expect(giveFast(cache, slot, objects[3], 1)).toBe(false);
  });

  test('leaves misuse to the long way, which says what is wrong', () => {
    const { slab, cache } = open();
    const other = made(slab.createCache('other', { size: 304 }));
    const [address] = take(cache, 1);
    const [foreign] = take(other, 1);
    const before = slab.snapshot();
    const code = (action: () => void): unknown => {
      try {
        action();
      } catch (error) {
        return (error as { code: string }).code;
      }
      return null;
    };
    expect(code(() => cache.free(foreign))).toBe('WRONG_CACHE');
    expect(code(() => cache.free(address + 4))).toBe('FOREIGN_POINTER');
    expect(code(() => slab.kfree(address + 4))).toBe('FOREIGN_POINTER');
    expect(code(() => cache.free(address, 1))).toBe('BAD_ARGUMENT');
    expect(code(() => cache.free(Number.NaN))).toBe('FOREIGN_POINTER');
    expect(slab.snapshot()).toEqual(before);
    slab.kfree(address);
    expect(code(() => slab.kfree(address))).toBe('DOUBLE_FREE');
    expect(code(() => cache.free(address))).toBe('DOUBLE_FREE');
  });

  test('kmalloc takes and gives the same way', () => {
    const { slab } = open();
    const first = slab.kmalloc(64) as number;
    const cache = made(slab.cache('kmalloc-64'));
    const left = cache.cpuCache[0].avail;
    const second = slab.kmalloc(64) as number;
    expect(second).toBe(first - 64);
    expect(cache.cpuCache[0].avail).toBe(left - 1);
    slab.kfree(second);
    expect(slab.kmalloc(64)).toBe(second);
    expect(slab.checkInvariants()).toEqual([]);
  });
});
