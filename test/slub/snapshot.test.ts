// covers: src/slub/snapshot.ts, src/slub/restore.ts, src/slub/slab-table.ts
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/lib/random.ts';
import { arrayBufferMemory } from '../../src/memory/array-buffer.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlubAllocator } from '../../src/slub/allocator.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import { made, recordOf, testSlub, testTopology } from './support.ts';

const BYTES = 0x400 * 4096 * 2;
const { SLAB_TYPESAFE_BY_RCU, SLAB_RECLAIM_ACCOUNT } = SlabFlag;

/** A random source that the host can set back, as it sets back memory and pages. */
class Draws {
  count = 0;

  nextU32(): number {
    return (this.count++ * 2654435761) >>> 0;
  }
}

function machine(): ReturnType<typeof testSlub> & {
  buffer: ArrayBuffer;
  caches: SlubCache[];
  random: Draws;
} {
  const random = new Draws();
  const buffer = new ArrayBuffer(BYTES);
  const parts = testSlub({
    boot: 'kernel',
    pagesPerNode: 0x400,
    memory: arrayBufferMemory(buffer),
    topology: testTopology([0, 0, 1], 2),
    config: { stats: true, freelistRandom: true },
    checks: 'basic',
    random,
  });
  const create = (name: string, size: number, flags = 0, ctor?: () => void): SlubCache =>
    made(parts.slub.createCache(name, { size, flags, ctor }));
  const caches = [
    create('plain', 700),
    create('debug', 100, DEBUG_DEFAULT_FLAGS),
    create('rcu', 300, SLAB_TYPESAFE_BY_RCU),
    create('made', 90, SLAB_RECLAIM_ACCOUNT, () => undefined),
  ];
  return { ...parts, buffer, caches, random };
}

/** A load that is the same for the same seed; returns what it saw. */
function load(slub: SlubAllocator, names: readonly string[], seed: number): number[] {
  const random = seededRandom(seed);
  const held: [SlubCache, number][] = [];
  const seen: number[] = [];
  for (let i = 0; i < 600; i++) {
    const cpu = random.nextU32() % 3;
    const cache = made(slub.cache(names[random.nextU32() % names.length]));
    if (random.nextU32() % 5 < 3 || held.length === 0) {
      const address = made(cache.alloc(Gfp.GFP_KERNEL, cpu));
      held.push([cache, address]);
      seen.push(address);
    } else {
      const [[owner, address]] = held.splice(random.nextU32() % held.length, 1);
      owner.free(address, cpu);
    }
  }
  return seen;
}

const NAMES = ['plain', 'debug', 'rcu', 'made'];

test('a restored allocator goes on with identical results', () => {
  const { slub, pages, buffer, caches, random } = machine();
  load(slub, NAMES, 1);
  const snapshot = structuredClone(slub.snapshot());
  const bytes = buffer.slice(0);
  const used = new Set(pages.used);
  const draws = random.count;
  const first = load(slub, NAMES, 2);
  const after = slub.snapshot();
  caches[2].shrink();
  slub.endGracePeriod();
  // The caller restores source and memory first.
  pages.used.clear();
  for (const pfn of used) pages.used.add(pfn);
  random.count = draws;
  new Uint8Array(buffer).set(new Uint8Array(bytes));
  slub.restore(snapshot);
  slub.assertInvariants();
  expect(slub.snapshot()).toEqual(snapshot);
  expect(slub.cache('plain')).toBe(caches[0]);
  expect(load(slub, NAMES, 2)).toEqual(first);
  expect(slub.snapshot()).toEqual(after);
});

test('another allocator can go on as well, if it knows the constructors', () => {
  const from = machine();
  load(from.slub, NAMES, 3);
  const snapshot = structuredClone(from.slub.snapshot());
  const to = testSlub({
    boot: 'bare',
    pagesPerNode: 0x400,
    memory: arrayBufferMemory(from.buffer.slice(0)),
    topology: testTopology([0, 0, 1], 2),
    config: { stats: true, freelistRandom: true },
    checks: 'basic',
    random: new Draws(),
  });
  expect(() => to.slub.restore(snapshot)).toThrow(
    expect.objectContaining({ code: 'BAD_SNAPSHOT' }),
  );
  expect(to.slub.cache('plain')).toBeNull();
  for (const pfn of from.pages.used) to.pages.used.add(pfn);
  to.slub.restore(snapshot, { made: () => undefined });
  to.slub.assertInvariants();
  expect(to.slub.snapshot()).toEqual(snapshot);
  const random = to.slub.state.random as Draws;
  random.count = from.random.count;
  expect(load(to.slub, NAMES, 4)).toEqual(load(from.slub, NAMES, 4));
  expect(to.slub.slabinfo()).toBe(from.slub.slabinfo());
});

test('caches that did not exist then are gone, those that were destroyed are back', () => {
  const { slub } = testSlub();
  const kept = made(slub.createCache('kept', { size: 72 }));
  const address = made(kept.alloc());
  const snapshot = slub.snapshot();
  kept.free(address);
  kept.destroy();
  made(slub.createCache('new', { size: 80, usersize: 1 }));
  slub.restore(snapshot);
  expect(slub.cache('new')).toBeNull();
  expect(slub.locate(address)).toMatchObject({ cache: 'kept', inUse: true });
  made(slub.cache('kept')).free(address);
});

test('slots of slabs grow and are used again', () => {
  const { slub } = testSlub({ checks: 'basic' });
  const cache = made(slub.createCache('c', { size: 4096 }));
  const held = Array.from({ length: 1500 }, () => made(cache.alloc()));
  const { slabs } = slub.state;
  const { count } = slabs;
  expect(count).toBeGreaterThan(64);
  for (const object of held) cache.free(object);
  cache.shrink();
  for (let i = 0; i < 1500; i++) cache.alloc();
  expect(slabs.count).toBe(count);
  slub.assertInvariants();
});

test('a long list of a CPU comes back whole', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('c', { size: 8192 }));
  const held = Array.from({ length: 16 }, () => made(cache.alloc()));
  for (const i of [0, 4, 8]) cache.free(held[i]);
  const before = recordOf(slub, cache);
  expect(before.cpus[0].partial.map(({ slabs }) => slabs)).toEqual([3, 2, 1]);
  const snapshot = slub.snapshot();
  cache.flush();
  slub.restore(snapshot);
  expect(recordOf(slub, cache)).toEqual(before);
});
