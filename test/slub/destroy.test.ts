// covers: src/slub/destroy.ts, src/slub/create.ts, src/slub/shrink.ts
import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import { made, recordOf, take, testSlub, testTopology } from './support.ts';

test('4.8 a cache without objects gives everything back', () => {
  const { slub, pages } = testSlub({ boot: 'kernel', topology: testTopology([0, 0], 1) });
  const descriptors = made(slub.cache('kmem_cache'));
  const nodes = made(slub.cache('kmem_cache_node'));
  const inUse = (): number[] => [descriptors, nodes].map((cache) => used(cache.name));
  const used = (name: string): number => {
    const { cpus, nodes: lists } = recordOf(slub, made(slub.cache(name)));
    const free = cpus.reduce((sum, cpu) => sum + cpu.freelist.length, 0);
    const partial = lists.flatMap((node) => node.partial);
    return (
      made(slub.cache(name)).stats().totalObjects -
      free -
      partial.reduce((sum, slab) => sum + slab.freelist.length, 0)
    );
  };
  const before = inUse();
  const pagesBefore = pages.used.size;
  const cache = made(slub.createCache('c', { size: 700 }));
  expect(inUse()).toEqual(before.map((count) => count + 1));
  const objects = [...take(cache, 30), ...take(cache, 30, 1)];
  for (const object of objects) cache.free(object);
  expect(cache.destroy()).toBe(true);
  expect(inUse()).toEqual(before);
  expect(pages.used.size).toBe(pagesBefore);
  expect(slub.cache('c')).toBeNull();
});

test('4.8, 5.7 objects that are left are reported, and the cache stays', () => {
  const { slub, log } = testSlub();
  const cache = made(
    slub.createCache('left', { size: 1000, flags: SlabFlag.SLAB_RECLAIM_ACCOUNT }),
  );
  const { objects } = cache.geometry();
  const held = take(cache, objects * 2);
  for (const object of held.slice(0, objects)) cache.free(object);
  for (const object of held.slice(objects + 2)) cache.free(object);
  log.length = 0;
  expect(cache.destroy()).toBe(false);
  const start = Math.floor(held[objects] / 8192) * 8192;
  const hex = (address: number): string => `0xffff8880${address.toString(16).padStart(8, '0')}`;
  expect(log.filter((line) => /^(BUG|Object|kmem)/.test(line))).toEqual([
    'BUG left (Not tainted): Objects remaining in left on __kmem_cache_shutdown()',
    `Object ${hex(start)} @offset=0`,
    `Object ${hex(start + 1000)} @offset=1000`,
    'kmem_cache_destroy left: Slab cache still has objects when called from 0xffffffff81000000',
  ]);
  expect([slub.cache('left'), cache.refcount]).toEqual([cache, 0]);
  expect(recordOf(slub, cache).nodes[0].nrSlabs).toBe(1);
  // What is left can still be freed.
  cache.free(held[objects]);
});

test('5.7 with user tracking each one comes with its tracks', () => {
  const { slub, log } = testSlub();
  const cache = made(slub.createCache('left', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  take(cache, 2);
  log.length = 0;
  cache.destroy();
  expect(
    log.filter((line) => /^(Object|Allocated)/.test(line)).map((line) => line.slice(0, 9)),
  ).toEqual(['Object 0x', 'Allocated', 'Object 0x', 'Allocated']);
});

test('4.8 later nodes are not touched when one still has objects', () => {
  const { slub, pages } = testSlub({ topology: testTopology([0, 1], 2) });
  const cache = made(slub.createCache('c', { size: 64 }));
  take(cache, 1);
  const other = made(cache.allocNode(Gfp.GFP_KERNEL, 1, 1));
  cache.free(other, 1);
  pages.freed.length = 0;
  expect(cache.destroy()).toBe(false);
  expect(pages.freed).toEqual([]);
});

test('4.20 slabs of SLAB_TYPESAFE_BY_RCU go back after the grace period, then the cache', () => {
  const { slub, pages } = testSlub();
  const cache = made(slub.createCache('rcu', { size: 64, flags: SlabFlag.SLAB_TYPESAFE_BY_RCU }));
  const [object] = take(cache, 1);
  cache.free(object);
  cache.shrink();
  expect(cache.stats().slabs).toBe(0);
  expect(pages.freed).toEqual([]);
  expect(slub.locate(object)).toMatchObject({ place: 'rcu', inUse: false });
  expect(() => slub.kfree(object)).toThrow(expect.objectContaining({ code: 'DOUBLE_FREE' }));
  expect(cache.destroy()).toBe(true);
  expect(slub.cache('rcu')).toBeNull();
  slub.endGracePeriod();
  expect(pages.freed).toHaveLength(1);
  expect(slub.locate(object)).toBeNull();
  slub.endGracePeriod();
});

test('the pages of a checked cache are looked at once more when they go', () => {
  const { slub, memory, log } = testSlub({ checks: 'basic' });
  const cache = made(slub.createCache('c', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  const [object] = take(cache, 1);
  cache.free(object);
  memory.writeU8(object + 10, 1);
  log.length = 0;
  cache.shrink();
  expect(log.filter((line) => line.startsWith('BUG'))).toEqual([
    'BUG c (Not tainted): Poison overwritten',
  ]);
});

test('a boot cache is never freed', () => {
  const { slub } = testSlub({ boot: 'kernel' });
  const cache = made(slub.cache('kmem_cache'));
  expect(cache.destroy()).toBe(true);
  expect(cache.alloc()).not.toBeNull();
});

test('list heads of destroyed caches are used again', () => {
  const { slub } = testSlub();
  made(slub.createCache('first', { size: 1000 })).destroy();
  const heads = slub.state.map.listHeadCount;
  for (let i = 0; i < 20; i++) made(slub.createCache('again', { size: 1000 })).destroy();
  expect(slub.state.map.listHeadCount).toBe(heads);
});

test('4.28 the order after shrinking: few free objects first, inside that reversed', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('c', { size: 64 }));
  const objects = take(cache, 64 * 6);
  const frees = [40, 3, 64, 40, 3, 32];
  for (const [slab, count] of frees.entries()) {
    for (let i = 0; i < count; i++) cache.free(objects[slab * 64 + i]);
  }
  cache.flush();
  const before = recordOf(slub, cache).nodes[0].partial.map(({ freelist }) => freelist.length);
  cache.shrink();
  const after = recordOf(slub, cache).nodes[0].partial;
  const untouched = before.filter((count) => count > 32 && count < 64);
  expect(after.map(({ freelist }) => freelist.length)).toEqual([3, 3, 32, ...untouched]);
  const threes = after.slice(0, 2).map(({ pfn }) => pfn);
  expect(threes).toEqual([...threes].sort((a, b) => b - a));
});

test.each(['shrink', 'destroy'] as const)(
  '4.8, 4.28 %s gives empty slabs back in reverse order of the list',
  (how) => {
    const { slub, pages } = testSlub();
    const cache = made(slub.createCache('c', { size: 8192 }));
    const objects = take(cache, 4 * 5);
    for (const object of objects) cache.free(object);
    cache.flush();
    const listed = recordOf(slub, cache).nodes[0].partial.map(({ pfn }) => pfn);
    expect(listed.length).toBeGreaterThan(3);
    pages.freed.length = 0;
    cache[how]();
    expect(pages.freed.map(({ pfn }) => pfn)).toEqual(listed.reverse());
  },
);

test('4.15 empty slabs of a drained list go back in reverse order of the list', () => {
  const { slub, pages } = testSlub();
  const cache = made(slub.createCache('c', { size: 8192 }));
  cache.writeAttribute('min_partial', '0');
  const objects = take(cache, 4 * 4);
  for (const object of objects.slice(0, 12)) cache.free(object);
  const chain = recordOf(slub, cache).cpus[0].partial.map(({ pfn }) => pfn);
  expect(chain).toHaveLength(3);
  pages.freed.length = 0;
  cache.flush();
  expect(pages.freed.map(({ pfn }) => pfn)).toEqual(chain.reverse());
});
