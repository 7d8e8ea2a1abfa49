import { listAdd, listAddTail, listDel, listIsEmpty } from '../lib/list.ts';
import { NIL } from '../lib/units.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import type { CacheNode, CacheState } from './cache-state.ts';
import { hostObject, isObjfreelist } from './freelist.ts';

/**
 * The slab that the next object of a node is taken from: the first partial one, else the first free
 * one. It stays linked until `fixupSlabList`, but no longer counts as free.
 * @param reserves whether the caller may have slabs that were made of emergency reserves
 * @returns slot, NIL for none
 * @kernel get_first_slab (spec slab 4.8)
 */
export function getFirstSlab(cache: CacheState, n: CacheNode, reserves: boolean): number {
  const { state } = cache;
  state.calls?.enter('get_first_slab');
  const { next } = state.map;
  let pfn = next[n.slabsPartial];
  if (pfn === n.slabsPartial) {
    n.freeTouched = 1;
    pfn = next[n.slabsFree];
    if (pfn === n.slabsFree) return NIL;
    n.freeSlabs -= 1;
  }
  if (state.memallocSocks) pfn = getValidFirstSlab(cache, n, pfn, reserves);
  return pfn === NIL ? NIL : state.map.private[pfn];
}

/**
 * Passes over a slab that is reserved for callers that may use reserves.
 * @kernel get_valid_first_slab (spec slab 4.24)
 */
function getValidFirstSlab(
  cache: CacheState,
  n: CacheNode,
  pfn: number,
  reserves: boolean,
): number {
  const { map, slabs } = cache.state;
  if (reserves || !isPfmemalloc(cache, pfn)) return pfn;
  if (n.freeObjects > n.freeLimit) {
    map.flags[pfn] &= ~PageFlag.PG_active;
    return pfn;
  }
  listDel(map, pfn);
  if (slabs.active[map.private[pfn]] === 0) {
    listAddTail(map, n.slabsFree, pfn);
    n.freeSlabs += 1;
  } else {
    listAddTail(map, n.slabsPartial, pfn);
  }
  const partial = firstUnmarked(cache, n.slabsPartial);
  if (partial !== NIL) return partial;
  n.freeTouched = 1;
  const free = firstUnmarked(cache, n.slabsFree);
  if (free !== NIL) n.freeSlabs -= 1;
  return free;
}

function firstUnmarked(cache: CacheState, head: number): number {
  const { next } = cache.state.map;
  for (let pfn = next[head]; pfn !== head; pfn = next[pfn]) {
    if (!isPfmemalloc(cache, pfn)) return pfn;
  }
  return NIL;
}

/** Whether a slab was made of emergency reserves. @kernel slab_test_pfmemalloc */
export function isPfmemalloc(cache: CacheState, pfn: number): boolean {
  return (cache.state.map.flags[pfn] & PageFlag.PG_active) !== 0;
}

/**
 * Links a slab where it belongs after objects were taken from it: at the head.
 * @kernel fixup_slab_list (spec slab 4.8)
 */
export function fixupSlabList(cache: CacheState, n: CacheNode, slot: number): void {
  const { state, slabs } = cache;
  const { map } = state;
  state.calls?.enter('fixup_slab_list');
  const pfn = slabs.pfn[slot];
  listDel(map, pfn);
  if (slabs.active[slot] < cache.num) {
    listAdd(map, n.slabsPartial, pfn);
    return;
  }
  listAdd(map, n.slabsFull, pfn);
  if (!isObjfreelist(cache)) return;
  if ((cache.flags & SlabFlag.SLAB_POISON) !== 0) state.poisonHosts.push(hostObject(cache, slot));
  slabs.freelist[slot] = NIL;
}

/** Links a slab after an object was given back to it: partial at the tail, free at the head. */
export function relinkAfterFree(cache: CacheState, n: CacheNode, slot: number): void {
  const { map } = cache.state;
  const pfn = cache.slabs.pfn[slot];
  if (cache.slabs.active[slot] > 0) {
    // Objects that are freed together are often of one slab, which is there already.
    if (map.prev[n.slabsPartial] === pfn) return;
    listDel(map, pfn);
    listAddTail(map, n.slabsPartial, pfn);
    return;
  }
  listDel(map, pfn);
  listAdd(map, n.slabsFree, pfn);
  n.freeSlabs += 1;
}

/**
 * Takes the free slab that lay longest off the node's lists and counters.
 * @returns its first page frame, NIL for none
 */
export function takeLastFreeSlab(cache: CacheState, n: CacheNode): number {
  const { map } = cache.state;
  if (listIsEmpty(map, n.slabsFree)) return NIL;
  const pfn = map.prev[n.slabsFree];
  listDel(map, pfn);
  n.freeSlabs -= 1;
  n.totalSlabs -= 1;
  n.freeObjects -= cache.num;
  return pfn;
}
