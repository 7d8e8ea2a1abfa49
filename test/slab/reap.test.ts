// covers: src/slab/drain.ts
import { describe, expect, test } from 'vitest';
import { listToArray } from '../../src/lib/list.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import { cacheNodeOf } from '../../src/slab/cache-state.ts';
import { objectAddress } from '../../src/slab/freelist.ts';
import { roundedDue } from '../../src/slab/reap.ts';
import { made, nameOf, take, testSlab, testTopology } from './support.ts';

function state(cache: SlabCache, slabs: readonly number[]): unknown {
  const n = cacheNodeOf(cache, 0);
  const { entries, avail } = cache.cpuCache[0];
  return {
    array: Array.from(entries.subarray(0, avail), (o) =>
      nameOf(cache, objectAddress(cache, o), slabs),
    ),
    free: listToArray(cache.state.map, n.slabsFree).map((pfn) => slabs.indexOf(pfn)),
    freeObjects: n.freeObjects,
  };
}

test('reaping gives a little back each time (spec slab 7.5)', () => {
  const { slab, pages } = testSlab({ jiffies: () => 0 });
  const cache = made(slab.createCache('demo', { size: 2048 }));
  cache.tune({ limit: 4, batchcount: 2, shared: 0 });
  const objects = take(cache, 16);
  const slabs = pages.requests.map(({ pfn }) => pfn);
  for (const address of objects) cache.free(address);
  const n = cacheNodeOf(cache, 0);
  n.freeTouched = 0;
  let now = 100_000;
  const reap = (): unknown => {
    now += 1000;
    slab.cacheReap(0, now);
    return state(cache, slabs);
  };
  const [a, b, c, d] = ['G#1', 'G#0', 'H#1', 'H#0'];
  expect(reap()).toEqual({ array: [a, b, c, d], free: [5, 4], freeObjects: 4 });
  expect(cache.cpuCache[0].touched).toBe(0);
  expect(reap()).toEqual({ array: [b, c, d], free: [5], freeObjects: 3 });
  expect(reap()).toEqual({ array: [c, d], free: [6], freeObjects: 2 });
  expect(reap()).toEqual({ array: [d], free: [], freeObjects: 1 });
});

test('a node is reaped every 4 seconds only, and not while free slabs were looked for', () => {
  const { slab } = testSlab();
  const cache = made(slab.createCache('demo', { size: 2048 }));
  cache.tune({ limit: 2, batchcount: 1, shared: 0 });
  for (const address of take(cache, 8)) cache.free(address);
  const n = cacheNodeOf(cache, 0);
  const free = n.freeSlabs;
  expect(free).toBeGreaterThan(1);
  n.freeTouched = 1;
  const start = n.nextReap;
  slab.cacheReap(0, start - 1);
  expect([n.freeTouched, n.freeSlabs, n.nextReap]).toEqual([1, free, start]);
  cache.cpuCache[0].touched = 1;
  slab.cacheReap(0, start);
  expect([n.freeTouched, n.freeSlabs, n.nextReap]).toEqual([0, free, start + 400]);
  slab.cacheReap(0, start + 400);
  expect(n.freeSlabs).toBeLessThan(free);
});

test('one array of another node is emptied per run, in turn', () => {
  const { slab } = testSlab({ topology: testTopology([0, 1, 2], 3) });
  const cache = made(slab.createCache('demo', { size: 1024 }));
  const [fromOne] = take(cache, 1, 1);
  const [fromTwo] = take(cache, 1, 2);
  cache.free(fromOne, 0);
  cache.free(fromTwo, 0);
  const alien = cacheNodeOf(cache, 0).alien;
  const held = (): (number | undefined)[] => [1, 2].map((node) => alien?.caches[node]?.avail);
  expect(held()).toEqual([1, 1]);
  slab.cacheReap(0, 0);
  expect(held()).toEqual([0, 1]);
  expect(cacheNodeOf(cache, 1).shared?.avail).toBe(1);
  slab.cacheReap(0, 0);
  expect(held()).toEqual([0, 0]);
});

test('when the list of caches is locked only the next run is arranged', () => {
  const { slab } = testSlab({ topology: testTopology([0, 1], 2) });
  const cache = made(slab.createCache('demo', { size: 200 }));
  take(cache, 1);
  slab.cacheReap(0, 1000, true);
  expect(cache.cpuCache[0].touched).toBe(1);
  expect(slab.state.reapNode[0]).toBe(1);
  expect(slab.state.reapDue[0]).toBe(1200);
  slab.cacheReap(0, 1000);
  expect(slab.state.reapNode[0]).toBe(0);
});

describe('timing', () => {
  test('runs are rounded to seconds, CPUs three jiffies apart', () => {
    expect(roundedDue(1000, 200, 0, 100)).toBe(1200);
    expect(roundedDue(1010, 200, 0, 100)).toBe(1200);
    expect(roundedDue(1025, 200, 0, 100)).toBe(1300);
    // 1010 + 200 + 9 = 1219, rounded down to 1200, less 9.
    expect(roundedDue(1010, 200, 3, 100)).toBe(1191);
    // Rounding must not go back behind now.
    expect(roundedDue(1020, 1, 0, 100)).toBe(1021);
    expect(roundedDue(1020, 1, 0, 1000)).toBe(1021);
    expect(roundedDue(0, 1000, 1, 1000)).toBe(997);
  });

  test('timers run every CPU at its times', () => {
    let now = 0;
    const { slab } = testSlab({ topology: testTopology([0, 0], 1), jiffies: () => now });
    const cache = made(slab.createCache('demo', { size: 200 }));
    take(cache, 1, 1);
    expect([...slab.state.reapDue]).toEqual([100, 97]);
    now = 96;
    expect(slab.runTimers()).toBe(0);
    now = 97;
    expect(slab.runTimers()).toBe(1);
    expect(cache.cpuCache[1].touched).toBe(0);
    expect([...slab.state.reapDue]).toEqual([100, 297]);
    now = 500;
    // CPU 0 at 100, 300 and 500; CPU 1 at 297 and 497.
    expect(slab.runTimers()).toBe(5);
  });
});

test('shrinking empties everything, in the order of CPUs that is asked for', () => {
  const { slab } = testSlab({ topology: testTopology([0, 0], 1) });
  const cache = made(slab.createCache('demo', { size: 2048 }));
  cache.tune({ limit: 8, batchcount: 4, shared: 1 });
  const objects = take(cache, 8);
  cache.free(objects[0], 0);
  cache.free(objects[2], 1);
  const partial = (order?: number[]): number[] => {
    const kept = slab.snapshot();
    expect(cache.shrink(0, order)).toBe(true);
    const pfns = listToArray(slab.state.map, cacheNodeOf(cache, 0).slabsPartial);
    slab.restore(kept);
    return pfns;
  };
  expect(partial()).toEqual([1, 2]);
  expect(partial([1, 0])).toEqual([2, 1]);
  for (const address of objects.filter((_, i) => i !== 0 && i !== 2)) cache.free(address);
  expect(cache.isEmpty()).toBe(false);
  expect(cache.shrink()).toBe(false);
  expect(cache.isEmpty()).toBe(true);
  expect(cache.stats().slabs).toBe(0);
});
