import { expect, test } from 'vitest';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { made, take, testSlub, testTopology } from './support.ts';

test('where an object is, in use or free', () => {
  const { slub } = testSlub({ topology: testTopology([0, 0], 1) });
  const cache = made(slub.createCache('c', { size: 4096 }));
  const { objects } = cache.geometry();
  const held = take(cache, objects * 3);
  const place = (address: number): unknown => {
    const found = slub.locate(address);
    return [found?.place, found?.cpu, found?.inUse];
  };
  expect(place(held[0])).toEqual(['full', -1, true]);
  expect(place(held[objects * 2])).toEqual(['cpu slab', 0, true]);
  cache.free(held[objects * 2]);
  expect(place(held[objects * 2])).toEqual(['cpu freelist', 0, false]);
  cache.free(held[objects * 2 + 1], 1);
  expect(place(held[objects * 2 + 1])).toEqual(['cpu slab', 0, false]);
  cache.free(held[0], 1);
  expect(place(held[0])).toEqual(['cpu partial', 1, false]);
  expect(place(held[1])).toEqual(['cpu partial', 1, true]);
  cache.flush();
  expect(place(held[0])).toEqual(['node partial', -1, false]);
});

test('any byte of a slot belongs to its object; waste and foreign pages to none', () => {
  const { slub } = testSlub();
  const flags = SlabFlag.SLAB_RED_ZONE | SlabFlag.SLAB_STORE_USER;
  const cache = made(slub.createCache('c', { size: 200, flags }));
  const [first, second] = take(cache, 2);
  const { size, objects } = cache.geometry();
  expect(slub.locate(second - 8)).toEqual({
    cache: 'c',
    pfn: 1,
    index: 1,
    address: second,
    inUse: true,
    place: 'node partial',
    cpu: -1,
    node: 0,
  });
  expect(slub.locate(second - 9)).toMatchObject({ index: 0, address: first });
  expect(slub.locate(first - 8 + size * objects)).toBeNull();
  expect(slub.locate(first + 4096)).toBeNull();
  take(cache, objects - 2);
  expect(slub.locate(first)).toMatchObject({ place: 'node full' });
});
