// covers: src/slub/free.ts, src/slub/pointer.ts
import { expect, test } from 'vitest';
import { ArgumentError } from '../../src/lib/errors.ts';
import { arrayBufferMemory } from '../../src/memory/array-buffer.ts';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlubAllocator } from '../../src/slub/allocator.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import { made, recordOf, take, testSlub, testTopology } from './support.ts';

function code(expected: string): unknown {
  return expect.objectContaining({ code: expected });
}

/** Makes a call that is refused and checks that nothing changed. */
function refused(slub: SlubAllocator, call: () => void, expected: string): void {
  const before = JSON.stringify(slub.snapshot());
  expect(call).toThrow(code(expected));
  expect(JSON.stringify(slub.snapshot())).toBe(before);
}

test.each([
  ['its own CPU', 0],
  ['another CPU', 1],
])('misuse of a normal cache is refused before anything changes, on %s', (_, cpu) => {
  const { slub } = testSlub({ topology: testTopology([0, 0], 1) });
  const cache = made(slub.createCache('a', { size: 200, align: 8 }));
  const other = made(slub.createCache('b', { size: 300 }));
  const [object, second] = take(cache, 2);
  const [foreign] = take(other, 1);
  const free = (address: number) => (): void => cache.free(address, cpu);
  refused(slub, free(object + 8), 'FOREIGN_POINTER');
  refused(slub, free(object + 4000), 'FOREIGN_POINTER');
  refused(slub, free(object + 0x100000), 'FOREIGN_POINTER');
  refused(slub, free(-200), 'FOREIGN_POINTER');
  refused(slub, free(object + 0.5), 'FOREIGN_POINTER');
  refused(slub, free(Number.NaN), 'FOREIGN_POINTER');
  for (const misplaced of [object + 8, object + 4000, object + 0.5]) {
    refused(slub, () => slub.kfree(misplaced, cpu), 'FOREIGN_POINTER');
  }
  refused(slub, free(foreign), 'WRONG_CACHE');
  refused(slub, free(second + 200), 'DOUBLE_FREE');
  cache.free(second, cpu);
  refused(slub, free(second), 'DOUBLE_FREE');
  refused(slub, () => slub.kfree(second, cpu), 'DOUBLE_FREE');
  refused(slub, () => slub.kfree(object + 8, cpu), 'FOREIGN_POINTER');
  cache.free(object, cpu);
});

test('CPUs and nodes that do not exist', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('a', { size: 200 }));
  const [object] = take(cache, 1);
  const calls = [
    () => cache.alloc(0xcc0, 1),
    () => cache.alloc(0xcc0, -1),
    () => cache.alloc(0xcc0, 0.5),
    () => cache.allocNode(0xcc0, 1),
    () => cache.allocNode(0xcc0, -2),
    () => cache.free(object, 7),
    () => slub.kmalloc(8, 0xcc0, 3),
    () => slub.kmallocNode(8, 0xcc0, 9),
    () => slub.kfree(object, 3),
    () => cache.allocBulk(0xcc0, [0], 1),
    () => cache.freeBulk([object], 1),
    () => cache.shrink(1),
    () => cache.destroy(1),
    () => slub.krealloc(object, 8, 0xcc0, 2),
    () => slub.endGracePeriod(1),
  ];
  for (const call of calls) expect(call).toThrow(ArgumentError);
  cache.free(object);
});

test('debug caches without consistency checks do not notice, so misuse is refused', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('z', { size: 64, flags: SlabFlag.SLAB_RED_ZONE }));
  const [object] = take(cache, 1);
  refused(slub, () => cache.free(object + 8), 'FOREIGN_POINTER');
  cache.free(object);
  refused(slub, () => cache.free(object), 'DOUBLE_FREE');
  refused(slub, () => cache.freeBulk([object]), 'DOUBLE_FREE');
});

test('4.18 caches with consistency checks look up the real cache, and say so', () => {
  const { slub, log } = testSlub();
  const cache = made(slub.createCache('checked', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  const other = made(slub.createCache('other', { size: 300 }));
  const [object] = take(other, 1);
  log.length = 0;
  cache.free(object);
  expect(log).toEqual(['cache_from_obj: Wrong slab cache. checked but object is from other']);
  expect(slub.locate(object)).toMatchObject({ inUse: false });
  log.length = 0;
  cache.free(0x700000);
  cache.free(0x700000);
  expect(log).toEqual(['virt_to_cache: Object is not a Slab page!']);
  expect(slub.taint).toBe(0x200);
  const tracked = made(slub.createCache('tracked', { size: 48, flags: DEBUG_DEFAULT_FLAGS }));
  log.length = 0;
  cache.free(take(tracked, 1)[0]);
  expect(log.map((line) => line.split(' ')[0])).toEqual(['cache_from_obj:', 'Allocated', 'object']);
});

test('4.18 so do hardened kernels', () => {
  const { slub, log } = testSlub({ config: { freelistHardened: true } });
  const cache = made(slub.createCache('a', { size: 64 }));
  const other = made(slub.createCache('b', { size: 300 }));
  const [object] = take(other, 1);
  log.length = 0;
  cache.free(object);
  expect(log).toEqual(['cache_from_obj: Wrong slab cache. a but object is from b']);
  refused(slub, () => cache.free(object), 'DOUBLE_FREE');
});

test('a traced free tells the real cache', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('checked', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  const other = made(slub.createCache('other', { size: 300 }));
  const names: string[] = [];
  slub.trace = { kmemCacheFree: (_, name) => names.push(name) };
  cache.free(take(other, 1)[0]);
  cache.free(0x700000);
  expect(names).toEqual(['other']);
});

test('a pointer in a free object that was overwritten is refused, not followed', () => {
  const { slub, memory } = testSlub({ checks: 'basic' });
  const cache = made(slub.createCache('a', { size: 64 }));
  const [first, second] = take(cache, 2);
  cache.free(second);
  cache.free(first);
  memory.writeU32(first + 32, 0x41414141);
  expect(() => cache.alloc()).toThrow(
    expect.objectContaining({
      code: 'FREELIST_CORRUPT',
      data: {
        cache: 'a',
        object: first,
        pointsTo: -1,
        pointerLow: 0x41414141,
        pointerHigh: 0xffff8880,
      },
    }),
  );
  memory.writeU32(first + 32, second);
  expect(cache.alloc()).toBe(first);
  // A pointer to another object is noticed as well: the kernel would hand it out twice.
  memory.writeU32(second + 32, first);
  expect(() => cache.alloc()).toThrow(code('FREELIST_CORRUPT'));
  slub.assertInvariants();
});

test('a corrupt pointer that is met on the long way leaves the lists in order', () => {
  const { slub, memory } = testSlub({ topology: testTopology([0, 0], 1) });
  const cache = made(slub.createCache('a', { size: 2048 }));
  const objects = take(cache, cache.geometry().objects);
  for (const object of objects.slice(0, 3)) cache.free(object, 1);
  memory.writeU8(objects[2] + 1024, 0x99);
  expect(() => cache.alloc()).toThrow(code('FREELIST_CORRUPT'));
  slub.assertInvariants();
  expect(() => cache.allocBulk(0xcc0, [0, 0])).toThrow(code('FREELIST_CORRUPT'));
  slub.assertInvariants();
});

test('4.10 hardened pointers: pointer, secret and byte-reversed address', () => {
  let draws = 0;
  const random = { nextU32: () => [0x11223344, 0x55667788][draws++ % 2] };
  const { slub, memory } = testSlub({ config: { freelistHardened: true }, random });
  const cache = made(slub.createCache('a', { size: 64 }));
  const [first, second] = take(cache, 2);
  const field = first + 32;
  const stored = (BigInt(memory.readU32(field + 4)) << 32n) | BigInt(memory.readU32(field));
  const virtual = (address: number): bigint => 0xffff888000000000n + BigInt(address);
  const bytes = virtual(field).toString(16).padStart(16, '0').match(/../g) ?? [];
  const reversed = BigInt(`0x${bytes.reverse().join('')}`);
  expect(stored).toBe(virtual(second) ^ 0x5566778811223344n ^ reversed);
  cache.free(first);
  expect(cache.alloc()).toBe(first);
});

test('virtual addresses carry into the high half', () => {
  const { slub, memory } = testSlub({ pageOffset: 0xffff8000ffc00000n });
  const cache = made(slub.createCache('a', { size: 2048, align: 2048 }));
  const objects = take(cache, 2);
  // Physical 0x2000 and up: 0xffff8000ffc02000.
  const low = (objects[1] + 0xffc00000) % 2 ** 32;
  expect([memory.readU32(objects[0] + 1024), memory.readU32(objects[0] + 1028)]).toEqual([
    low,
    0xffff8000,
  ]);
});

test('a destroyed cache is refused, merged caches live on', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('a', { size: 64 }));
  const same = made(slub.createCache('b', { size: 64 }));
  expect(same).toBe(cache);
  expect(cache.destroy()).toBe(true);
  expect(cache.refcount).toBe(1);
  take(cache, 1).map((object) => cache.free(object));
  expect(cache.destroy()).toBe(true);
  expect(() => cache.alloc()).toThrow(code('CACHE_DESTROYED'));
  expect(() => cache.destroy()).toThrow(code('CACHE_DESTROYED'));
});

test('4.19 without CPU partial lists full slabs go to their node, empty ones away', () => {
  const { slub, pages } = testSlub({ config: { cpuPartial: false, stats: true } });
  const cache: SlubCache = made(slub.createCache('a', { size: 8192 }));
  const objects = take(cache, 4 * 8);
  expect(recordOf(slub, cache).nodes[0].partial).toEqual([]);
  for (let slab = 0; slab < 7; slab++) cache.free(objects[slab * 4]);
  const { nodes, cpus } = recordOf(slub, cache);
  expect(nodes[0].partial.map(({ pfn }) => pfn)).toEqual(
    objects.filter((_, i) => i % 4 === 0 && i < 28).map((address) => address / 4096),
  );
  expect(cpus[0].partial).toEqual([]);
  for (let i = 1; i < 4; i++) cache.free(objects[i]);
  expect(pages.freed).toHaveLength(1);
  // One slab is taken, not several.
  take(cache, 1);
  expect(recordOf(slub, cache).cpus[0].partial).toEqual([]);
  expect(cache.readAttribute('free_remove_partial')).toBe('1 C0=1\n');
  const single = made(slub.createCache('single', { size: 20000 }));
  const few = take(single, 12);
  for (const object of few) single.free(object);
  expect(recordOf(slub, single).nodes[0].nrPartial).toBe(single.geometry().minPartial);
});

test('storage that is gone, as that of a grown WebAssembly.Memory, is noticed; nothing changes', () => {
  const buffer = new ArrayBuffer(0x1000 * 4096);
  const { slub } = testSlub({
    memory: arrayBufferMemory(buffer),
    topology: testTopology([0, 0], 1),
  });
  const cache = made(slub.createCache('a', { size: 64 }));
  const [first, second] = take(cache, 2);
  structuredClone(null, { transfer: [buffer] });
  const before = JSON.stringify(slub.snapshot());
  for (const cpu of [0, 1]) {
    expect(() => cache.free(second, cpu)).toThrow(TypeError);
    expect(() => slub.kfree(first, cpu)).toThrow(TypeError);
  }
  expect(() => cache.alloc()).toThrow(TypeError);
  expect(JSON.stringify(slub.snapshot())).toBe(before);
});
