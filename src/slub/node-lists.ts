import { listAdd, listAddTail, listDel } from '../lib/list.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { type CacheState, hasFlag } from './cache-state.ts';
import type { SlubState } from './state.ts';

/** Adds a slab to the partial list of its node. @kernel add_partial */
export function addPartial(state: SlubState, cache: CacheState, slab: number, tail: boolean): void {
  const node = state.slabs.node[slab];
  const pfn = state.slabs.pfn[slab];
  cache.nrPartial[node]++;
  if (tail) listAddTail(state.map, cache.partialHead[node], pfn);
  else listAdd(state.map, cache.partialHead[node], pfn);
}

/** Removes a slab from the partial list of its node. @kernel remove_partial */
export function removePartial(state: SlubState, cache: CacheState, slab: number): void {
  listDel(state.map, state.slabs.pfn[slab]);
  cache.nrPartial[state.slabs.node[slab]]--;
}

/** Puts a full slab at the head of the full list of its node; only with SLAB_STORE_USER. @kernel add_full */
export function addFull(state: SlubState, cache: CacheState, slab: number): void {
  if (!hasFlag(cache, SlabFlag.SLAB_STORE_USER)) return;
  listAdd(state.map, cache.fullHead[state.slabs.node[slab]], state.slabs.pfn[slab]);
}

/** Unlinks a slab from the full list; only with SLAB_STORE_USER. @kernel remove_full */
export function removeFull(state: SlubState, cache: CacheState, slab: number): void {
  if (!hasFlag(cache, SlabFlag.SLAB_STORE_USER)) return;
  listDel(state.map, state.slabs.pfn[slab]);
}

/** The slots of the slabs of a list, from the head. */
export function slabsOfList(state: SlubState, head: number): number[] {
  const { map } = state;
  const found: number[] = [];
  for (let pfn = map.next[head]; pfn !== head; pfn = map.next[pfn]) found.push(map.private[pfn]);
  return found;
}

/** Counts a new slab of a node. @kernel inc_slabs_node */
export function incSlabsNode(state: SlubState, cache: CacheState, slab: number): void {
  const node = state.slabs.node[slab];
  cache.nrSlabs[node]++;
  cache.totalObjects[node] += state.slabs.objects[slab];
}

/** Counts a slab of a node that goes. @kernel dec_slabs_node */
export function decSlabsNode(state: SlubState, cache: CacheState, slab: number): void {
  const node = state.slabs.node[slab];
  cache.nrSlabs[node]--;
  cache.totalObjects[node] -= state.slabs.objects[slab];
}
