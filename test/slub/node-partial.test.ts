import { expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import type { SlubOptions } from '../../src/slub/types.ts';
import { made, recordOf, type TestSlub, take, testSlub, testTopology } from './support.ts';

const { GFP_KERNEL, __GFP_THISNODE } = Gfp;

/** Two nodes with a CPU each; node 1 has eight partial slabs of one object, CPU 1 none. */
function prepare(options: Partial<SlubOptions> = {}): TestSlub & { cache: SlubCache } {
  const parts = testSlub({ topology: testTopology([0, 1], 2), ...options });
  const cache = made(parts.slub.createCache('c', { size: 8192 }));
  const held = Array.from({ length: 32 }, () => made(cache.allocNode(GFP_KERNEL, 1, 1)));
  for (const [i, object] of held.entries()) if (i % 4 > 0) cache.free(object, 1);
  cache.flush();
  expect(recordOf(parts.slub, cache).nodes[1].nrPartial).toBe(8);
  parts.pages.requests.length = 0;
  return { ...parts, cache };
}

test('4.13 a node with slabs to spare helps out; several end on this CPU', () => {
  const { slub, cache, pages } = prepare();
  const [object] = take(cache, 1);
  expect(pages.requests).toEqual([]);
  expect(pages.nodeOf(Math.floor(object / 4096))).toBe(1);
  const { cpus, nodes } = recordOf(slub, cache);
  // cpu_partial_slabs 3: one to use and two more.
  expect(cpus[0].partial.map(({ slabs }) => slabs)).toEqual([2, 1]);
  expect(nodes[1].nrPartial).toBe(5);
  // Now node 1 has fewer than min_partial to keep: pages are asked for.
  cache.flush();
  const { minPartial } = cache.geometry();
  expect(recordOf(slub, cache).nodes[1].nrPartial).toBeGreaterThan(minPartial);
});

test('4.13 not when the node has only what it keeps', () => {
  const { cache, pages } = prepare();
  cache.writeAttribute('min_partial', '8');
  take(cache, 1);
  expect(pages.requests).toHaveLength(1);
});

test.each([
  [0, 0, 1],
  [1000, 1000, 0],
  [1000, 1001, 1],
  [500, 501, 1],
  [500, 1024 + 500, 0],
])('4.13 ratio %i, cycle counter %i: %i page requests', (ratio, cycles, requests) => {
  const { cache, pages } = prepare({ cycles: () => cycles });
  cache.writeAttribute('remote_node_defrag_ratio', String(ratio / 10));
  take(cache, 1);
  expect(pages.requests).toHaveLength(requests);
});

test('4.13 a wanted node is not replaced by another, nor is THISNODE', () => {
  const { slub, cache, pages } = prepare();
  made(cache.allocNode(GFP_KERNEL, 0));
  expect(pages.requests).toMatchObject([{ node: 0 }]);
  cache.flush();
  take(cache, 3);
  made(cache.alloc(GFP_KERNEL | __GFP_THISNODE));
  expect(pages.requests).toHaveLength(2);
  expect(recordOf(slub, cache).nodes[1].nrPartial).toBe(8);
});

test('4.13 zones above that of the request do not count', () => {
  const { cache, pages } = prepare();
  cache.alloc(GFP_KERNEL | Gfp.GFP_DMA);
  expect(pages.requests).toHaveLength(1);
});

test('without NUMA nobody looks elsewhere', () => {
  const { cache, pages } = prepare({ config: { numa: false } });
  take(cache, 1);
  expect(pages.requests).toHaveLength(1);
});

test('4.12 a CPU slab and a partial list of the wrong node are worked off', () => {
  const { slub, cache } = prepare();
  take(cache, 1);
  expect(recordOf(slub, cache).cpus[0].partial).toHaveLength(2);
  const object = made(cache.allocNode(GFP_KERNEL, 0));
  const { cpus, nodes } = recordOf(slub, cache);
  expect(Math.floor(object / 4096)).toBe(cpus[0].slab?.pfn);
  expect(cpus[0].partial).toEqual([]);
  // Taken from the head of the list: A to use, then B and C, of which C is the first on the CPU.
  // A goes back to the head, then C and B, which have objects of their own, to the tail.
  expect(nodes[1].nrPartial).toBe(8);
  expect(nodes[1].partial.slice(-2).map(({ freelist }) => freelist.length)).toEqual([3, 3]);
});

test('4.12 a node without memory is no wish', () => {
  const topology = { ...testTopology([0, 0], 2), memoryNodes: [0] };
  const { slub, pages } = testSlub({ topology });
  const cache = made(slub.createCache('c', { size: 64 }));
  made(cache.allocNode(GFP_KERNEL, 1));
  expect(pages.requests).toMatchObject([{ node: -1 }]);
  made(cache.allocNode(GFP_KERNEL, 1));
  expect(pages.requests).toHaveLength(1);
});

test('debug caches search the same way, one object at a time', () => {
  const { slub, pages } = testSlub({ topology: testTopology([0, 1], 2) });
  const cache = made(slub.createCache('d', { size: 8192, flags: SlabFlag.SLAB_RED_ZONE }));
  const held = Array.from({ length: 24 }, () => made(cache.allocNode(GFP_KERNEL, 1, 1)));
  for (let i = 0; i < held.length; i += 3) cache.free(held[i], 1);
  pages.requests.length = 0;
  const { nrPartial } = recordOf(slub, cache).nodes[1];
  expect(nrPartial).toBe(8);
  take(cache, 1);
  expect(pages.requests).toEqual([]);
  expect(recordOf(slub, cache).nodes[1].nrPartial).toBe(7);
});

test('waiting for a page may bring the CPU a slab: it is given up again', () => {
  const parts = testSlub({ memory: noMemory(0x1000 * 4096) });
  const cache = made(parts.slub.createCache('c', { size: 8192 }));
  const { pages } = parts;
  const allocPages = pages.allocPages.bind(pages);
  let inner = 0;
  let outer = true;
  pages.allocPages = (gfp, order, node, cpu) => {
    if (outer) {
      outer = false;
      inner = made(cache.alloc());
    }
    return allocPages(gfp, order, node, cpu);
  };
  const object = made(cache.alloc());
  const { cpus, nodes } = recordOf(parts.slub, cache);
  expect(cpus[0].slab?.pfn).toBe(Math.floor(object / 4096));
  expect(nodes[0].partial.map(({ pfn }) => pfn)).toEqual([Math.floor(inner / 4096)]);
});
