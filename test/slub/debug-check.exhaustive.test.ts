// covers: src/slub/debug-check.ts, src/slub/free-map.ts
import { describe, expect, test } from 'vitest';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlubCache, SlubGeometry } from '../../src/slub/cache.ts';
import { made, stateOf, take, testSlub } from './support.ts';

const {
  SLAB_RED_ZONE: Z,
  SLAB_POISON: P,
  SLAB_STORE_USER: U,
  SLAB_CONSISTENCY_CHECKS: F,
} = SlabFlag;
const TRACKS = 64;

/** What `validate` counts when one byte of a slot is wrong; from the table of spec 4.5. */
function expectedCount(
  { flags, objectSize, inuse, offset, redLeftPad, size }: SlubGeometry,
  at: number,
  isFree: boolean,
): number {
  const red = (flags & Z) !== 0;
  const poison = (flags & P) !== 0;
  const fromObject = at - (red ? redLeftPad : 0);
  if (fromObject < 0) return 2;
  if (fromObject >= offset && fromObject < offset + 8) {
    // A cut chain: the report, the count and its repair; then, with red zones, the next object does
    // not look allocated.
    if (isFree) return red ? 5 : 3;
    return offset < inuse ? 0 : 1;
  }
  if (fromObject < objectSize) return isFree && poison ? 2 : 0;
  if (fromObject < inuse) return red || poison ? 2 : 0;
  const tracks = offset < inuse ? inuse : inuse + 8;
  const end = tracks + ((flags & U) === 0 ? 0 : TRACKS);
  if (fromObject < end) return 0;
  return fromObject < size && poison ? 2 : 0;
}

interface Case {
  readonly cache: SlubCache;
  readonly count: (address: number, offset: number) => number;
  readonly used: number;
  readonly free: number;
}

/** A slab with objects 0 to 3 in use and 4 at the head of the freelist. */
function prepare(flags: number): Case {
  const { slub, memory } = testSlub({ checks: 'basic' });
  const cache = made(slub.createCache('bytes', { size: 20, flags }));
  const objects = take(cache, 5);
  cache.free(objects[4]);
  const pad = (flags & Z) === 0 ? 0 : cache.geometry().redLeftPad;
  const before = slub.snapshot();
  const start = objects[0] - pad;
  const bytes = Array.from({ length: 4096 }, (_, at) => memory.readU8(start + at));
  const count = (address: number, offset: number): number => {
    const at = address - pad + offset;
    memory.writeU8(at, memory.readU8(at) ^ 0xff);
    const found = slub.countReports(() => cache.validate());
    expect(slub.taint).toBe(0);
    for (let i = 0; i < 4096; i++) memory.writeU8(start + i, bytes[i]);
    slub.restore(before);
    return found;
  };
  expect(slub.countReports(() => cache.validate())).toBe(0);
  expect(stateOf(slub, cache).damaged).toBe(false);
  return { cache, count, used: objects[1], free: objects[4] };
}

const COMBINATIONS = [Z, P, U, F, Z | P, Z | U, P | U, Z | P | U, F | Z | P | U];

describe.each(COMBINATIONS)('flags 0x%x', (flags) => {
  test.each([true, false])('every byte of a slot, free: %s', (isFree) => {
    const { cache, count, used, free } = prepare(flags);
    const geometry = cache.geometry();
    const found: number[] = [];
    const expected: number[] = [];
    for (let at = 0; at < geometry.size; at++) {
      found.push(count(isFree ? free : used, at));
      expected.push(expectedCount(geometry, at, isFree));
    }
    expect(found).toEqual(expected);
  });

  test('the waste behind the last object', () => {
    const { cache, count, used } = prepare(flags);
    const { size, objects } = cache.geometry();
    const poison = (flags & P) !== 0;
    // `used` is object 1.
    for (let at = objects * size; at < 4096; at++) {
      expect(count(used, at - size)).toBe(poison ? 2 : 0);
    }
  });
});
