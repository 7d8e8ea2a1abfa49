import { listAddTail } from '../lib/list.ts';
import { putNumbers } from '../lib/numbers.ts';
import { PAGE_SIZE } from '../lib/units.ts';
import { KmemError, type ObjectConstructor } from '../mm/kmem-cache.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { CacheState } from './cache-state.ts';
import { clearCpuSlab, setCpuSlab } from './cpu-slab.ts';
import { addNode } from './create.ts';
import { virtualHigh, virtualLow } from './pointer.ts';
import {
  type CacheNodeSnapshot,
  type CacheSnapshot,
  SCALARS,
  type SlabSnapshot,
  type SlubSnapshot,
} from './snapshot.ts';
import type { SlubState } from './state.ts';

/** Constructors by name of the cache, for caches that the allocator does not know. */
export type Constructors = Readonly<Record<string, ObjectConstructor>>;

/** The cache object to fill: the one of that id if it is of the same make, else a new one. */
function cacheFor(state: SlubState, from: CacheSnapshot, constructors: Constructors): CacheState {
  const known = state.cacheById[from.input.id] ?? null;
  const sameMake =
    known !== null &&
    known.name === from.input.name &&
    known.size === from.input.layout.size &&
    (known.ctor !== null) === from.hasCtor &&
    known.flags === from.input.flags;
  if (sameMake) return known;
  const ctor = constructors[from.input.name] ?? null;
  if (from.hasCtor && ctor === null) {
    throw new KmemError('BAD_SNAPSHOT', `the constructor of cache ${from.input.name} is missing`, {
      cache: from.input.name,
    });
  }
  return new CacheState({ ...from.input, ctor: from.hasCtor ? ctor : null });
}

/** Forgets all slabs and lists. The links of the page map may hold something else by now. */
function clearState(state: SlubState): void {
  const { slabs, map } = state;
  for (let slab = 0; slab < slabs.count; slab++) {
    if (slabs.cache[slab] < 0) continue;
    map.flags[slabs.pfn[slab]] &= ~(PageFlag.PG_slab | PageFlag.PG_active);
  }
  for (const cache of state.cacheById) {
    if (cache === null) continue;
    for (let node = 0; node < cache.hasNode.length; node++) {
      if (cache.hasNode[node] === 0) continue;
      state.freeListHeads.push(cache.fullHead[node], cache.partialHead[node]);
      cache.hasNode[node] = 0;
    }
  }
  slabs.clear();
  state.badFreelists.clear();
  state.caches.length = 0;
  state.cacheById.length = 0;
  state.rcuPending.length = 0;
  state.rcuReleases.length = 0;
}

function restoreSlab(state: SlubState, cache: CacheState, from: SlabSnapshot): number {
  const { slabs, map } = state;
  const slab = slabs.take(from.links.length);
  const address = from.pfn * PAGE_SIZE;
  slabs.pfn[slab] = from.pfn;
  slabs.order[slab] = from.order;
  slabs.objects[slab] = from.objects;
  slabs.inuse[slab] = from.inuse;
  slabs.frozen[slab] = from.frozen;
  slabs.freelist[slab] = from.freelist;
  slabs.cache[slab] = cache.id;
  slabs.node[slab] = from.node;
  slabs.virtLow[slab] = virtualLow(state, address);
  slabs.virtHigh[slab] = virtualHigh(state, address);
  slabs.links.set(from.links, slabs.linkBase[slab]);
  if (from.badFreelist !== null) state.badFreelists.set(slab, from.badFreelist);
  map.private.fill(slab, from.pfn, from.pfn + 2 ** from.order);
  const reserves = (map.flags[from.pfn] & PageMark.PFMEMALLOC) !== 0;
  map.flags[from.pfn] |= reserves ? PageFlag.PG_slab | PageFlag.PG_active : PageFlag.PG_slab;
  return slab;
}

function restoreNode(state: SlubState, cache: CacheState, from: CacheNodeSnapshot): void {
  addNode(state, cache, from.node, from.object);
  cache.nrPartial[from.node] = from.nrPartial;
  cache.nrSlabs[from.node] = from.nrSlabs;
  cache.totalObjects[from.node] = from.totalObjects;
  for (const pfn of from.partial) listAddTail(state.map, cache.partialHead[from.node], pfn);
  for (const pfn of from.full) listAddTail(state.map, cache.fullHead[from.node], pfn);
}

function restoreCpus(
  state: SlubState,
  cache: CacheState,
  from: CacheSnapshot,
  slabOf: ReadonlyMap<number, number>,
): void {
  const { slabs } = state;
  for (const [cpu, [pfn, freelist, chain]] of from.cpus.entries()) {
    const slab = slabOf.get(pfn);
    const c = cache.cpus[cpu];
    if (slab === undefined) clearCpuSlab(c);
    else setCpuSlab(state, cache, c, slab);
    c.freelist = freelist;
    let below = -1;
    for (const at of chain.toReversed()) {
      const element = slabOf.get(at) ?? -1;
      slabs.next[element] = below;
      slabs.slabs[element] = below < 0 ? 1 : slabs.slabs[below] + 1;
      below = element;
    }
    c.chain = below;
  }
}

function restoreCache(
  state: SlubState,
  cache: CacheState,
  from: CacheSnapshot,
  slabOf: Map<number, number>,
): void {
  putNumbers(cache, SCALARS, from.numbers);
  cache.damaged = from.damaged;
  cache.zeroOnFree = from.zeroOnFree;
  cache.randomSeq = from.randomSeq?.slice() ?? null;
  cache.aliases.splice(0, cache.aliases.length, ...from.aliases);
  if (from.stats !== null) cache.stats?.set(from.stats);
  for (const slab of from.slabs) slabOf.set(slab.pfn, restoreSlab(state, cache, slab));
  for (const node of from.nodes) restoreNode(state, cache, node);
  restoreCpus(state, cache, from, slabOf);
}

/**
 * Takes back what `takeSnapshot` gave. The content of the memory, the page map of the source and the
 * source itself are the caller's to restore, before this.
 * @throws KmemError `BAD_SNAPSHOT` for a constructor that is missing; nothing has changed
 */
export function restoreSnapshot(
  state: SlubState,
  from: SlubSnapshot,
  constructors: Constructors,
): void {
  const caches = from.caches.map((cache) => cacheFor(state, cache, constructors));
  clearState(state);
  const byId = new Map(caches.map((cache) => [cache.id, cache]));
  const cacheOf = (id: number): CacheState | null => byId.get(id) ?? null;
  const slabOf = new Map<number, number>();
  for (const [i, cache] of caches.entries()) {
    while (state.cacheById.length < cache.id) state.cacheById.push(null);
    state.cacheById[cache.id] = cache;
    restoreCache(state, cache, from.caches[i], slabOf);
  }
  state.caches.push(...from.order.map(cacheOf).filter((cache) => cache !== null));
  state.nextCacheId = from.nextCacheId;
  state.kmemCache = cacheOf(from.descriptorCaches[0]);
  state.kmemCacheNode = cacheOf(from.descriptorCaches[1]);
  state.kmalloc?.caches.splice(0, from.kmalloc.length, ...from.kmalloc.map(cacheOf));
  state.rcuPending.push(...from.rcuPending.map((pfn) => slabOf.get(pfn) ?? -1));
  state.rcuReleases.push(...from.rcuReleases.map(cacheOf).filter((cache) => cache !== null));
  state.memoryNodes = [...from.memoryNodes];
  state.isMemoryNode.fill(0);
  for (const node of from.memoryNodes) state.isMemoryNode[node] = 1;
  state.gfpAllowedMask = from.gfpAllowedMask;
  state.taint = from.taint;
  [state.warnedNotSlab, state.lockDebuggingOff, state.oomWindowStart, state.oomReports] = from.said;
}
