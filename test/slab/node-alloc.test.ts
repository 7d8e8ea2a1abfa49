// covers: src/slab/alien.ts src/slab/policy.ts
import { describe, expect, test } from 'vitest';
import { listToArray } from '../../src/lib/list.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import type { ArrayCache } from '../../src/slab/array-cache.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import { cacheNodeOf } from '../../src/slab/cache-state.ts';
import { objectAddress } from '../../src/slab/freelist.ts';
import type { SlabTaskPolicy } from '../../src/slab/types.ts';
import { made, nameOf, take, testSlab, testTopology } from './support.ts';

function policy(change: Partial<SlabTaskPolicy>): SlabTaskPolicy {
  return {
    mode: 'local',
    nodes: [],
    ilPrev: 0,
    spreadSlab: false,
    spreadRotor: 0,
    memsAllowed: null,
    ...change,
  };
}

function nodesOf(cache: SlabCache, addresses: readonly (number | null)[]): number[] {
  return addresses.map((address) => cache.state.source.nodeOf(Math.floor((address ?? -1) / 4096)));
}

test('objects of another node take the way of spec slab 7.6', () => {
  const { slab, pages } = testSlab({ topology: testTopology([0, 1], 2) });
  const cache = made(slab.createCache('demo', { size: 1024 }));
  cache.tune({ limit: 4, batchcount: 2, shared: 1 });
  const [home, away] = [cacheNodeOf(cache, 0), cacheNodeOf(cache, 1)];
  expect([home.freeLimit, away.freeLimit, home.shared?.limit]).toEqual([8, 8, 2]);
  const objects = take(cache, 20);
  const slabs = pages.requests.map(({ pfn }) => pfn);
  const names = (ac: ArrayCache | null | undefined): string[] =>
    Array.from(ac?.entries.subarray(0, ac.avail) ?? [], (o) =>
      nameOf(cache, objectAddress(cache, o), slabs),
    );
  const list = (head: number): number[] =>
    listToArray(slab.state.map, head).map((pfn) => slabs.indexOf(pfn));
  for (const address of objects.slice(0, 12)) cache.free(address, 1);
  const alien = away.alien?.caches[0];
  expect(alien?.limit).toBe(12);
  expect(names(alien).slice(-4)).toEqual(['C#1', 'C#0', 'C#3', 'C#2']);
  for (const address of objects.slice(12, 14)) cache.free(address, 1);
  expect(names(home.shared)).toEqual(['C#3', 'C#2']);
  expect(names(alien)).toEqual(['D#1', 'D#0']);
  expect([list(home.slabsPartial), list(home.slabsFull), list(home.slabsFree)]).toEqual([
    [2],
    [4, 3],
    [1],
  ]);
  expect(home.freeObjects).toBe(6);
  expect(pages.freed).toEqual([{ pfn: slabs[0], order: 0, cpu: 1 }]);

  const other = cache.allocNode(Gfp.GFP_KERNEL, 1, 0) as number;
  expect(other % 4096).toBe(0);
  expect(away.freeObjects).toBe(3);
  expect(cache.cpuCache.map(({ avail }) => avail)).toEqual([0, 0]);

  expect(cache.shrink(0)).toBe(true);
  expect(pages.freed.slice(1).map(({ pfn }) => slabs.indexOf(pfn))).toEqual([1, 2]);
  expect(list(home.slabsPartial)).toEqual([3]);
  expect(list(home.slabsFree)).toEqual([]);
});

describe('a full node', () => {
  test('falls back to free objects elsewhere, in the order of the zonelist', () => {
    const { slab, pages } = testSlab({ topology: testTopology([0, 1, 2], 3), pagesPerNode: 8 });
    const cache = made(slab.createCache('demo', { size: 4096 }));
    take(cache, 7, 0);
    const there = take(cache, 2, 2);
    cache.free(there[0], 2);
    cache.free(there[1], 2);
    cache.shrink(2);
    const [kept] = take(cache, 1, 1);
    cache.free(kept, 1);
    pages.budget = 0;
    // Free objects in arrays are out of reach; only slabs of the node count.
    expect(cache.alloc(Gfp.GFP_KERNEL, 0)).toBeNull();
    cache.tune({ limit: 8, batchcount: 4, shared: 0 });
    expect(cache.alloc(Gfp.GFP_KERNEL, 0)).toBe(kept);
  });

  test('gets a page of another node, whose slab is on the list of that node', () => {
    const { slab } = testSlab({ topology: testTopology([0, 1], 2), pagesPerNode: 3 });
    const cache = made(slab.createCache('demo', { size: 2048 }));
    take(cache, 4, 0);
    const [away] = take(cache, 1, 0);
    expect(nodesOf(cache, [away])).toEqual([1]);
    expect(cacheNodeOf(cache, 1).freeObjects).toBe(1);
    expect(cacheNodeOf(cache, 1).totalSlabs).toBe(1);
  });

  test('stays empty with __GFP_THISNODE', () => {
    const { slab, pages } = testSlab({ topology: testTopology([0, 1], 2), pagesPerNode: 3 });
    const cache = made(slab.createCache('demo', { size: 2048 }));
    take(cache, 4, 0);
    const before = pages.requests.length;
    expect(cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_THISNODE, 0)).toBeNull();
    expect(pages.requests.length).toBe(before + 2);
    expect(cache.allocNode(Gfp.GFP_KERNEL | Gfp.__GFP_THISNODE, 0, 1)).toBeNull();
  });
});

test('a node without structures is passed over', () => {
  const topology = { ...testTopology([0], 2), memoryNodes: [0] };
  const { slab } = testSlab({ topology });
  const cache = made(slab.createCache('demo', { size: 1024 }));
  expect(cache.nodes[1]).toBeNull();
  expect(cache.allocNode(Gfp.GFP_KERNEL, 1)).toBe(4096);
});

test('the own node as an argument uses the array', () => {
  const { slab } = testSlab();
  const cache = made(slab.createCache('demo', { size: 1024 }));
  expect(cache.allocNode(Gfp.GFP_KERNEL, 0)).toBe(4096 + 3 * 1024);
  expect(cache.cpuCache[0].avail).toBe(3);
});

describe('without alien arrays', () => {
  test('objects of another node go straight back to their slabs', () => {
    const { slab } = testSlab({
      topology: testTopology([0, 1], 2),
      parameters: { noAlienCache: true },
    });
    const cache = made(slab.createCache('demo', { size: 1024 }));
    const [address] = take(cache, 1, 0);
    expect(cacheNodeOf(cache, 1).alien).toBeNull();
    cache.free(address, 1);
    expect(cacheNodeOf(cache, 0).freeObjects).toBe(1);
    expect(cache.cpuCache[1].avail).toBe(0);
  });
});

describe('memory policies (spec slab 4.10)', () => {
  const topology = testTopology([0, 1, 2], 3);
  function allocated(of: SlabTaskPolicy, count: number, cpu = 0, flags = 0): number[] {
    const { slab } = testSlab({ topology });
    const cache = made(slab.createCache('demo', { size: 1024, flags }));
    slab.policy = of;
    return nodesOf(
      cache,
      Array.from({ length: count }, () => cache.alloc(Gfp.GFP_KERNEL, cpu)),
    );
  }

  test('preferred takes the lowest node', () => {
    expect(allocated(policy({ mode: 'preferred', nodes: [1, 2] }), 3)).toEqual([1, 1, 1]);
  });

  test('interleaving goes round, even past the own node', () => {
    const of = policy({ mode: 'interleave', nodes: [0, 1, 2], ilPrev: 0 });
    expect(allocated(of, 5)).toEqual([1, 2, 0, 1, 2]);
    expect(of.ilPrev).toBe(2);
  });

  test('bind takes the nearest allowed node', () => {
    expect(allocated(policy({ mode: 'bind', nodes: [0, 2] }), 2, 1)).toEqual([2, 2]);
    expect(allocated(policy({ mode: 'preferred-many', nodes: [0, 1] }), 2, 1)).toEqual([1, 1]);
  });

  test('no policy, and a local one, stay at home', () => {
    expect(allocated(policy({}), 2, 1)).toEqual([1, 1]);
    expect(allocated(policy({ mode: 'preferred', nodes: [] }), 1, 2)).toEqual([2]);
  });

  test('spreading goes round the allowed nodes, for caches that want it', () => {
    const of = (): SlabTaskPolicy => policy({ spreadSlab: true, memsAllowed: [0, 2] });
    expect(allocated(of(), 4, 0, SlabFlag.SLAB_MEM_SPREAD)).toEqual([2, 0, 2, 0]);
    expect(allocated(of(), 2, 0)).toEqual([0, 0]);
    const everywhere = policy({ spreadSlab: true });
    expect(allocated(everywhere, 3, 0, SlabFlag.SLAB_MEM_SPREAD)).toEqual([1, 2, 0]);
  });

  test('interrupts and __GFP_THISNODE know no policy', () => {
    const { slab } = testSlab({ topology });
    const cache = made(slab.createCache('demo', { size: 1024 }));
    slab.policy = policy({ mode: 'preferred', nodes: [2] });
    const gfp = Gfp.GFP_ATOMIC | Gfp.__GFP_THISNODE;
    expect(nodesOf(cache, [cache.alloc(gfp)])).toEqual([0]);
    slab.state.task.inInterrupt = true;
    expect(nodesOf(cache, [cache.alloc()])).toEqual([0]);
    slab.state.task.inInterrupt = false;
    slab.state.task.inServingSoftirq = true;
    expect(nodesOf(cache, [cache.alloc()])).toEqual([0]);
    expect(slab.policy?.mode).toBe('preferred');
  });

  test('the fallback begins at the node of the policy, and respects the cpuset', () => {
    const { slab, pages } = testSlab({ topology });
    const cache = made(slab.createCache('demo', { size: 1024 }));
    const one = cache.allocNode(Gfp.GFP_KERNEL, 1, 0) as number;
    const two = cache.allocNode(Gfp.GFP_KERNEL, 2, 0) as number;
    expect(nodesOf(cache, [one, two])).toEqual([1, 2]);
    pages.budget = 0;
    slab.policy = policy({ mode: 'bind', nodes: [2] });
    slab.state.task.inInterrupt = false;
    expect(nodesOf(cache, [cache.allocNode(Gfp.GFP_KERNEL, 0, 0)])).toEqual([2]);
    slab.policy = policy({ memsAllowed: [0, 1] });
    expect(nodesOf(cache, [cache.allocNode(Gfp.GFP_KERNEL, 0, 0)])).toEqual([1]);
  });
});

test('a zone above what the mask allows does not count in the fallback', () => {
  const topology = testTopology([0, 1], 2);
  const { slab, pages } = testSlab({ topology });
  const cache = made(slab.createCache('demo', { size: 1024 }));
  cache.allocNode(Gfp.GFP_KERNEL, 1, 0);
  pages.budget = 0;
  // Node 1 has free objects, but its zone is Normal.
  expect(cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_DMA, 0)).toBeNull();
  expect(cache.alloc(Gfp.GFP_KERNEL, 0)).not.toBeNull();
});
