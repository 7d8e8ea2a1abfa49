import { PAGE_SIZE } from '../lib/units.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { type CacheState, hasFlag } from './cache-state.ts';
import { flushAll } from './cpu-slab.ts';
import { releaseCache } from './create.ts';
import { pointerText, print, printTracking, reportSlab } from './debug-report.ts';
import { cacheOfSlab } from './free.ts';
import { regularFreeMap } from './free-map.ts';
import { discardSlab, freeSlabPages } from './new-slab.ts';
import { removePartial, slabsOfList } from './node-lists.ts';
import { objectAddress } from './pointer.ts';
import type { SlubState } from './state.ts';

/** Reports the objects that are left in a slab. @kernel list_slab_objects (spec slub 5.7) */
function reportRemaining(state: SlubState, cache: CacheState, slab: number): void {
  reportSlab(state, cache, slab, `Objects remaining in ${cache.name} on __kmem_cache_shutdown()`);
  const free = regularFreeMap(state, cache, slab);
  const start = state.slabs.pfn[slab] * PAGE_SIZE;
  for (let index = 0; index < free.length; index++) {
    if (free[index] === 1) continue;
    const object = objectAddress(state, cache, slab, index);
    print(state, `Object 0x${pointerText(state, object)} @offset=${object - start}`);
    printTracking(state, cache, object);
  }
}

/** Gives the empty slabs of a node back and reports the others. @kernel free_partial */
function freePartial(state: SlubState, cache: CacheState, node: number, cpu: number): void {
  const discards: number[] = [];
  for (const slab of slabsOfList(state, cache.partialHead[node])) {
    if (state.slabs.inuse[slab] === 0) {
      removePartial(state, cache, slab);
      discards.push(slab);
    } else {
      reportRemaining(state, cache, slab);
    }
  }
  for (const slab of discards.reverse()) discardSlab(state, cache, slab, cpu);
}

/**
 * Gives all slabs of a cache back.
 * @returns false when a node still has some; later nodes are then not touched
 * @kernel __kmem_cache_shutdown (spec slub 4.8 step 2)
 */
function shutdownCache(state: SlubState, cache: CacheState, cpu: number): boolean {
  flushAll(state, cache);
  for (let node = 0; node < cache.hasNode.length; node++) {
    if (cache.hasNode[node] === 0) continue;
    freePartial(state, cache, node, cpu);
    if (cache.nrPartial[node] > 0 || cache.nrSlabs[node] > 0) return false;
  }
  return true;
}

/**
 * Drops one user of a cache; the last one frees it.
 * @returns false when objects are left: the cache stays on the list, unusable
 * @kernel kmem_cache_destroy (spec slub 4.8)
 */
export function destroyCache(state: SlubState, cache: CacheState, cpu: number): boolean {
  cache.refcount--;
  if (cache.refcount !== 0) return true;
  if (!shutdownCache(state, cache, cpu)) {
    const caller = state.tracks.current();
    const symbol = state.tracks.symbol(caller.addressHigh, caller.addressLow);
    state.log?.(
      `kmem_cache_destroy ${cache.name}: Slab cache still has objects when called from ${symbol}`,
    );
    return false;
  }
  state.caches.splice(state.caches.indexOf(cache), 1);
  if (hasFlag(cache, SlabFlag.SLAB_TYPESAFE_BY_RCU)) state.rcuReleases.push(cache);
  else releaseCache(state, cache, cpu);
  return true;
}

/**
 * The RCU grace period has ended: pages of SLAB_TYPESAFE_BY_RCU slabs go back, then caches that were
 * destroyed are freed.
 * @kernel rcu_barrier (spec slub 4.20, 4.8 step 4)
 */
export function endGracePeriod(state: SlubState, cpu: number): void {
  for (const slab of state.rcuPending.splice(0)) {
    freeSlabPages(state, cacheOfSlab(state, slab), slab, cpu);
  }
  for (const cache of state.rcuReleases.splice(0)) releaseCache(state, cache, cpu);
}
