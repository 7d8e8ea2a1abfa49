import { expect, test } from 'vitest';
import { KmemError } from '../../src/mm/kmem-cache.ts';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import { made, stateOf, type TestSlub, take, testSlub } from './support.ts';

function selfTest(flags: number): TestSlub & { cache: SlubCache; count: () => number } {
  const parts = testSlub({ checks: 'basic' });
  const all = flags | SlabFlag.SLAB_NO_USER_FLAGS;
  const cache = made(parts.slub.createCache('TestSlub', { size: 64, flags: all }));
  return { ...parts, cache, count: () => parts.slub.countReports(() => cache.validate()) };
}

test('4.25 a wrong byte behind an allocated object of a RED_ZONE cache: 2', () => {
  const { cache, memory, count } = selfTest(SlabFlag.SLAB_RED_ZONE);
  const [object] = take(cache, 1);
  memory.writeU8(object + 64, 0x12);
  expect(count()).toBe(2);
  expect(count()).toBe(0);
  cache.free(object);
  memory.writeU8(object + 64, 0x12);
  expect(count()).toBe(2);
  expect(count()).toBe(0);
});

test('4.25 a free pointer of a POISON cache: 3; restored: 2; then 0', () => {
  const { cache, memory, count } = selfTest(SlabFlag.SLAB_POISON);
  const [object] = take(cache, 1);
  cache.free(object);
  const { offset } = cache.geometry();
  const at = object + offset;
  const first = memory.readU32(at);
  const second = memory.readU32(at + 4);
  memory.writeU8(at, ~memory.readU8(at) & 0xff);
  expect(count()).toBe(3);
  memory.writeU32(at, first);
  memory.writeU32(at + 4, second);
  expect(count()).toBe(2);
  expect(count()).toBe(0);
});

test.each([0, 50])('4.25 byte %i of a free object of a POISON cache: 2', (at) => {
  const { cache, memory, count } = selfTest(SlabFlag.SLAB_POISON);
  const [object] = take(cache, 1);
  cache.free(object);
  memory.writeU8(object + at, 0x78);
  expect(count()).toBe(2);
  expect(count()).toBe(0);
});

test('slabs that are counted but not listed are said, in the kernel’s words', () => {
  const { slub, cache, log } = selfTest(DEBUG_DEFAULT_FLAGS);
  take(cache, 30);
  const state = stateOf(slub, cache);
  state.nrPartial[0] = 3;
  state.nrSlabs[0] = 5;
  log.length = 0;
  expect(cache.validate()).toBe(2);
  expect(log).toEqual([
    'SLUB TestSlub: 1 partial slabs counted but counter=3',
    'SLUB: TestSlub 2 slabs counted but counter=5',
  ]);
  expect(slub.countReports(() => cache.validate())).toBe(2);
});

test('only debug caches can be validated', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('plain', { size: 64 }));
  expect(() => cache.validate()).toThrow(KmemError);
  expect(() => cache.writeAttribute('validate', '1')).toThrow(
    expect.objectContaining({ code: 'BAD_ATTRIBUTE', data: { cache: 'plain', errno: 22 } }),
  );
});

test('a freelist that does not begin with an object is cleared', () => {
  const { slub, cache, log } = selfTest(SlabFlag.SLAB_POISON);
  take(cache, 1);
  const { slabs, badFreelists } = slub.state;
  const slab = slub.state.map.private[stateOf(slub, cache).nrSlabs[0]];
  slabs.freelist[slab] = -4;
  badFreelists.set(slab, [0x41414141, 0x42424242]);
  log.length = 0;
  cache.validate();
  expect(log.filter((line) => /^(BUG|FIX)/.test(line))).toEqual([
    'BUG TestSlub (Not tainted): Freepointer corrupt',
    'FIX TestSlub: Freelist cleared',
  ]);
  expect(log[4]).toContain('fp=0x4141414142424242');
});

test('counters of a slab that cannot be are reported', () => {
  const { slub, cache, log } = selfTest(SlabFlag.SLAB_POISON | SlabFlag.SLAB_STORE_USER);
  const objects = take(cache, cache.geometry().objects);
  cache.free(objects[0]);
  const { slabs } = slub.state;
  const slab = slub.state.map.private[1];
  const all = slabs.objects[slab];
  const reasons = (): string[] => {
    log.length = 0;
    cache.validate();
    return log
      .filter((line) => /^(BUG|FIX)/.test(line))
      .map((line) => line.split(': ').pop() ?? '');
  };
  slabs.objects[slab] = 99;
  expect(reasons()).toEqual([`objects 99 > max ${all}`]);
  slabs.objects[slab] = all - 2;
  expect(reasons()).toEqual([`inuse ${all - 1} > max ${all - 2}`]);
  slabs.inuse[slab] = 5;
  expect(reasons()).toEqual([
    `Wrong number of objects. Found ${all - 2} but should be ${all}`,
    'Number of objects adjusted',
    `Wrong object count. Counter is 5 but counted were ${all - 1}`,
    'Object count adjusted',
  ]);
  slub.state.map.flags[1] = 0;
  expect(reasons()).toEqual(['Not a valid slab page']);
});
