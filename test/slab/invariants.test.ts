import { describe, expect, test } from 'vitest';
import { listAdd, listDel } from '../../src/lib/list.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import { type CacheNode, cacheNodeOf } from '../../src/slab/cache-state.ts';
import { assertInvariants, checkInvariants } from '../../src/slab/invariants.ts';
import type { SlabState } from '../../src/slab/state.ts';
import { made, take, testSlab, testTopology } from './support.ts';

interface World {
  readonly state: SlabState;
  readonly cache: SlabCache;
  readonly n: CacheNode;
  /** Slots of a full, a partial and a free slab. */
  readonly full: number;
  readonly partial: number;
  readonly free: number;
}

/** A cache with a full, a partial and a free slab, and something in every array. */
function world(): World {
  const { slab } = testSlab({ topology: testTopology([0, 0, 1], 2), checks: 'basic' });
  const cache = made(slab.createCache('demo', { size: 1000 }));
  const objects = take(cache, 16);
  cache.tune({ limit: 2, batchcount: 1, shared: 1 });
  // The first slab stays full; one object of the second and all of the third go back.
  for (const i of [4, 8, 9, 10, 11]) cache.free(objects[i], 0);
  cache.free(objects[12], 2);
  slab.slabinfoWrite('demo 2 1 1\n');
  cache.free(objects[5], 1);
  const [state, n] = [slab.state, cacheNodeOf(cache, 0)];
  const slotOf = (head: number): number => state.map.private[state.map.next[head]];
  return {
    state,
    cache,
    n,
    full: slotOf(n.slabsFull),
    partial: slotOf(n.slabsPartial),
    free: slotOf(n.slabsFree),
  };
}

test('a sound allocator breaks no rule', () => {
  const { state, n } = world();
  expect(checkInvariants(state)).toEqual([]);
  expect(n.freeSlabs).toBe(1);
});

const BREAKS: Record<string, (w: World) => void> = {
  'SLAB-1 wrong list': ({ state, n, free }) => {
    listDel(state.map, state.slabs.pfn[free]);
    listAdd(state.map, n.slabsPartial, state.slabs.pfn[free]);
  },
  'SLAB-1 no list': ({ state, full }) => listDel(state.map, state.slabs.pfn[full]),
  'SLAB-1 foreign node': ({ state, full }) => {
    state.slabs.node[full] = 1;
  },
  'SLAB-2 totals': ({ n }) => {
    n.totalSlabs += 1;
  },
  'SLAB-2 free slabs': ({ n }) => {
    n.freeSlabs -= 1;
  },
  'SLAB-3': ({ n }) => {
    n.freeObjects += 1;
  },
  'SLAB-4 beyond': ({ state, free }) => state.memory.writeU8(state.slabs.freelist[free] + 2, 200),
  'SLAB-4 twice': ({ state, free }) =>
    state.memory.writeU8(
      state.slabs.freelist[free] + 1,
      state.memory.readU8(state.slabs.freelist[free]),
    ),
  'SLAB-5 twice in arrays': ({ cache, n }) => {
    const ac = cache.cpuCache[1];
    ac.entries[0] = n.shared?.avail === 0 ? ac.entries[0] : ac.entries[0];
    ac.entries[ac.avail] = ac.entries[0];
    ac.avail += 1;
  },
  'SLAB-5 owned and free': ({ state, free }) => {
    state.slabs.held[free * 8] |= 1;
  },
  'SLAB-6': ({ state, full }) => {
    state.slabs.held[full * 8] = 0;
  },
  'SLAB-7': ({ cache, state }) => {
    const ac = cache.cpuCache[1];
    const there = cache.cpuCache[2];
    there.entries[0] = ac.entries[0];
    there.avail = 1;
    ac.avail -= 1;
    expect(state.cpuNode[2]).toBe(1);
  },
  'SLAB-8 touched': ({ cache }) => {
    cache.cpuCache[0].touched = 2;
  },
  'SLAB-8 avail': ({ cache }) => {
    cache.cpuCache[0].avail = -1;
  },
  'SLAB-9 alignment': ({ state, full }) => {
    state.slabs.sMem[full] += 4;
  },
  'SLAB-9 entry': ({ cache }) => {
    cache.cpuCache[1].entries[0] |= 0xff;
  },
  'SLAB-10': ({ state, full }) => {
    state.slabs.sMem[full] += 128;
  },
  'SLAB-11 missing': ({ state, partial }) => {
    state.slabs.freelist[partial] = -1;
  },
  'SLAB-11 host': ({ state, cache, partial }) => {
    const from = state.slabs.freelist[partial];
    const to = from + (from % 4096 > 2000 ? -cache.size : cache.size);
    state.memory.copy(to, from, 4);
    state.slabs.freelist[partial] = to;
  },
  'SLAB-14': ({ cache, n }) => {
    n.colourNext = cache.colour + 1;
  },
  'SLAB-15': ({ state }) => {
    state.slabBytes[0] += 4096;
  },
  'SLAB-17': ({ cache }) => {
    cache.batchcount = cache.limit + 1;
  },
  'SLAB-18 mark': ({ state, full }) => {
    state.map.flags[state.slabs.pfn[full]] &= ~PageFlag.PG_slab;
  },
};

describe('every rule notices when it is broken', () => {
  test.each(Object.entries(BREAKS))('%s', (title, breakIt) => {
    const w = world();
    breakIt(w);
    const rules = checkInvariants(w.state).map(({ rule }) => rule);
    expect(rules).toContain(title.split(' ')[0]);
    expect(() => assertInvariants(w.state)).toThrow(expect.objectContaining({ code: 'INVARIANT' }));
  });

  test('SLAB-7: an alien array for the own node', () => {
    const { state, n } = world();
    const own = n.alien?.caches[1] ?? null;
    n.alien = { address: 0, caches: [own, null] };
    expect(checkInvariants(state).map(({ rule }) => rule)).toContain('SLAB-7');
  });

  test('SLAB-18: a page that does not know its slab', () => {
    const { slab } = testSlab({ checks: 'basic' });
    const cache = made(slab.createCache('demo', { size: 6000 }));
    take(cache, 1);
    slab.state.map.private[3] = 0;
    expect(checkInvariants(slab.state).map(({ rule }) => rule)).toEqual(['SLAB-18']);
  });

  test('a list that does not end is still reported', () => {
    const { state, n } = world();
    const pfn = state.map.next[n.slabsFull];
    state.map.next[pfn] = pfn;
    expect(checkInvariants(state).map(({ rule }) => rule)).toContain('SLAB-1');
  });
});

test('checks: full looks after every call', () => {
  const { slab } = testSlab();
  const cache = made(slab.createCache('demo', { size: 1000 }));
  take(cache, 1);
  cacheNodeOf(cache, 0).freeObjects += 1;
  expect(() => cache.alloc()).toThrow(expect.objectContaining({ code: 'INVARIANT' }));
});
