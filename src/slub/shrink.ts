import { listMove } from '../lib/list.ts';
import type { CacheState } from './cache-state.ts';
import { flushAll } from './cpu-slab.ts';
import { freeSlab } from './new-slab.ts';
import { decSlabsNode, removePartial, slabsOfList } from './node-lists.ts';
import type { SlubState } from './state.ts';

/** Slabs with up to this many free objects are sorted by shrinking. */
const SHRINK_PROMOTE_MAX = 32;

/**
 * Gives the empty slabs of a node back and puts the fullest ones in front.
 * @returns whether the node still has slabs
 */
function shrinkNode(state: SlubState, cache: CacheState, node: number, cpu: number): boolean {
  const { slabs, map } = state;
  const discards: number[] = [];
  const buckets: number[][] = Array.from({ length: SHRINK_PROMOTE_MAX + 1 }, () => []);
  for (const slab of slabsOfList(state, cache.partialHead[node])) {
    const free = slabs.objects[slab] - slabs.inuse[slab];
    if (free === slabs.objects[slab]) {
      removePartial(state, cache, slab);
      decSlabsNode(state, cache, slab);
      discards.push(slab);
    } else if (free <= SHRINK_PROMOTE_MAX) {
      buckets[free].push(slab);
    }
  }
  // From the longest bucket down each one goes in front; inside a bucket the order is reversed.
  for (let free = SHRINK_PROMOTE_MAX; free > 0; free--) {
    for (const slab of buckets[free]) listMove(map, cache.partialHead[node], slabs.pfn[slab]);
  }
  for (const slab of discards.reverse()) freeSlab(state, cache, slab, cpu);
  return cache.nrSlabs[node] > 0;
}

/**
 * Gives slabs without objects back and sorts the partial lists.
 * @returns whether the cache still has slabs
 * @kernel __kmem_cache_shrink (spec slub 4.28)
 */
export function shrinkCache(state: SlubState, cache: CacheState, cpu: number): boolean {
  flushAll(state, cache);
  let busy = false;
  for (let node = 0; node < cache.hasNode.length; node++) {
    if (cache.hasNode[node] === 0) continue;
    if (shrinkNode(state, cache, node, cpu)) busy = true;
  }
  return busy;
}
