import { expect, test } from 'vitest';
import { InvariantError } from '../../src/lib/errors.ts';
import { listAddTail, listDel } from '../../src/lib/list.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { Vmstat } from '../../src/mm/vmstat.ts';
import type { CacheState } from '../../src/slub/cache-state.ts';
import type { SlubState } from '../../src/slub/state.ts';
import { made, stateOf, take, testSlub, testTopology } from './support.ts';

interface World {
  readonly state: SlubState;
  readonly cache: CacheState;
  readonly debug: CacheState;
  /** The CPU slab of CPU 0, the first slab of its partial list, the first of the node's list. */
  readonly cpuSlab: number;
  readonly chain: number;
  readonly partial: number;
}

/** A cache with a slab in every state, and a debug cache with a full and a partial slab. */
function world(): World & { rules: () => string[] } {
  const vmstat = new Vmstat(2, 4, 1);
  const { slub } = testSlub({ checks: 'basic', vmstat, topology: testTopology([0, 0], 1) });
  const made_ = made(slub.createCache('c', { size: 8192 }));
  const objects = take(made_, 22);
  for (const i of [0, 4, 8, 12]) made_.free(objects[i]);
  made_.free(objects[16]);
  const user = made(slub.createCache('d', { size: 8000, flags: SlabFlag.SLAB_STORE_USER }));
  take(user, 5);
  const { state } = slub;
  const cache = stateOf(slub, made_);
  const debug = stateOf(slub, user);
  const [c] = cache.cpus;
  const partial = state.map.private[state.map.next[cache.partialHead[0]]];
  expect(slub.checkInvariants()).toEqual([]);
  const rules = (): string[] => [...new Set(slub.checkInvariants().map(({ rule }) => rule))];
  return { state, cache, debug, cpuSlab: c.slab, chain: c.chain, partial, rules };
}

const BREAKS: readonly (readonly [string, (w: World) => void])[] = [
  ['SLUB-1', ({ state, cpuSlab, cache }) => addTo(state, cache, cpuSlab)],
  ['SLUB-2', ({ state, partial }) => state.slabs.inuse[partial]++],
  ['SLUB-3', ({ state, cpuSlab }) => (state.slabs.links[state.slabs.linkBase[cpuSlab]] = -1)],
  ['SLUB-4', ({ state, cache, cpuSlab }) => shareFreelist(state, cache, cpuSlab)],
  ['SLUB-4', ({ cache, state, cpuSlab }) => cycle(state, cache, cpuSlab)],
  ['SLUB-5', ({ cache }) => (cache.cpus[0].base += 4096)],
  ['SLUB-6', ({ cache }) => (cache.cpus[1].freelist = 0)],
  ['SLUB-7', ({ state, cpuSlab }) => (state.slabs.frozen[cpuSlab] = 0)],
  ['SLUB-7', ({ state, chain }) => (state.slabs.frozen[chain] = 0)],
  ['SLUB-8', ({ state, chain }) => (state.slabs.freelist[chain] = -1)],
  ['SLUB-8', ({ state, partial }) => (state.slabs.freelist[partial] = -1)],
  ['SLUB-9', ({ state, chain }) => state.slabs.slabs[chain]++],
  ['SLUB-10', ({ cache }) => cache.nrPartial[0]++],
  ['SLUB-10', ({ state, partial }) => (state.slabs.frozen[partial] = 1)],
  ['SLUB-10', ({ state, partial }) => (state.slabs.node[partial] = 1)],
  ['SLUB-11', ({ cache }) => cache.nrSlabs[0]++],
  ['SLUB-11', ({ cache }) => cache.totalObjects[0]--],
  ['SLUB-12', ({ debug, cpuSlab }) => (debug.cpus[0].slab = cpuSlab)],
  ['SLUB-13', ({ state, debug }) => listDel(state.map, state.map.next[debug.fullHead[0]])],
  ['SLUB-13', ({ state, cache, partial }) => moveToFull(state, cache, partial)],
  ['SLUB-16', ({ state, cpuSlab }) => (state.map.private[state.slabs.pfn[cpuSlab] + 1] = 0)],
  ['SLUB-16', ({ state, cpuSlab }) => (state.slabs.objects[cpuSlab] = 50)],
  ['SLUB-17', ({ cache }) => set(cache, 'align', 3)],
  ['SLUB-18', ({ cache }) => set(cache, 'offset', 8190)],
  ['SLUB-19', ({ cache }) => set(cache, 'order', 0)],
  ['SLUB-20', ({ state }) => state.vmstat?.node.fill(-1000)],
  ['SLUB-21', ({ cache }) => (cache.refcount = 5)],
  ['SLUB-22', ({ state, partial }) => (state.slabs.inuse[partial] = 9)],
  ['SLUB-27', ({ cache }) => (cache.objectSize = 9000)],
];

function addTo(state: SlubState, cache: CacheState, slab: number): void {
  listAddTail(state.map, cache.partialHead[0], state.slabs.pfn[slab]);
}

function shareFreelist(state: SlubState, cache: CacheState, slab: number): void {
  state.slabs.freelist[slab] = cache.cpus[0].freelist;
}

function cycle(state: SlubState, cache: CacheState, slab: number): void {
  const { freelist } = cache.cpus[0];
  state.slabs.links[state.slabs.linkBase[slab] + freelist] = freelist;
}

function moveToFull(state: SlubState, cache: CacheState, slab: number): void {
  listDel(state.map, state.slabs.pfn[slab]);
  listAddTail(state.map, cache.fullHead[0], state.slabs.pfn[slab]);
}

function set(cache: CacheState, field: 'align' | 'offset' | 'order', value: number): void {
  (cache as { -readonly [K in typeof field]: number })[field] = value;
}

test.each(BREAKS)('%s is found when it is broken', (rule, breakIt) => {
  const w = world();
  breakIt(w);
  expect(w.rules()).toContain(rule);
});

test('a broken rule throws with the whole list', () => {
  const { slub } = testSlub({ checks: 'basic' });
  const cache = made(slub.createCache('c', { size: 64 }));
  take(cache, 1);
  stateOf(slub, cache).nrSlabs[0] = 7;
  expect(() => slub.assertInvariants()).toThrow(InvariantError);
  expect(() => slub.assertInvariants()).toThrow(/SLUB-11/);
});

test('with full checks every call looks', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('c', { size: 64 }));
  const [object] = take(cache, 1);
  stateOf(slub, cache).nrSlabs[0] = 7;
  const calls = [
    () => cache.alloc(),
    () => cache.free(object),
    () => slub.kmalloc(8),
    () => cache.flush(),
    () => cache.shrink(),
    () => slub.createCache('d', { size: 9 }),
    () => slub.endGracePeriod(),
  ];
  for (const call of calls) expect(call).toThrow(InvariantError);
});
