// covers: src/slub/cpu-slab.ts, src/slub/node-lists.ts, src/slub/node-partial.ts, src/slub/alloc.ts, src/slub/cache.ts, src/slub/cache-state.ts
import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlubAllocator } from '../../src/slub/allocator.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import { made, Names, recordOf, take, testSlub, testTopology } from './support.ts';

/** The cache of the examples: 8192 bytes, 4 objects per slab, min_partial 6, cpu_partial_slabs 3. */
function exampleCache(cpus: number): { slub: SlubAllocator; cache: SlubCache } {
  const { slub } = testSlub({ topology: testTopology(new Array<number>(cpus).fill(0), 1) });
  const cache = made(slub.createCache('example', { size: 8192 }));
  const { objects, minPartial, cpuPartialSlabs } = cache.geometry();
  expect({ objects, minPartial, cpuPartialSlabs }).toEqual({
    objects: 4,
    minPartial: 6,
    cpuPartialSlabs: 3,
  });
  return { slub, cache };
}

test('7.5 draining the per-CPU partial list', () => {
  const { slub, cache } = exampleCache(1);
  const names = new Names(cache);
  const objects = take(cache, 20);
  expect(names.objects(objects)).toBe(
    'A0 A1 A2 A3 B0 B1 B2 B3 C0 C1 C2 C3 D0 D1 D2 D3 E0 E1 E2 E3',
  );
  expect(names.lists(slub)).toBe('E [] [] []');
  for (const i of [0, 4, 8]) cache.free(objects[i]);
  expect(names.lists(slub)).toBe('E [] [C(3) B(2) A(1)] []');
  cache.free(objects[12]);
  expect(names.lists(slub)).toBe('E [] [D(1)] [C B A]');
  expect(names.object(cache.alloc())).toBe('D0');
  expect(names.lists(slub)).toBe('D [] [] [C B A]');
  expect(names.object(cache.alloc())).toBe('C0');
  expect(names.lists(slub)).toBe('C [] [A(2) B(1)] []');
  expect(names.objects([cache.alloc(), cache.alloc()])).toBe('A0 B0');
  expect(names.lists(slub)).toBe('B [] [] []');
  expect(cache.stats().slabs).toBe(5);
});

test('7.6 two CPUs, remote frees', () => {
  const { slub, cache } = exampleCache(2);
  const names = new Names(cache);
  const [a0, a1, a2, a3, b0, b1] = take(cache, 6);
  const first = take(cache, 2, 1);
  expect(names.objects([a0, b0, ...first])).toBe('A0 B0 C0 C1');
  cache.free(a1, 1);
  expect(names.lists(slub, 1)).toBe('C [2 3] [A(1)] []');
  cache.free(b0, 1);
  cache.free(b1, 1);
  const { slab } = recordOf(slub, cache).cpus[0];
  expect(slab).toMatchObject({ freelist: [1, 0], inuse: 2 });
  cache.free(a2);
  cache.free(a3, 1);
  const [partial] = recordOf(slub, cache).cpus[1].partial;
  expect(partial).toMatchObject({ freelist: [3, 2, 1], inuse: 1, slabs: 1 });
  expect(names.objects(take(cache, 2))).toBe('B2 B3');
  expect(names.objects(take(cache, 1))).toBe('B1');
  expect(recordOf(slub, cache).cpus[0].slab).toMatchObject({ inuse: 4, freelist: [] });
  expect(names.objects(take(cache, 1))).toBe('B0');
  expect(names.objects(take(cache, 4, 1))).toBe('C2 C3 A3 A2');
});

test('7.7 order of a bulk free', () => {
  const { slub, cache } = exampleCache(1);
  const names = new Names(cache);
  const [a0, a1, a2, , b0, b1, , , c0] = take(cache, 9);
  expect(names.objects([a0, b0, c0])).toBe('A0 B0 C0');
  const addresses = [a0, b1, a2, c0, b0, a1];
  cache.freeBulk(addresses);
  expect(names.lists(slub)).toBe('C [0 1 2 3] [B(2) A(1)] []');
  const [b, a] = recordOf(slub, cache).cpus[0].partial;
  expect(b.freelist).toEqual([0, 1]);
  expect(a).toMatchObject({ freelist: [0, 1, 2], inuse: 1 });
  expect(names.objects(addresses)).toBe('A0 B1 B0 C0 A2 A1');
  expect(names.objects(take(cache, 8))).toBe('C0 C1 C2 C3 B0 B1 A0 A1');
});

test('7.8 shrink', () => {
  const { slub, cache } = exampleCache(1);
  const names = new Names(cache);
  const objects = take(cache, 36);
  names.objects(objects);
  for (const [slab, count] of [1, 2, 4, 3, 1, 4, 2, 3].entries()) {
    for (let i = 0; i < count; i++) cache.free(objects[slab * 4 + i]);
  }
  // S0 to S8 of the specification are A to I here.
  expect(names.lists(slub)).toBe('I [] [H(2) G(1)] [C B A F E D]');
  expect(cache.stats()).toMatchObject({ slabs: 9, totalObjects: 36 });
  expect(cache.shrink()).toBe(true);
  expect(names.lists(slub)).toBe('none [] [E A G B H D]');
  expect(cache.stats()).toMatchObject({ slabs: 7, totalObjects: 28 });
});

test('7.9 full list', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('w', { size: 8000, flags: SlabFlag.SLAB_STORE_USER }));
  const names = new Names(cache, 'W');
  const objects = take(cache, 14);
  names.objects(objects);
  const lists = (): string[] => {
    const [{ full, partial }] = recordOf(slub, cache).nodes;
    return [full, partial].map((list) => list.map(({ pfn }) => names.slab(pfn)).join(' '));
  };
  expect(lists()).toEqual(['Y X W', 'Z']);
  cache.free(objects[0]);
  expect(lists()).toEqual(['Y X', 'Z W']);
  cache.free(objects[12]);
  cache.free(objects[13]);
  expect(lists()).toEqual(['Y X', 'Z W']);
  expect(recordOf(slub, cache).nodes[0]).toMatchObject({ nrPartial: 2 });
});

test('7.10 merging', () => {
  const { slub } = testSlub();
  const { SLAB_RECLAIM_ACCOUNT, SLAB_HWCACHE_ALIGN, SLAB_TYPESAFE_BY_RCU } = SlabFlag;
  const create = (name: string, size: number, align: number, flags: number): SlubCache =>
    made(slub.createCache(name, { size, align, flags }));
  const a = create('a', 104, 0, SLAB_RECLAIM_ACCOUNT);
  expect(a.geometry()).toMatchObject({ size: 104, objectSize: 104 });
  const b = create('b', 100, 0, 0);
  expect(b.geometry()).toMatchObject({ size: 104, objectSize: 100, inuse: 104, offset: 48 });
  const c = create('c', 104, 0, SLAB_HWCACHE_ALIGN);
  expect(c.geometry()).toMatchObject({ size: 128, objectSize: 104, inuse: 104, offset: 48 });
  expect(create('d', 97, 8, 0)).toBe(b);
  expect(b.geometry()).toMatchObject({ refcount: 2, objectSize: 100, inuse: 104 });
  expect(create('e', 98, 0, SLAB_RECLAIM_ACCOUNT)).toBe(a);
  expect(a.geometry()).toMatchObject({ refcount: 2, objectSize: 104, inuse: 104 });
  expect(create('f', 120, 64, 0)).toBe(c);
  expect(c.geometry()).toMatchObject({ refcount: 2, objectSize: 120, inuse: 120, offset: 48 });
  const g = create('g', 100, 0, SLAB_TYPESAFE_BY_RCU);
  expect(g.geometry()).toMatchObject({ inuse: 104, offset: 104, size: 112 });
  const named = slub.caches.map(({ name }) => name).filter((name) => name.length === 1);
  expect(named).toEqual(['g', 'c', 'b', 'a']);
});

test('a slab that only others freed into goes to the tail of its list, else to the head', () => {
  const { slub, cache } = exampleCache(2);
  const names = new Names(cache);
  const [a0] = take(cache, 1);
  const [b0] = take(cache, 1, 1);
  names.objects([a0, b0]);
  cache.free(b0, 0);
  cache.flush();
  // CPU 0 gave A up first, to the head; then CPU 1 gave B up, into which CPU 0 had freed: to the tail.
  expect(names.lists(slub)).toBe('none [] [A B]');
  expect(recordOf(slub, cache).nodes[0].partial[1]).toMatchObject({ freelist: [1, 2, 3, 0] });
});

test('an object off a freelist keeps the pointer that stood in it', () => {
  const { slub, memory } = testSlub();
  const cache = made(slub.createCache('stale', { size: 64 }));
  const [first, second] = take(cache, 2);
  expect(memory.readU32(first + 32)).toBe((second % 2 ** 32) >>> 0);
  expect(memory.readU32(first + 36)).toBe(0xffff8880);
  expect(made(cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_ZERO)) - second).toBe(64);
});
