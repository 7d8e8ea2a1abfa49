// covers: src/slub/debug-alloc.ts
import { expect, test } from 'vitest';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import { made, recordOf, type TestSlub, take, testSlub } from './support.ts';

function demo(flags: number = DEBUG_DEFAULT_FLAGS): TestSlub & { cache: SlubCache } {
  const made_ = testSlub();
  const cache = made(made_.slub.createCache('demo', { size: 64, flags }));
  return { ...made_, cache };
}

/** The lines that say what is wrong and what was done, addresses left out. */
function essence(log: readonly string[]): string[] {
  return log
    .filter((line) => /^(BUG|FIX)/.test(line))
    .map((line) => line.replace(/0x[0-9a-f]{16}/g, 'P').replace(/\(.*?\)/, '()'));
}

test('7.11 a damaged red zone: reported, repaired, and the object is not freed', () => {
  const { slub, cache, memory, log } = demo();
  const [object] = take(cache, 1);
  memory.writeU8(object + 64, 0x12);
  cache.free(object);
  expect(essence(log)).toEqual([
    'BUG demo (): Right Redzone overwritten',
    'FIX demo: Restoring Right Redzone P-P=0xcc',
    'FIX demo: Object at P not freed',
  ]);
  expect(recordOf(slub, cache).nodes[0].partial[0].inuse).toBe(1);
  // The hook ran first.
  expect([memory.readU32(object + 72), memory.readU32(object + 76)]).toEqual([0, 0]);
  expect(slub.locate(object)).toMatchObject({ inUse: true });
});

test('7.11 a double free cuts the chain, which the next walk repairs', () => {
  const { slub, cache, log } = demo();
  const [object] = take(cache, 1);
  cache.free(object);
  cache.free(object);
  expect(essence(log)).toEqual([
    'BUG demo (): Slab has 0 allocated objects but 1 are to be freed',
    'FIX demo: Object at P not freed',
  ]);
  const head = log.indexOf(log.find((line) => line.startsWith('BUG')) ?? '');
  expect(log[head + 1]).toBe('');
  expect(log[head + 2]).toMatch(/^-{77}$/);
  log.length = 0;
  expect(cache.alloc()).toBe(object);
  cache.free(object);
  expect(essence(log)).toEqual([
    'BUG demo (): Wrong object count. Counter is 1 but counted were 25',
    'FIX demo: Object count adjusted',
  ]);
  expect(recordOf(slub, cache).nodes[0].partial[0]).toMatchObject({ inuse: 24, freelist: [0] });
});

test('7.11 freeing an address inside an object overwrites its alloc track', () => {
  const { cache, memory, log } = demo();
  const [object] = take(cache, 1);
  cache.free(object + 8);
  expect(essence(log)).toEqual([
    'BUG demo (): Invalid object pointer P',
    'FIX demo: Object at P not freed',
  ]);
  expect([memory.readU32(object + 80), memory.readU32(object + 84)]).toEqual([0, 0]);
  log.length = 0;
  memory.writeU8(object + 64, 1);
  cache.free(object);
  expect(log.filter((line) => line.startsWith('Allocated'))).toEqual([]);
});

test('7.11 a free object that was written to: its slab is given up', () => {
  const { slub, cache, memory, log } = demo();
  const [first, second] = take(cache, 2);
  cache.free(second);
  memory.writeU8(second + 3, 0);
  const other = made(cache.alloc());
  expect(Math.floor(other / 4096)).not.toBe(Math.floor(first / 4096));
  expect(essence(log)).toEqual([
    'BUG demo (): Poison overwritten',
    'FIX demo: Restoring Poison P-P=0x6b',
    'FIX demo: Marking all objects used',
  ]);
  const { nrPartial, nrSlabs, partial } = recordOf(slub, cache).nodes[0];
  expect({ nrPartial, nrSlabs, pages: partial.length }).toEqual({
    nrPartial: 1,
    nrSlabs: 2,
    pages: 1,
  });
  log.length = 0;
  cache.free(first);
  expect(essence(log)).toEqual([
    'BUG demo (): Slab disabled since SLUB metadata consistency check failed',
    'FIX demo: Object at P not freed',
  ]);
  cache.free(other);
  log.length = 0;
  expect(cache.destroy()).toBe(false);
  expect(log[log.length - 1]).toMatch(/^kmem_cache_destroy demo: Slab cache still has objects/);
});

test('a slab that fails its first check is lost, and the next one is tried', () => {
  const { slub, pages, memory } = testSlub();
  let makes = 0;
  const cache = made(
    slub.createCache('bad', {
      size: 64,
      flags: SlabFlag.SLAB_CONSISTENCY_CHECKS | SlabFlag.SLAB_RED_ZONE,
      // The first object of the first slab has its right red zone overwritten as it is made.
      ctor: (address) => {
        if (makes++ === 0) memory.writeU8(address + 64, 0);
      },
    }),
  );
  const [object] = take(cache, 1);
  expect(pages.requests).toHaveLength(2);
  expect(Math.floor(object / 4096)).toBe(pages.requests[1].pfn);
  expect(recordOf(slub, cache).nodes[0]).toMatchObject({ nrSlabs: 1, nrPartial: 1 });
});

test('a free pointer inside an object that leads nowhere is found when the object is taken', () => {
  const { slub, cache, memory, log } = demo(
    SlabFlag.SLAB_CONSISTENCY_CHECKS | SlabFlag.SLAB_RED_ZONE,
  );
  const [first, second] = take(cache, 2);
  cache.free(second);
  memory.writeU8(second + 32 + 7, 0x12);
  log.length = 0;
  const third = made(cache.alloc());
  expect(Math.floor(third / 4096)).not.toBe(Math.floor(first / 4096));
  expect(essence(log)).toEqual([
    'BUG demo (): Freepointer corrupt',
    'FIX demo: Marking all objects used',
  ]);
  // At that moment the freelist of the slab is already what stood in the object.
  expect(log.find((line) => line.startsWith('Slab'))).toMatch(/used=2 fp=0x12ff8880/);
  expect(memory.readU32(second + 36)).toBe(0);
  expect(recordOf(slub, cache).nodes[0]).toMatchObject({ nrSlabs: 2, nrPartial: 1 });
});

test('SLAB_TRACE prints every call', () => {
  const { cache, log } = demo(SlabFlag.SLAB_TRACE);
  const [object] = take(cache, 1);
  cache.free(object);
  const at = `ffff8880${object.toString(16).padStart(8, '0')}`;
  const next = `ffff8880${(object + 64).toString(16).padStart(8, '0')}`;
  expect(log[0]).toBe(`TRACE demo alloc 0x${at} inuse=1 fp=0x${next}`);
  expect(log[1]).toBe(`TRACE demo free 0x${at} inuse=1 fp=0x${next}`);
  expect(log[2]).toMatch(new RegExp(`^Object ${at}: ([0-9a-f]{2} ){15}[0-9a-f]{2}  .{16}$`));
  expect(log).toHaveLength(6);
});

test('a bulk free that names an object twice is reported; none is freed', () => {
  const { slub, cache, log } = demo();
  const [a, b, c] = take(cache, 3);
  cache.freeBulk([a, b, c]);
  expect(recordOf(slub, cache).nodes[0].partial[0]).toMatchObject({
    freelist: [2, 1, 0].concat(Array.from({ length: 22 }, (_, i) => 3 + i)),
  });
  const [d, e] = take(cache, 2);
  log.length = 0;
  cache.freeBulk([d, e, d]);
  expect(essence(log)[0]).toBe('BUG demo (): Slab has 2 allocated objects but 3 are to be freed');
  const objects = take(cache, 3);
  log.length = 0;
  cache.freeBulk([objects[0], objects[1], objects[0]]);
  expect(essence(log)).toContain('BUG demo (): Bulk free expected 3 objects but found 1');
});

test('an empty freelist on a slab that claims free objects is a crash', () => {
  const { slub } = testSlub({ checks: 'basic' });
  const cache = made(slub.createCache('user', { size: 64, flags: SlabFlag.SLAB_RED_ZONE }));
  const [object] = take(cache, 1);
  // Without consistency checks nobody notices the end of the chain that is written here.
  slub.state.memory.fill(object + 64 + 8 + 8 + 8 + 32, 8, 0);
  take(cache, 1);
  expect(() => cache.alloc()).toThrow(expect.objectContaining({ code: 'CRASH' }));
});

test('a pointer of a free object that leads out of the slab is refused when it would be followed', () => {
  const { slub } = testSlub({ checks: 'basic' });
  const cache = made(slub.createCache('user', { size: 64, flags: SlabFlag.SLAB_RED_ZONE }));
  const [object] = take(cache, 1);
  slub.state.memory.fill(object + 64 + 8 + 8 + 8 + 32, 8, 0x41);
  take(cache, 1);
  expect(() => cache.alloc()).toThrow(expect.objectContaining({ code: 'FREELIST_CORRUPT' }));
});
