import type { KmemCacheStats } from '../mm/kmem-cache.ts';
import type { CacheState } from './cache-state.ts';

/** Numbers of a cache, as `/proc/slabinfo` shows them. @kernel get_slabinfo (spec slab 4.21) */
export function cacheStats(cache: CacheState): KmemCacheStats {
  let totalSlabs = 0;
  let freeSlabs = 0;
  let freeObjects = 0;
  let sharedAvailable = 0;
  for (const n of cache.nodes) {
    if (n === null) continue;
    totalSlabs += n.totalSlabs;
    freeSlabs += n.freeSlabs;
    freeObjects += n.freeObjects;
    sharedAvailable += n.shared?.avail ?? 0;
  }
  const totalObjects = totalSlabs * cache.num;
  return {
    activeObjects: totalObjects - freeObjects,
    totalObjects,
    size: cache.size,
    objectsPerSlab: cache.num,
    pagesPerSlab: 2 ** cache.gfporder,
    limit: cache.limit,
    batchcount: cache.batchcount,
    shared: cache.shared,
    activeSlabs: totalSlabs - freeSlabs,
    slabs: totalSlabs,
    sharedAvailable,
  };
}
