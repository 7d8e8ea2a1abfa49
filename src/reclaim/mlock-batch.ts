import { PageFlag } from '../mm/page-flags.ts';
import { VmEvent, ZoneStatItem } from '../mm/vm-items.ts';
import { countVmEvents, modZoneState } from '../mm/vmstat.ts';
import { PAGEVEC_SIZE } from './constants.ts';
import { isEvictable } from './folio.ts';
import { lruvecAddFolio, lruvecDelFolio } from './lru.ts';
import type { ReclaimState } from './state.ts';

const { PG_active, PG_lru, PG_mlocked, PG_unevictable } = PageFlag;

/** What an entry of the mlock batch is. */
export const MlockEntry = {
  /** A page to be released. */
  MUNLOCK: 0,
  /** A page that may be on an LRU list. */
  LRU_FOLIO: 1,
  /** A page that never was on an LRU list. */
  NEW_FOLIO: 2,
} as const;

/**
 * Moves the pages of a CPU's mlock batch to and from the unevictable list; references stay.
 * @param start index of the first entry in the batch pages
 * @kernel mlock_pagevec (spec reclaim 4.12)
 */
export function mlockFolioBatch(
  state: ReclaimState,
  start: number,
  count: number,
  cpu: number,
): void {
  const kinds = cpu * PAGEVEC_SIZE;
  for (let i = 0; i < count; i++) {
    const pfn = state.batchPages[start + i];
    const kind = state.mlockKind[kinds + i];
    if (kind === MlockEntry.LRU_FOLIO) mlockLruFolio(state, pfn, cpu);
    else if (kind === MlockEntry.NEW_FOLIO) mlockNewFolio(state, pfn, cpu);
    else munlockLruFolio(state, pfn, cpu);
  }
}

/**
 * Locks that hold an unevictable page. It is on no list, so the count is in its link cell, as in the
 * kernel.
 */
export function mlockCount(state: ReclaimState, pfn: number): number {
  return state.map.next[pfn];
}

/** Sets what `mlockCount` reads. */
export function setMlockCount(state: ReclaimState, pfn: number, count: number): void {
  state.map.next[pfn] = count;
}

/** @kernel __mlock_page */
function mlockLruFolio(state: ReclaimState, pfn: number, cpu: number): void {
  const { flags } = state.map;
  const before = flags[pfn];
  if ((before & PG_lru) === 0) return;
  if (isEvictable(before)) {
    if ((before & PG_unevictable) !== 0) rescue(state, pfn, cpu);
    return;
  }
  const locked = (before & PG_mlocked) !== 0 ? 1 : 0;
  if ((before & PG_unevictable) !== 0) {
    setMlockCount(state, pfn, mlockCount(state, pfn) + locked);
    return;
  }
  lruvecDelFolio(state, pfn, cpu);
  flags[pfn] = (before & ~PG_active) | PG_unevictable;
  setMlockCount(state, pfn, locked);
  lruvecAddFolio(state, pfn, cpu);
  countVmEvents(state.vm, cpu, VmEvent.unevictable_pgs_culled, 1);
}

/** @kernel __mlock_new_page */
function mlockNewFolio(state: ReclaimState, pfn: number, cpu: number): void {
  const { flags } = state.map;
  const before = flags[pfn];
  if (!isEvictable(before)) {
    flags[pfn] = before | PG_unevictable;
    setMlockCount(state, pfn, (before & PG_mlocked) !== 0 ? 1 : 0);
    countVmEvents(state.vm, cpu, VmEvent.unevictable_pgs_culled, 1);
  }
  lruvecAddFolio(state, pfn, cpu);
  flags[pfn] |= PG_lru;
}

/** @kernel __munlock_page */
function munlockLruFolio(state: ReclaimState, pfn: number, cpu: number): void {
  const { map, vm } = state;
  const { flags } = map;
  const onUnevictable = (flags[pfn] & (PG_lru | PG_unevictable)) === (PG_lru | PG_unevictable);
  if (onUnevictable) {
    const count = mlockCount(state, pfn);
    if (count > 0) setMlockCount(state, pfn, count - 1);
    if (count > 1) return;
  }
  if ((flags[pfn] & PG_mlocked) !== 0) {
    const stranded = (flags[pfn] & (PG_lru | PG_unevictable)) === PG_unevictable;
    flags[pfn] &= ~PG_mlocked;
    modZoneState(vm, cpu, map.zone[pfn] - 1, ZoneStatItem.NR_MLOCK, -1);
    const event = stranded ? VmEvent.unevictable_pgs_stranded : VmEvent.unevictable_pgs_munlocked;
    countVmEvents(vm, cpu, event, 1);
  }
  if (onUnevictable && isEvictable(flags[pfn])) rescue(state, pfn, cpu);
}

/** Moves a page from the unevictable list back to the one it belongs on. */
export function rescue(state: ReclaimState, pfn: number, cpu: number): void {
  lruvecDelFolio(state, pfn, cpu);
  state.map.flags[pfn] &= ~PG_unevictable;
  lruvecAddFolio(state, pfn, cpu);
  countVmEvents(state.vm, cpu, VmEvent.unevictable_pgs_rescued, 1);
}
