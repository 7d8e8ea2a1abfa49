// covers: src/slab/object-lookup.ts src/slab/push-object.ts src/slab/own-memory.ts
import { describe, expect, test } from 'vitest';
import { listToArray } from '../../src/lib/list.ts';
import { sparseMemory } from '../../src/memory/sparse.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import { cacheNodeOf } from '../../src/slab/cache-state.ts';
import { checkInvariants } from '../../src/slab/invariants.ts';
import { made, nameOf, type TestSlab, take, testSlab, testTopology } from './support.ts';

/** 1 CPU, stride 2048, num 2, tuned "4 2 0": 16 objects of slabs S0 to S7. (spec slab 7.4) */
function eightSlabs(): TestSlab & { cache: SlabCache; objects: number[]; slabs: number[] } {
  const set = testSlab();
  const cache = made(set.slab.createCache('demo', { size: 2048 }));
  cache.tune({ limit: 4, batchcount: 2, shared: 0 });
  const objects = take(cache, 16);
  return { ...set, cache, objects, slabs: set.pages.requests.map(({ pfn }) => pfn) };
}

function names(cache: SlabCache, slabs: readonly number[], head: number): string[] {
  return listToArray(cache.state.map, head).map((pfn) => `S${slabs.indexOf(pfn)}`);
}

test('free objects above the limit give slabs back (spec slab 7.4)', () => {
  const { cache, objects, pages, slabs } = eightSlabs();
  const n = cacheNodeOf(cache, 0);
  expect(n.freeLimit).toBe(6);
  expect(names(cache, slabs, n.slabsFull)).toEqual([
    'S7',
    'S6',
    'S5',
    'S4',
    'S3',
    'S2',
    'S1',
    'S0',
  ]);
  for (const address of objects.slice(0, 10)) cache.free(address);
  expect(names(cache, slabs, n.slabsFree)).toEqual(['S2', 'S1', 'S0']);
  expect(n.freeObjects).toBe(6);
  for (const address of objects.slice(10)) cache.free(address);
  expect(pages.freed.map(({ pfn }) => slabs.indexOf(pfn))).toEqual([0, 1, 2]);
  expect(names(cache, slabs, n.slabsFull)).toEqual(['S7', 'S6']);
  expect(names(cache, slabs, n.slabsFree)).toEqual(['S5', 'S4', 'S3']);
  expect([n.freeObjects, n.totalSlabs]).toEqual([6, 5]);
});

test('several slabs of one call are destroyed in reverse (spec slab 7.4)', () => {
  const { cache, objects, pages, slabs } = eightSlabs();
  cache.tune({ limit: 6, batchcount: 6, shared: 0 });
  const n = cacheNodeOf(cache, 0);
  for (const address of objects.slice(0, 6)) cache.free(address);
  n.freeLimit = 2;
  cache.free(objects[6]);
  // S0, S1 and S2 became free together; two of them had to go, S1 before S0.
  expect(pages.freed.map(({ pfn }) => slabs.indexOf(pfn))).toEqual([1, 0]);
  expect(names(cache, slabs, n.slabsFree)).toEqual(['S2']);
});

test('a slab moves to the tail with every object that comes back', () => {
  const { slab, pages } = testSlab();
  const cache = made(slab.createCache('demo', { size: 1024 }));
  cache.tune({ limit: 1, batchcount: 1, shared: 0 });
  const objects = take(cache, 12);
  const slabs = pages.requests.map(({ pfn }) => pfn);
  expect(nameOf(cache, objects[4], slabs)).toBe('B#0');
  // An array of one: each free pushes the object before it out.
  for (const i of [0, 4, 8, 1, 5]) cache.free(objects[i]);
  const n = cacheNodeOf(cache, 0);
  expect(names(cache, slabs, n.slabsPartial)).toEqual(['S1', 'S2', 'S0']);
  expect(names(cache, slabs, n.slabsFull)).toEqual([]);
});

describe('misuse is refused before anything changes', () => {
  function refused(act: (set: TestSlab & { cache: SlabCache }) => void, code: string): void {
    const set = testSlab({ topology: testTopology([0, 1], 2) });
    const cache = made(set.slab.createCache('demo', { size: 200 }));
    take(cache, 3);
    const before = set.slab.snapshot();
    expect(() => act({ ...set, cache })).toThrow(expect.objectContaining({ code }));
    expect(set.slab.snapshot()).toEqual(before);
  }

  test('a double free, near and far', () => {
    for (const cpu of [0, 1]) {
      const { slab } = testSlab({ topology: testTopology([0, 1], 2) });
      const cache = made(slab.createCache('demo', { size: 200 }));
      const [address] = take(cache, 1);
      cache.free(address, cpu);
      const before = slab.snapshot();
      expect(() => cache.free(address)).toThrow(expect.objectContaining({ code: 'DOUBLE_FREE' }));
      expect(() => slab.kfree(address)).toThrow(expect.objectContaining({ code: 'DOUBLE_FREE' }));
      expect(slab.snapshot()).toEqual(before);
    }
  });

  test('an object that was never handed out', () => {
    refused(({ cache }) => cache.free(0x1000), 'DOUBLE_FREE');
  });

  test('an address between objects, in the slack, outside, and no address', () => {
    refused(({ cache }) => cache.free(0x1000 + 201), 'FOREIGN_POINTER');
    refused(({ cache }) => cache.free(0x1000 + 4000), 'FOREIGN_POINTER');
    refused(({ cache }) => cache.free(0x9000), 'FOREIGN_POINTER');
    refused(({ cache }) => cache.free(2 ** 52), 'FOREIGN_POINTER');
    refused(({ cache }) => cache.free(-1), 'FOREIGN_POINTER');
    refused(({ cache }) => cache.free(Number.NaN), 'FOREIGN_POINTER');
  });

  test('the object of another cache', () => {
    const { slab } = testSlab();
    const cache = made(slab.createCache('demo', { size: 200 }));
    const other = made(slab.createCache('other', { size: 300 }));
    const [address] = take(other, 1);
    const before = slab.snapshot();
    expect(() => cache.free(address)).toThrow(
      expect.objectContaining({
        code: 'WRONG_CACHE',
        message: 'cache_from_obj: Wrong slab cache. demo but object is from other',
      }),
    );
    expect(slab.snapshot()).toEqual(before);
  });

  test('one bad address in a bulk free', () => {
    refused(({ cache, slab }) => {
      const first = slab.state.slabs.sMem[1];
      cache.freeBulk([first + 15 * 200, first + 14 * 200, first + 15 * 200]);
    }, 'DOUBLE_FREE');
  });

  test('a CPU or node that does not exist', () => {
    refused(({ cache }) => cache.alloc(0xcc0, 2), 'BAD_ARGUMENT');
    refused(({ cache }) => cache.alloc(0xcc0, 0.5), 'BAD_ARGUMENT');
    refused(({ cache, slab }) => cache.free(slab.state.slabs.sMem[1] + 3000, 7), 'BAD_ARGUMENT');
    refused(({ cache }) => cache.allocNode(0xcc0, 2), 'BAD_ARGUMENT');
  });
});

describe('FREELIST_HARDENED', () => {
  test('frees to the real cache, and ignores what is no slab', () => {
    const lines: string[] = [];
    const { slab } = testSlab({ config: { freelistHardened: true }, log: (l) => lines.push(l) });
    const cache = made(slab.createCache('demo', { size: 200 }));
    const other = made(slab.createCache('other', { size: 300 }));
    const [address] = take(other, 1);
    const left = other.cpuCache[0].avail;
    cache.free(address);
    expect(other.cpuCache[0].avail).toBe(left + 1);
    cache.free(0x9000);
    cache.free(0x9000);
    expect(lines).toEqual([
      'cache_from_obj: Wrong slab cache. demo but object is from other',
      'virt_to_cache: Object is not a Slab page!',
    ]);
  });

  test('drops an object that is on top of the array already, with one warning', () => {
    const lines: string[] = [];
    const { slab } = testSlab({
      config: { freelistHardened: true },
      topology: testTopology([0, 1], 2),
      log: (l) => lines.push(l),
    });
    const cache = made(slab.createCache('demo', { size: 200 }));
    const [near, far, older] = take(cache, 3);
    cache.free(older);
    cache.free(near);
    cache.free(near);
    cache.free(far, 1);
    cache.free(far, 1);
    expect(lines).toHaveLength(1);
    expect(() => cache.free(older)).toThrow(expect.objectContaining({ code: 'DOUBLE_FREE' }));
  });
});

test('a memory that throws loses no object', () => {
  const memory = sparseMemory(0x1000 * 4096);
  let left = Number.POSITIVE_INFINITY;
  const failing = new Proxy(memory, {
    get(target, name) {
      const member = Reflect.get(target, name, target) as unknown;
      if (typeof member !== 'function') return member;
      return (...args: unknown[]) => {
        if (left-- <= 0) throw new Error('memory');
        return Reflect.apply(member, target, args);
      };
    },
  });
  const { slab } = testSlab({ memory: failing, checks: 'basic' });
  const cache = made(slab.createCache('demo', { size: 200 }));
  cache.tune({ limit: 12, batchcount: 10, shared: 0 });
  const held: number[] = [];
  let thrown = 0;
  for (let round = 0; round < 600; round++) {
    left = round % 23;
    const isFree = round % 7 > 3 && held.length > 0;
    const before = isFree ? slab.snapshot() : null;
    try {
      if (isFree) {
        cache.free(held[round % held.length]);
        held.splice(round % held.length, 1);
      } else {
        held.push(cache.alloc(round % 2 === 0 ? 0xcc0 : 0xdc0) as number);
      }
    } catch (error) {
      expect((error as Error).message).toBe('memory');
      thrown++;
      // A free does nothing at all; an allocation may have filled the array.
      if (before !== null) expect(slab.snapshot()).toEqual(before);
    }
    left = Number.POSITIVE_INFINITY;
    expect(checkInvariants(slab.state)).toEqual([]);
    expect(held.every((address) => slab.locate(address)?.inUse)).toBe(true);
  }
  expect(thrown).toBeGreaterThan(20);
  for (const address of held) cache.free(address);
  expect(cache.shrink()).toBe(false);
});

test('reclaim learns how many pages came out of slabs', () => {
  const { slab } = testSlab();
  const cache = made(slab.createCache('demo', { size: 6000 }));
  const reclaim = { reclaimedSlab: 0 };
  const [address] = take(cache, 1);
  slab.reclaimState = reclaim;
  cache.free(address);
  cache.shrink();
  slab.reclaimState = null;
  expect(reclaim.reclaimedSlab).toBe(2);
  expect(slab.state.map.flags[2] & PageFlag.PG_slab).toBe(0);
});
