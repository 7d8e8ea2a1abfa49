import { PageFlag } from '../mm/page-flags.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { modNodeState } from '../mm/vmstat.ts';
import { VmFlag } from './constants.ts';
import { inSwapcache, isAnon, isFileLru } from './folio.ts';
import { nodeOf } from './lru.ts';
import { mlockFolio } from './mlock.ts';
import { folioPut } from './release.ts';
import { RmapMark } from './rmap.ts';
import type { ReclaimState } from './state.ts';
import type { ReferencedResult } from './types.ts';
import { folioMarkDirty } from './writeback.ts';

/**
 * Maps a page once more into some address space: one reference, one map count.
 * @param young whether the entry has the accessed bit, as after a fault
 * @kernel page_add_file_rmap, page_add_anon_rmap
 */
export function pageAddRmap(state: ReclaimState, pfn: number, young: boolean, cpu: number): void {
  const { map, rmap } = state;
  map.refcount[pfn]++;
  if (++map.mapcount[pfn] === 1) {
    modNodeState(state.vm, cpu, nodeOf(state, pfn), mappedItem(map.flags[pfn]), 1);
  }
  if (young) rmap.young[pfn]++;
}

/**
 * Removes one mapping of a page and drops its reference.
 * @kernel page_remove_rmap
 */
export function pageRemoveRmap(state: ReclaimState, pfn: number, cpu: number): void {
  const { map, rmap } = state;
  const left = --map.mapcount[pfn];
  if (rmap.young[pfn] > left) rmap.young[pfn] = left;
  if (left === 0) {
    const dirty = (rmap.marks[pfn] & RmapMark.DIRTY) !== 0;
    rmap.marks[pfn] = 0;
    modNodeState(state.vm, cpu, nodeOf(state, pfn), mappedItem(map.flags[pfn]), -1);
    if (dirty) folioMarkDirty(state, pfn, cpu);
  }
  folioPut(state, pfn, cpu);
}

/** The default of `ReclaimHost.referenced`. */
export function rmapReferenced(
  state: ReclaimState,
  pfn: number,
  result: ReferencedResult,
  cpu: number,
): number {
  const { rmap } = state;
  const marks = rmap.marks[pfn];
  if ((marks & RmapMark.LOCKED) !== 0) {
    mlockFolio(state, pfn, cpu);
    result.vmFlags = VmFlag.VM_LOCKED;
    return 0;
  }
  const young = rmap.young[pfn];
  rmap.young[pfn] = 0;
  if (young > 0 && (marks & RmapMark.EXEC) !== 0) result.vmFlags = VmFlag.VM_EXEC;
  return young;
}

/**
 * The default of `ReclaimHost.tryToUnmap`: an mlocked mapping stays, and so do those of a droppable
 * page that was written to again; all others go. Entries of a page in the swap cache become entries
 * that name its slot.
 */
export function rmapTryToUnmap(state: ReclaimState, pfn: number, cpu: number): void {
  const { map, rmap, swap } = state;
  const flags = map.flags[pfn];
  if ((rmap.marks[pfn] & RmapMark.LOCKED) !== 0) {
    mlockFolio(state, pfn, cpu);
    return;
  }
  if (isAnon(flags) && isFileLru(flags) && wasWritten(state, pfn)) {
    map.flags[pfn] |= PageFlag.PG_swapbacked;
    return;
  }
  if (inSwapcache(flags)) swap.duplicate(map.private[pfn], map.mapcount[pfn]);
  while (map.mapcount[pfn] > 0) pageRemoveRmap(state, pfn, cpu);
}

function wasWritten({ map, rmap }: ReclaimState, pfn: number): boolean {
  return (rmap.marks[pfn] & RmapMark.DIRTY) !== 0 || (map.flags[pfn] & PageFlag.PG_dirty) !== 0;
}

function mappedItem(flags: number): number {
  return isAnon(flags) ? NodeStatItem.nr_anon_pages : NodeStatItem.nr_mapped;
}
