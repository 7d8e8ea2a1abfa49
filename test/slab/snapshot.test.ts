// covers: src/slab/locate.ts src/slab/slab-table.ts src/slab/cache-state.ts
import { describe, expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { sparseMemory } from '../../src/memory/sparse.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { SlabAllocator } from '../../src/slab/allocator.ts';
import { cacheNodeOf } from '../../src/slab/cache-state.ts';
import { heldCount, SlabTable } from '../../src/slab/slab-table.ts';
import type { SlabSnapshot } from '../../src/slab/snapshot.ts';
import { made, TestPages, take, testSlab, testTopology } from './support.ts';

const topology = testTopology([0, 1, 0], 2);

/** A busy allocator, and what its following calls give. */
function busy(contentless: boolean) {
  const memory = contentless ? noMemory(0x2000 * 4096) : sparseMemory(0x2000 * 4096);
  const set = testSlab({ topology, boot: 'kernel', memory });
  const { slab } = set;
  const caches = [
    made(slab.createCache('plain', { size: 200 })),
    made(slab.createCache('rcu', { size: 1024, flags: SlabFlag.SLAB_TYPESAFE_BY_RCU })),
    made(slab.createCache('ctor', { size: 600, ctor: () => undefined })),
  ];
  for (const [i, cache] of caches.entries()) {
    const objects = take(cache, 60, i % 3);
    objects.forEach((address, at) => {
      if (at % (i === 1 ? 8 : 3) !== 0) cache.free(address, at % 2);
    });
  }
  caches[1].shrink();
  return { ...set, caches };
}

function follow(slab: SlabAllocator): unknown[] {
  const results: unknown[] = [];
  for (const name of ['plain', 'rcu', 'ctor']) {
    const cache = made(slab.cache(name));
    const objects = Array.from({ length: 80 }, (_, i) => cache.alloc(Gfp.GFP_KERNEL, i % 3));
    results.push(objects);
    for (const [i, address] of objects.entries()) cache.free(address ?? 0, (i + 1) % 3);
    results.push(cache.shrink(1), cache.geometry());
  }
  slab.endGracePeriod();
  results.push(slab.kmalloc(100), slab.slabinfo(), slab.snapshot());
  return results;
}

describe('a restored allocator goes on with the same results', () => {
  test.each([true, false])('where it was, contentless %s', (contentless) => {
    const { slab, pages } = busy(contentless);
    const kept = structuredClone(slab.snapshot());
    expect(kept.rcuSlabs.length).toBeGreaterThan(0);
    const used = [...pages.used];
    const bytes: [number, number][] = [];
    for (const pfn of used) {
      for (let at = pfn * 4096; at < (pfn + 1) * 4096; at += 4)
        bytes.push([at, slab.state.memory.readU32(at)]);
    }
    const first = follow(slab);
    pages.used.clear();
    for (const pfn of used) pages.used.add(pfn);
    for (const [at, word] of bytes) slab.state.memory.writeU32(at, word);
    slab.restore(kept);
    expect(slab.snapshot()).toEqual(kept);
    slab.assertInvariants();
    expect(slab.checkInvariants()).toEqual([]);
    expect(follow(slab)).toEqual(first);
  });

  test('in another allocator of the same kind', () => {
    const { slab, pages, memory } = busy(true);
    const kept = structuredClone(slab.snapshot());
    const source = new TestPages(pages.pagesPerNode, pages.nodes);
    const other = new SlabAllocator({
      source,
      memory,
      topology,
      totalRamPages: 0x10000,
    });
    expect(() => other.restore(kept)).toThrow(expect.objectContaining({ code: 'BAD_SNAPSHOT' }));
    other.restore(kept, { ctor: () => undefined });
    // The page source is its host's to restore.
    source.used.clear();
    for (const pfn of pages.used) source.used.add(pfn);
    expect(other.snapshot()).toEqual(kept);
    expect(other.checkInvariants()).toEqual([]);
    expect(follow(other)).toEqual(follow(slab));
  });
});

test('the random order of a cache is part of it', () => {
  const { slab } = testSlab({ config: { freelistRandom: true } });
  const cache = made(slab.createCache('demo', { size: 200 }));
  const kept = structuredClone(slab.snapshot());
  const order = [...(cache.randomSeq ?? [])];
  cache.destroy();
  slab.restore(kept);
  const again = made(slab.cache('demo'));
  expect([...(again.randomSeq ?? [])]).toEqual(order);
  expect(order).toHaveLength(20);
});

test('handles of known caches stay, others are as if destroyed', () => {
  const { slab } = testSlab();
  const known = made(slab.createCache('known', { size: 200 }));
  const [address] = take(known, 1);
  const kept = slab.snapshot();
  known.free(address);
  const later = made(slab.createCache('later', { size: 300 }));
  take(later, 3);
  slab.restore(kept);
  expect(slab.cache('known')).toBe(known);
  expect(slab.locate(address)?.inUse).toBe(true);
  expect(() => later.alloc()).toThrow(expect.objectContaining({ code: 'CACHE_DESTROYED' }));
  expect(slab.state.map.flags[2] & PageFlag.PG_slab).toBe(0);
});

test('marks of reserves are part of it', () => {
  const { slab, pages } = testSlab();
  slab.memallocSocks = true;
  const cache = made(slab.createCache('demo', { size: 1024 }));
  slab.state.map.flags[1] |= PageMark.PFMEMALLOC;
  const objects = take(cache, 4);
  const kept = slab.snapshot();
  expect(kept.reserved).toEqual([1]);
  for (const address of objects) cache.free(address);
  cache.shrink();
  pages.used.add(1);
  slab.restore(kept);
  expect(slab.state.map.flags[1] & PageFlag.PG_active).not.toBe(0);
});

test('snapshots of other machines are refused', () => {
  const { slab } = testSlab();
  const snapshots: SlabSnapshot[] = [
    testSlab({ topology: testTopology([0, 0], 1) }).slab.snapshot(),
    testSlab({ topology: testTopology([0], 2) }).slab.snapshot(),
    testSlab({ boot: 'kernel' }).slab.snapshot(),
    { ...slab.snapshot(), listed: [99] },
  ];
  for (const snapshot of snapshots) {
    expect(() => slab.restore(snapshot)).toThrow(expect.objectContaining({ code: 'BAD_SNAPSHOT' }));
  }
});

describe('locate', () => {
  test('finds the object, its slab and its list', () => {
    const { slab } = testSlab({ topology });
    const cache = made(slab.createCache('demo', { size: 600 }));
    const objects = take(cache, 7, 0);
    const where = (address: number) => {
      const { place, cpu, inUse, index, node } = slab.locate(address) ?? {};
      return { place, cpu, inUse, index, node };
    };
    expect(where(objects[0] + 599)).toEqual({
      place: 'slabs_full',
      cpu: -1,
      inUse: true,
      index: 5,
      node: 0,
    });
    cache.free(objects[6], 2);
    expect(where(objects[6])).toMatchObject({ place: 'CPU array', cpu: 2, inUse: false });
    cache.free(objects[0], 1);
    expect(where(objects[0])).toMatchObject({ place: 'alien array of node 1', cpu: -1 });
    cache.tune({ limit: 1, batchcount: 1, shared: 1 });
    cache.free(objects[1], 0);
    cache.free(objects[2], 0);
    expect(where(objects[1])).toMatchObject({ place: 'shared array', cpu: -1 });
    expect(where(objects[6])).toMatchObject({ place: 'slabs_free, free', inUse: false });
    expect(slab.locate(objects[3])?.address).toBe(objects[3]);
    expect(slab.locate(objects[3])?.cache).toBe('demo');
    // Colour before the first object, slack behind the last, and no slab at all.
    expect(slab.locate(0x1000)).toBeNull();
    expect(slab.locate(0x1000 + 64 + 3600)).toBeNull();
    expect(slab.locate(0x900000)).toBeNull();
    expect(slab.locate(-5)).toBeNull();
  });

  test('gives the address of the user, not of the slot', () => {
    const { slab } = testSlab({ config: { debug: true } });
    const cache = made(slab.createCache('demo', { size: 100 }));
    const [address] = take(cache, 1);
    expect(slab.locate(address - 8)?.address).toBe(address);
  });
});

describe('the slab table', () => {
  test('grows, reuses slots and never hands out slot 0', () => {
    const table = new SlabTable(true);
    const slots = Array.from({ length: 200 }, () => table.take());
    expect(slots[0]).toBe(1);
    expect(new Set(slots).size).toBe(200);
    expect(table.index.length).toBe(table.cache.length * 256);
    table.held[slots[7] * 8 + 3] = 0b1011;
    expect(heldCount(table, slots[7])).toBe(3);
    table.release(slots[5]);
    expect(table.take()).toBe(slots[5]);
  });

  test('has an end', () => {
    const table = new SlabTable(false);
    expect(() => table.reserve(2 ** 24)).toThrow(
      expect.objectContaining({ code: 'SLAB_SLOTS_EXHAUSTED' }),
    );
  });
});

test('a cache without a structure of a node is a defect', () => {
  const { slab } = testSlab();
  const cache = made(slab.createCache('demo', { size: 100 }));
  expect(() => cacheNodeOf(cache, 3)).toThrow('lacks node 3');
});
