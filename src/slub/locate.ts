import { asPhysAddr, PAGE_SIZE } from '../lib/units.ts';
import type { ObjectLocation } from '../mm/kmem-cache.ts';
import type { CacheState } from './cache-state.ts';
import { isMarkedInUse } from './debug-object.ts';
import { cacheOfSlab } from './free.ts';
import { regularFreeMap } from './free-map.ts';
import { slabsOfList } from './node-lists.ts';
import { objectAddress, slabOfAddress } from './pointer.ts';
import { LINK_ALLOCATED } from './slab-table.ts';
import type { SlubState } from './state.ts';

/** Where a slab is. (spec slub 2.6) */
export interface SlabPlace {
  /** The list or the owner. */
  readonly place: 'cpu slab' | 'cpu partial' | 'node partial' | 'node full' | 'full' | 'rcu';
  /** The CPU that owns it, -1 for none. */
  readonly cpu: number;
}

/** Where a slab is, by looking at every list of its cache. */
export function placeOfSlab(state: SlubState, cache: CacheState, slab: number): SlabPlace {
  const { slabs } = state;
  for (let cpu = 0; cpu < cache.cpus.length; cpu++) {
    if (cache.cpus[cpu].slab === slab) return { place: 'cpu slab', cpu };
    for (let at = cache.cpus[cpu].chain; at >= 0; at = slabs.next[at]) {
      if (at === slab) return { place: 'cpu partial', cpu };
    }
  }
  if (state.rcuPending.includes(slab)) return { place: 'rcu', cpu: -1 };
  const node = slabs.node[slab];
  if (cache.hasNode[node] === 1) {
    if (slabsOfList(state, cache.partialHead[node]).includes(slab)) {
      return { place: 'node partial', cpu: -1 };
    }
    if (slabsOfList(state, cache.fullHead[node]).includes(slab)) {
      return { place: 'node full', cpu: -1 };
    }
  }
  return { place: 'full', cpu: -1 };
}

/** Whether a caller owns an object of a slab. */
export function isInUse(state: SlubState, cache: CacheState, slab: number, index: number): boolean {
  const { slabs } = state;
  if (cache.isDebug) return isMarkedInUse(state, cache, slab, index);
  return slabs.links[slabs.linkBase[slab] + index] === LINK_ALLOCATED;
}

/** Which object an address is in; null when it is in no slab or in the waste behind the objects. */
export function locateObject(state: SlubState, address: number): ObjectLocation | null {
  const slab = slabOfAddress(state, address);
  if (slab < 0) return null;
  const { slabs } = state;
  const cache = cacheOfSlab(state, slab);
  const pfn = slabs.pfn[slab];
  const index = Math.floor((address - pfn * PAGE_SIZE) / cache.size);
  if (index >= slabs.objects[slab]) return null;
  const inUse = isInUse(state, cache, slab, index);
  const { place, cpu } = placeOfSlab(state, cache, slab);
  const onCpuFreelist =
    place === 'cpu slab' && !inUse && regularFreeMap(state, cache, slab)[index] === 0;
  return {
    cache: cache.name,
    pfn,
    index,
    address: asPhysAddr(objectAddress(state, cache, slab, index)),
    inUse,
    place: onCpuFreelist ? 'cpu freelist' : place,
    cpu,
    node: slabs.node[slab],
  };
}
