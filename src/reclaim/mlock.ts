import { PageFlag } from '../mm/page-flags.ts';
import { VmEvent, ZoneStatItem } from '../mm/vm-items.ts';
import { countVmEvents, modZoneState } from '../mm/vmstat.ts';
import { batchAdd, IN_ADD_BATCH } from './batch.ts';
import { LruBatch, NR_LRU_BATCHES, PAGEVEC_SIZE } from './constants.ts';
import { isEvictable } from './folio.ts';
import { MlockEntry, rescue } from './mlock-batch.ts';
import type { ReclaimState } from './state.ts';

const { PG_lru, PG_mlocked, PG_unevictable } = PageFlag;

/**
 * Locks a page into memory: it goes to the unevictable list when the mlock batch is flushed.
 * @kernel mlock_folio (spec reclaim 4.12)
 */
export function mlockFolio(state: ReclaimState, pfn: number, cpu: number): void {
  if ((state.map.flags[pfn] & PG_mlocked) === 0) countMlocked(state, pfn, cpu);
  append(state, MlockEntry.LRU_FOLIO, pfn, cpu);
}

/**
 * The same for a new page, which has been on no LRU list: takes the place of `folioAddLru`.
 * @kernel mlock_new_page (spec reclaim 4.12)
 */
export function mlockNewPage(state: ReclaimState, pfn: number, cpu: number): void {
  countMlocked(state, pfn, cpu);
  state.map.next[pfn] = IN_ADD_BATCH;
  append(state, MlockEntry.NEW_FOLIO, pfn, cpu);
}

/** Takes one lock off a page. @kernel munlock_page (spec reclaim 4.12) */
export function munlockPage(state: ReclaimState, pfn: number, cpu: number): void {
  append(state, MlockEntry.MUNLOCK, pfn, cpu);
}

/**
 * Looks again at pages whose mapping may have become evictable.
 * @param pfns the pages
 * @kernel check_move_unevictable_folios (spec reclaim 4.12)
 */
export function checkMoveUnevictableFolios(
  state: ReclaimState,
  pfns: ArrayLike<number>,
  cpu: number,
): void {
  const { flags } = state.map;
  const listed = PG_lru | PG_unevictable;
  for (let i = 0; i < pfns.length; i++) {
    const pfn = pfns[i];
    countVmEvents(state.vm, cpu, VmEvent.unevictable_pgs_scanned, 1);
    if ((flags[pfn] & listed) === listed && isEvictable(flags[pfn])) rescue(state, pfn, cpu);
  }
}

function countMlocked(state: ReclaimState, pfn: number, cpu: number): void {
  const { map, vm } = state;
  map.flags[pfn] |= PG_mlocked;
  modZoneState(vm, cpu, map.zone[pfn] - 1, ZoneStatItem.NR_MLOCK, 1);
  countVmEvents(vm, cpu, VmEvent.unevictable_pgs_mlocked, 1);
}

function append(state: ReclaimState, kind: number, pfn: number, cpu: number): void {
  const position = state.batchCount[cpu * NR_LRU_BATCHES + LruBatch.MLOCK];
  state.mlockKind[cpu * PAGEVEC_SIZE + position] = kind;
  batchAdd(state, LruBatch.MLOCK, pfn, cpu);
}
