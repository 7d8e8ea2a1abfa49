import { NIL } from '../lib/units.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { cacheFreeAlien } from './alien.ts';
import { type ArrayCache, copyOldest, dropOldest } from './array-cache.ts';
import { type CacheState, cacheNodeOf } from './cache-state.ts';
import { debugBeforeFree } from './debug.ts';
import { freeBlock, freeOne, slabsDestroy } from './free-block.ts';
import { objectAddress } from './freelist.ts';
import { pushObject } from './push-object.ts';
import { isPfmemalloc } from './slab-lists.ts';
import { SLOT_SHIFT } from './slab-table.ts';

/** Whether objects are cleared when they are freed. @kernel slab_want_init_on_free (spec slab 4.25) */
function wantsZeroOnFree(cache: CacheState): boolean {
  if (!cache.state.parameters.initOnFree || cache.ctor !== null) return false;
  return (cache.flags & (SlabFlag.SLAB_TYPESAFE_BY_RCU | SlabFlag.SLAB_POISON)) === 0;
}

/**
 * Gives an object back that a caller owns; without a tracepoint.
 * @param object object number of this cache
 * @kernel __cache_free, ___cache_free (spec slab 4.12)
 */
export function cacheFree(cache: CacheState, object: number, cpu: number): void {
  const { state, slabs } = cache;
  state.calls?.enter('__do_kmem_cache_free');
  state.calls?.enter('__cache_free');
  if (wantsZeroOnFree(cache) && !state.contentless) {
    state.memory.fill(objectAddress(cache, object), cache.objectSize, 0);
  }
  state.calls?.enter('___cache_free');
  state.calls?.enter('cpu_cache_get');
  if (state.debug) debugBeforeFree(cache, object);
  const slot = object >> SLOT_SHIFT;
  if (state.multiNode && slabs.node[slot] !== state.cpuNode[cpu]) {
    cacheFreeAlien(cache, object, cpu);
    return;
  }
  const ac = cache.cpuCache[cpu];
  if (ac.avail < ac.limit) {
    if (state.statistics) cache.statistics.freehit += 1;
  } else {
    if (state.statistics) cache.statistics.freemiss += 1;
    cacheFlusharray(cache, ac, cpu);
  }
  if (state.memallocSocks && isPfmemalloc(cache, slabs.pfn[slot])) {
    freeOne(cache, object, cpu);
    return;
  }
  pushObject(cache, ac, object);
}

/**
 * Makes room in a full array: the oldest entries go to the shared array, or into their slabs.
 * @kernel cache_flusharray (spec slab 4.14)
 */
function cacheFlusharray(cache: CacheState, ac: ArrayCache, cpu: number): void {
  const { state } = cache;
  state.calls?.enter('cache_flusharray');
  const n = cacheNodeOf(cache, state.cpuNode[cpu]);
  const { shared } = n;
  const room = shared === null ? 0 : shared.limit - shared.avail;
  const count = room > 0 ? Math.min(ac.batchcount, room) : ac.batchcount;
  let doomed = NIL;
  if (shared !== null && room > 0) copyOldest(shared, ac, count);
  else doomed = freeBlock(cache, ac.entries, 0, count, n.node, NIL);
  if (state.statistics && n.freeSlabs > cache.statistics.maxFreeable) {
    cache.statistics.maxFreeable = n.freeSlabs;
  }
  dropOldest(ac, count);
  slabsDestroy(cache, doomed, cpu);
}
