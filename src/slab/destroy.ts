import { SlabFlag } from '../mm/slab-flags.ts';
import type { CacheState } from './cache-state.ts';
import { ascendingCpus, kmemCacheShrink } from './drain.ts';
import { freeByAddress } from './object-lookup.ts';
import { kmemFreepages } from './pages.ts';
import { destroyRandomSequence } from './random-freelist.ts';
import type { SlabState } from './state.ts';
import { releaseNode } from './tune.ts';

/**
 * Gives up everything that a cache consists of; its slabs are gone.
 * @kernel __kmem_cache_release, slab_kmem_cache_release (spec slab 4.19)
 */
export function releaseCache(cache: CacheState, cpu: number): void {
  const { state } = cache;
  destroyRandomSequence(cache, cpu);
  cache.cpuCache = [];
  for (let node = 0; node < state.nodeIds; node++) releaseNode(cache, node, cpu);
  state.cacheById[cache.id] = null;
  const { address } = cache;
  cache.address = 0;
  if (address === 0 || state.kmemCache === null) return;
  state.trace?.kmemCacheFree?.(address, state.kmemCache.name);
  freeByAddress(state, address, cpu);
}

/**
 * Drops one user of a cache; the last one destroys it.
 * @returns false when objects are left: the cache stays on the list, without users
 * @kernel kmem_cache_destroy (spec slab 4.19)
 */
export function kmemCacheDestroy(cache: CacheState, cpu: number): boolean {
  const { state } = cache;
  if (cache.refcount !== 1) {
    cache.refcount -= 1;
    return true;
  }
  const left = kmemCacheShrink(cache, cpu, ascendingCpus(cache));
  cache.refcount = 0;
  if (left) {
    const caller = state.callSite.symbolOf(state.callSite.address);
    state.log?.(
      `kmem_cache_destroy ${cache.name}: Slab cache still has objects when called from ${caller}`,
    );
    return false;
  }
  state.caches.splice(state.caches.indexOf(cache), 1);
  if ((cache.flags & SlabFlag.SLAB_TYPESAFE_BY_RCU) !== 0) {
    cache.cpuCache = [];
    state.rcuCaches.push(cache);
  } else {
    releaseCache(cache, cpu);
  }
  return true;
}

/**
 * Ends an RCU grace period: the pages of TYPESAFE_BY_RCU slabs that were given up go back, each on
 * the CPU that gave it up, and then what destroyed caches still hold.
 * @param cpu the CPU that releases caches
 * @kernel kmem_rcu_free, slab_caches_to_rcu_destroy_workfn (spec slab 4.16, 4.19)
 */
export function endGracePeriod(state: SlabState, cpu: number): void {
  const slabs = state.rcuSlabs;
  const caches = state.rcuCaches;
  state.rcuSlabs = [];
  state.rcuCaches = [];
  for (const { cache, slot, cpu: owner } of slabs) kmemFreepages(cache, slot, owner);
  for (const cache of caches) releaseCache(cache, cpu);
}
