import { NIL } from '../lib/units.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { modNodeState } from '../mm/vmstat.ts';
import { stepNodeState } from './counter-steps.ts';
import { inSwapcache, isFileLru, PG_SWAPCACHE } from './folio.ts';
import { nodeOf } from './lru.ts';
import type { ReclaimState } from './state.ts';
import { workingsetEviction } from './workingset.ts';
import { folioMarkDirty } from './writeback.ts';

const NR_FILE_PAGES = NodeStatItem.nr_file_pages;

/**
 * Takes a page that only its cache and the caller refer to out of the cache. All references are gone
 * then. A file page still counts in NR_FILE_PAGES until `countEvicted`.
 * @param leaveShadow whether the cache keeps an entry that tells when the page was evicted
 * @returns whether it could be done
 * @kernel __remove_mapping (spec reclaim 4.23)
 */
export function removeMappingLocked(
  state: ReclaimState,
  pfn: number,
  leaveShadow: boolean,
  cpu: number,
): boolean {
  const { map, vm } = state;
  const flags = map.flags[pfn];
  if (map.refcount[pfn] !== 2 || (flags & PageFlag.PG_dirty) !== 0) return false;
  const swapcache = inSwapcache(flags);
  const shadow = leaveShadow && (swapcache || isFileLru(flags));
  const eviction = shadow ? state.nonresidentAge[nodeOf(state, pfn)] : NIL;
  const workingset = (flags & PageFlag.PG_workingset) !== 0;
  // The index goes first: if the host throws, nothing has changed.
  state.host.removeFromCache?.(pfn, eviction, workingset, cpu);
  if (shadow) workingsetEviction(state, pfn);
  map.refcount[pfn] = 0;
  const node = nodeOf(state, pfn);
  if (swapcache) {
    countEvicted(state, node, cpu);
    modNodeState(vm, cpu, node, NR_FILE_PAGES, -1);
    modNodeState(vm, cpu, node, NodeStatItem.nr_swapcached, -1);
    map.flags[pfn] = flags & ~PG_SWAPCACHE;
    state.swap.free(map.private[pfn]);
  } else {
    state.evicted++;
    if (!isFileLru(flags)) modNodeState(vm, cpu, node, NodeStatItem.nr_shmem, -1);
    map.flags[pfn] = flags & ~(PageMark.MAPPING | PageMark.MAPPING_UNEVICTABLE);
  }
  return true;
}

/**
 * Takes a clean page of a file that only its cache and the caller refer to out of the cache, with a
 * shadow entry in its place. What `removeMappingLocked` does, for a page known to be such.
 * @param node node of the page
 */
export function evictPlainPage(state: ReclaimState, pfn: number, node: number, cpu: number): void {
  const { map, nonresidentAge } = state;
  const flags = map.flags[pfn];
  const age = nonresidentAge[node];
  state.host.removeFromCache?.(pfn, age, (flags & PageFlag.PG_workingset) !== 0, cpu);
  nonresidentAge[node] = age + 1;
  map.refcount[pfn] = 0;
  map.flags[pfn] = flags & ~(PageMark.MAPPING | PageFlag.PG_referenced);
  state.evicted++;
}

/**
 * Takes the file pages evicted since the last call off NR_FILE_PAGES, one by one as it were. They are
 * all of one node: that of the batch being judged.
 */
export function countEvicted(state: ReclaimState, node: number, cpu: number): void {
  if (state.evicted === 0) return;
  stepNodeState(state.vm, cpu, node, NR_FILE_PAGES, -1, state.evicted);
  state.evicted = 0;
}

/**
 * Takes a page out of its cache without a trace; the caller keeps one reference.
 * @returns whether it could be done: nobody but cache and caller refers to it, and it is clean
 * @kernel remove_mapping (spec reclaim 4.30)
 */
export function removeMapping(state: ReclaimState, pfn: number, cpu: number): boolean {
  if (!removeMappingLocked(state, pfn, false, cpu)) return false;
  countEvicted(state, nodeOf(state, pfn), cpu);
  state.map.refcount[pfn] = 1;
  return true;
}

/**
 * Gives up the swap slot of a page that nobody else refers to by it.
 * @returns whether the page left the swap cache; it is dirty then
 * @kernel folio_free_swap (spec reclaim 4.23)
 */
export function folioFreeSwap(state: ReclaimState, pfn: number, cpu: number): boolean {
  const { map, swap } = state;
  const flags = map.flags[pfn];
  if (!inSwapcache(flags) || (flags & PageFlag.PG_writeback) !== 0) return false;
  if (swap.claims(map.private[pfn]) > 1) return false;
  leaveSwapCache(state, pfn, cpu);
  folioMarkDirty(state, pfn, cpu);
  return true;
}

/** Gives an anonymous page a swap slot. @returns whether there was one @kernel add_to_swap (spec reclaim 4.23) */
export function addToSwap(state: ReclaimState, pfn: number, cpu: number): boolean {
  const { map, swap } = state;
  const slot = swap.alloc();
  if (slot === NIL) return false;
  enterSwapCache(state, pfn, slot, cpu);
  map.flags[pfn] = (map.flags[pfn] | PageFlag.PG_dirty) & ~PageFlag.PG_reclaim;
  return true;
}

/**
 * Puts a swap-backed page into the swap cache, with the cache's reference.
 * @param slot its slot, one claim of which becomes the cache's
 * @kernel add_to_swap_cache
 */
export function enterSwapCache(state: ReclaimState, pfn: number, slot: number, cpu: number): void {
  const { map, vm } = state;
  const node = nodeOf(state, pfn);
  countEvicted(state, node, cpu);
  map.private[pfn] = slot;
  map.flags[pfn] |= PG_SWAPCACHE;
  map.refcount[pfn]++;
  modNodeState(vm, cpu, node, NR_FILE_PAGES, 1);
  modNodeState(vm, cpu, node, NodeStatItem.nr_swapcached, 1);
  state.host.enteredSwapCache(pfn);
}

/**
 * Takes a page out of the swap cache, which drops the cache's reference and claim on the slot.
 * @kernel delete_from_swap_cache
 */
export function leaveSwapCache(state: ReclaimState, pfn: number, cpu: number): void {
  const { map, vm } = state;
  const node = nodeOf(state, pfn);
  state.host.removeFromCache?.(pfn, NIL, false, cpu);
  countEvicted(state, node, cpu);
  modNodeState(vm, cpu, node, NR_FILE_PAGES, -1);
  modNodeState(vm, cpu, node, NodeStatItem.nr_swapcached, -1);
  map.flags[pfn] &= ~PG_SWAPCACHE;
  state.swap.free(map.private[pfn]);
  map.private[pfn] = 0;
  map.refcount[pfn]--;
}

/** The private data of a page is gone, and with it their reference. @kernel folio_detach_private */
export function detachPrivate({ map }: ReclaimState, pfn: number): void {
  map.flags[pfn] &= ~PageFlag.PG_private;
  map.refcount[pfn]--;
}
