import { expect, test } from 'vitest';
import { seededRandom } from '../../src/lib/random.ts';
import { sparseMemory } from '../../src/memory/sparse.ts';
import type { PhysicalMemory } from '../../src/memory/types.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { made, testSlub } from './support.ts';

const { SLAB_RED_ZONE, SLAB_POISON, SLAB_STORE_USER, SLAB_CONSISTENCY_CHECKS } = SlabFlag;

/** A memory that can be told to fail from its n-th access on. */
function failingMemory(): { memory: PhysicalMemory; failAfter(accesses: number): void } {
  const target = sparseMemory(0x1000 * 4096);
  let left = Number.POSITIVE_INFINITY;
  const counted =
    <A extends unknown[], R>(access: (...args: A) => R) =>
    (...args: A): R => {
      if (left-- <= 0) throw new Error('memory');
      return access(...args);
    };
  return {
    memory: {
      sizeBytes: target.sizeBytes,
      readU8: counted((at: number) => target.readU8(at)),
      writeU8: counted((at: number, value: number) => target.writeU8(at, value)),
      readU32: counted((at: number) => target.readU32(at)),
      writeU32: counted((at: number, value: number) => target.writeU32(at, value)),
      fill: counted((at: number, bytes: number, byte: number) => target.fill(at, bytes, byte)),
      copy: counted((to: number, from: number, bytes: number) => target.copy(to, from, bytes)),
    },
    failAfter: (accesses) => {
      left = accesses;
    },
  };
}

test.each([
  ['a normal cache', 0],
  ['red zones', SLAB_RED_ZONE],
  ['poison', SLAB_POISON],
  ['tracks', SLAB_STORE_USER],
  ['all checks', SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER | SLAB_CONSISTENCY_CHECKS],
])('a memory that throws at any access loses nothing and takes nothing, with %s', (_, flags) => {
  const { memory, failAfter } = failingMemory();
  const { slub, pages } = testSlub({ memory, checks: 'basic' });
  const cache = made(slub.createCache('demo', { size: 200, flags }));
  const random = seededRandom(7);
  const below = (end: number): number => random.nextU32() % end;
  const held: number[] = [];
  let thrown = 0;
  for (let round = 0; round < 1500; round++) {
    const before = slub.snapshot();
    const victim = below(2) === 0 ? below(held.length + 1) : held.length;
    const gfp = below(2) === 0 ? Gfp.GFP_KERNEL : Gfp.GFP_KERNEL | Gfp.__GFP_ZERO;
    failAfter(below(3) === 0 ? below(30) : Number.POSITIVE_INFINITY);
    try {
      if (victim === held.length) held.push(made(cache.alloc(gfp)));
      else {
        cache.free(held[victim]);
        held.splice(victim, 1);
      }
    } catch (error) {
      failAfter(Number.POSITIVE_INFINITY);
      expect((error as Error).message).toBe('memory');
      // An allocation of a normal cache may have brought the CPU a new slab before.
      if (flags !== 0 || victim !== held.length) expect(slub.snapshot()).toEqual(before);
      thrown++;
    }
    failAfter(Number.POSITIVE_INFINITY);
    expect(slub.checkInvariants()).toEqual([]);
  }
  expect(thrown).toBeGreaterThan(30);
  for (const object of held) cache.free(object);
  cache.shrink();
  expect(pages.used.size).toBe(0);
});
