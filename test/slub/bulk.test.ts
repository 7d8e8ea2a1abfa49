import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { DEBUG_DEFAULT_FLAGS } from '../../src/mm/slab-flags.ts';
import { made, recordOf, take, testSlub, testTopology } from './support.ts';

test('4.27 a bulk allocation gives what single ones would', () => {
  const one = testSlub();
  const many = testSlub();
  const single = made(one.slub.createCache('c', { size: 700 }));
  const bulk = made(many.slub.createCache('c', { size: 700 }));
  const addresses = new Float64Array(40);
  expect(bulk.allocBulk(Gfp.GFP_KERNEL, addresses)).toBe(40);
  expect([...addresses]).toEqual(take(single, 40));
  expect(recordOf(many.slub, bulk)).toEqual(recordOf(one.slub, single));
});

test('4.27 all or nothing', () => {
  const { slub, pages, log } = testSlub();
  const cache = made(slub.createCache('c', { size: 8000 }));
  pages.budget = 1;
  const addresses = [0, 0, 0, 0, 0, 0];
  expect(cache.allocBulk(Gfp.GFP_KERNEL, addresses)).toBe(0);
  expect(cache.stats().activeObjects).toBe(4);
  expect(log[0]).toMatch(/^SLUB: Unable to allocate memory on node -1, gfp=0xcc0\(GFP_KERNEL\)/);
  expect(recordOf(slub, cache).cpus[0].partial).toMatchObject([{ inuse: 0, frozen: 1 }]);
  expect(cache.allocBulk(Gfp.GFP_KERNEL, [])).toBe(0);
});

test('4.27 every object is cleared, also those that were taken on the long way', () => {
  const { slub, memory } = testSlub();
  const cache = made(slub.createCache('c', { size: 512 }));
  const dirty = take(cache, 20);
  for (const object of dirty) memory.fill(object, 512, 0x55);
  cache.freeBulk(dirty);
  const addresses = new Array<number>(20).fill(0);
  cache.allocBulk(Gfp.GFP_KERNEL | Gfp.__GFP_ZERO, addresses);
  for (const object of addresses) expect(memory.readU8(object)).toBe(0);
});

test('misuse anywhere in the array is refused before anything is freed', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('c', { size: 64 }));
  const other = made(slub.createCache('d', { size: 96 }));
  const objects = take(cache, 4);
  const [foreign] = take(other, 1);
  const before = JSON.stringify(slub.snapshot());
  const wrong: [number[], string][] = [
    [[objects[0], objects[1], objects[0]], 'DOUBLE_FREE'],
    [[objects[0], objects[1] + 1], 'FOREIGN_POINTER'],
    [[objects[0], 0x800000], 'FOREIGN_POINTER'],
    [[foreign, objects[0]], 'WRONG_CACHE'],
    [[objects[3] + 64, objects[0]], 'DOUBLE_FREE'],
  ];
  for (const [addresses, code] of wrong) {
    expect(() => cache.freeBulk(addresses)).toThrow(expect.objectContaining({ code }));
    expect(JSON.stringify(slub.snapshot())).toBe(before);
  }
  cache.freeBulk(objects);
  expect(recordOf(slub, cache).cpus[0].freelist.slice(0, 5)).toEqual([3, 2, 1, 0, 4]);
});

test('kfree_bulk frees objects of many caches and large blocks', () => {
  const { slub, pages } = testSlub();
  const blocks = [8, 100, 20000, 100, 8, 3000].map((size) => made(slub.kmalloc(size)));
  const used = pages.used.size;
  const code = (expected: string): unknown => expect.objectContaining({ code: expected });
  expect(() => slub.kfreeBulk([...blocks, 0x800000])).toThrow(code('FOREIGN_POINTER'));
  expect(() => slub.kfreeBulk([blocks[2], ...blocks])).toThrow(code('DOUBLE_FREE'));
  expect(pages.used.size).toBe(used);
  slub.kfreeBulk(blocks);
  expect(used - pages.used.size).toBe(8);
  for (const cache of slub.caches) cache.shrink();
  expect(pages.used.size).toBe(0);
});

test('a debug cache takes every object by the long way, and frees chains', () => {
  const { slub, log } = testSlub({ config: { stats: true } });
  const cache = made(slub.createCache('c', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  const addresses = new Array<number>(30).fill(0);
  expect(cache.allocBulk(Gfp.GFP_KERNEL, addresses)).toBe(30);
  expect(cache.readAttribute('alloc_slowpath')).toBe('30 C0=30\n');
  cache.freeBulk(addresses);
  expect(cache.readAttribute('free_slowpath')).toBe('2 C0=2\n');
  expect(log).toEqual([]);
  expect(cache.validate()).toBe(2);
  expect(log).toEqual([]);
});

test('in a checked cache what is in no slab is reported once and left out', () => {
  const { slub, log } = testSlub();
  const cache = made(slub.createCache('c', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  const [object] = take(cache, 1);
  cache.freeBulk([object, 0x800000]);
  expect(log).toEqual(['virt_to_cache: Object is not a Slab page!']);
  expect(slub.locate(object)).toMatchObject({ inUse: false });
});

test('a chain freed to the slab of another CPU goes in front of its freelist', () => {
  const { slub } = testSlub({ topology: testTopology([0, 0], 1) });
  const cache = made(slub.createCache('c', { size: 64 }));
  const objects = take(cache, 6);
  cache.free(objects[5], 1);
  cache.freeBulk(objects.slice(0, 3), 1);
  expect(recordOf(slub, cache).cpus[0].slab).toMatchObject({ freelist: [2, 1, 0, 5], inuse: 60 });
});
