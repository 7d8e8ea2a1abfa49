import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { made, recordOf, take, testSlub, testTopology } from './support.ts';

test('4.28 a dead CPU loses its slabs; the CPU that works frees the pages', () => {
  const { slub, pages } = testSlub({ topology: testTopology([0, 0], 1) });
  const cache = made(slub.createCache('c', { size: 8192 }));
  cache.writeAttribute('min_partial', '0');
  const objects = take(cache, 9, 1);
  for (const object of objects.slice(0, 4)) cache.free(object, 1);
  cache.free(objects[8], 1);
  pages.freed.length = 0;
  slub.cpuDead(1, 0);
  const { cpus } = recordOf(slub, cache);
  expect(cpus[1]).toMatchObject({ slab: null, partial: [] });
  expect(pages.freed.map(({ cpu }) => cpu)).toEqual([0, 0]);
});

test('4.28 memory that goes offline: all caches are shrunk, the node is no wish any more', () => {
  const { slub, pages } = testSlub({ topology: testTopology([0, 1], 2) });
  const cache = made(slub.createCache('c', { size: 64 }));
  const object = made(cache.allocNode(Gfp.GFP_KERNEL, 1));
  cache.free(object);
  slub.memoryGoingOffline();
  expect(pages.used.size).toBe(0);
  slub.nodeOffline(1);
  pages.requests.length = 0;
  made(cache.allocNode(Gfp.GFP_KERNEL, 1));
  expect(pages.requests[0].node).toBe(-1);
});

test('4.28 a new node: caches get structures, then it may be used', () => {
  const topology = { ...testTopology([0, 0], 2), memoryNodes: [0] };
  const { slub, pages } = testSlub({ topology, boot: 'kernel' });
  const cache = made(slub.createCache('c', { size: 64 }));
  const nodes = made(slub.cache('kmem_cache_node'));
  const before = slub.caches.length;
  expect(recordOf(slub, cache).nodes).toHaveLength(1);
  expect(slub.nodeOnline(1)).toBe(true);
  expect(slub.nodeOnline(1)).toBe(true);
  expect(recordOf(slub, cache).nodes).toHaveLength(2);
  expect(nodes.stats().activeObjects).toBeGreaterThanOrEqual(2 * before);
  pages.requests.length = 0;
  const object = made(cache.allocNode(Gfp.GFP_KERNEL, 1));
  expect(pages.nodeOf(Math.floor(object / 4096))).toBe(1);
  expect(recordOf(slub, cache).nodes[1].nrSlabs).toBe(1);
});

test('4.28 a new node without memory for its structures is not used', () => {
  const topology = { ...testTopology([0, 0], 2), memoryNodes: [0] };
  const { slub, pages } = testSlub({ topology, boot: 'kernel' });
  pages.budget = 0;
  const nodes = made(slub.cache('kmem_cache_node'));
  while (nodes.alloc() !== null);
  expect(slub.nodeOnline(1)).toBe(false);
  slub.assertInvariants();
});
