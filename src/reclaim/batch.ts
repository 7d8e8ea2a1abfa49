import { PageFlag } from '../mm/page-flags.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { LruBatch, NR_LRU_BATCHES, PAGEVEC_SIZE } from './constants.ts';
import { inSwapcache, isAnon, isEvictable, isFileLru, lruOf } from './folio.ts';
import { lruvecAddFolio, lruvecAddFolioTail, lruvecDelFolio } from './lru.ts';
import { mlockFolioBatch, setMlockCount } from './mlock-batch.ts';
import { releasePages } from './release.ts';
import type { ReclaimState } from './state.ts';

const { PG_active, PG_dirty, PG_lru, PG_locked, PG_reclaim, PG_referenced } = PageFlag;
const { PG_swapbacked, PG_unevictable, PG_writeback } = PageFlag;

/** In the link cell of a page that waits in an add batch, which is on no list; any flush ends it. */
export const IN_ADD_BATCH = -2;

/**
 * Sends a page to an LRU list through this CPU's batch: the page is on no list until the batch is
 * flushed, at the 15th page or at `lruAddDrain`. Takes a reference for the time in the batch.
 * @kernel folio_add_lru (spec reclaim 4.10)
 */
export function folioAddLru(state: ReclaimState, pfn: number, cpu: number): void {
  state.map.next[pfn] = IN_ADD_BATCH;
  batchAdd(state, LruBatch.LRU_ADD, pfn, cpu);
}

/** Makes an inactive page active, through a batch. @kernel folio_activate (spec reclaim 4.10) */
export function folioActivate(state: ReclaimState, pfn: number, cpu: number): void {
  if ((state.map.flags[pfn] & (PG_lru | PG_active | PG_unevictable)) === PG_lru) {
    batchAdd(state, LruBatch.ACTIVATE, pfn, cpu);
  }
}

/** Makes an active page inactive, through a batch. @kernel deactivate_page (spec reclaim 4.10) */
export function deactivatePage(state: ReclaimState, pfn: number, cpu: number): void {
  const wanted = PG_lru | PG_active;
  if ((state.map.flags[pfn] & (wanted | PG_unevictable)) === wanted) {
    batchAdd(state, LruBatch.LRU_DEACTIVATE, pfn, cpu);
  }
}

/** Says that a file page is not needed any more. @kernel deactivate_file_folio (spec reclaim 4.10) */
export function deactivateFileFolio(state: ReclaimState, pfn: number, cpu: number): void {
  if ((state.map.flags[pfn] & PG_unevictable) === 0) {
    batchAdd(state, LruBatch.LRU_DEACTIVATE_FILE, pfn, cpu);
  }
}

/** Says that the content of an anonymous page may be dropped (MADV_FREE). @kernel mark_page_lazyfree (spec reclaim 4.10) */
export function markPageLazyfree(state: ReclaimState, pfn: number, cpu: number): void {
  const flags = state.map.flags[pfn];
  if ((flags & PG_lru) !== 0 && canBeLazyfree(flags)) {
    batchAdd(state, LruBatch.LRU_LAZYFREE, pfn, cpu);
  }
}

/** Sends a page whose write-back ended to the tail. @kernel folio_rotate_reclaimable (spec reclaim 4.10) */
export function folioRotateReclaimable(state: ReclaimState, pfn: number, cpu: number): void {
  const flags = state.map.flags[pfn];
  if ((flags & (PG_lru | PG_locked | PG_dirty | PG_unevictable)) === PG_lru) {
    batchAdd(state, LruBatch.LRU_ROTATE, pfn, cpu);
  }
}

/**
 * Appends a page to a batch, with a reference; a full batch is flushed at once.
 * @kernel folio_batch_add_and_move (spec reclaim 4.10)
 */
export function batchAdd(state: ReclaimState, batch: number, pfn: number, cpu: number): void {
  const cell = cpu * NR_LRU_BATCHES + batch;
  const count = state.batchCount[cell];
  state.map.refcount[pfn]++;
  state.batchPages[cell * PAGEVEC_SIZE + count] = pfn;
  state.batchCount[cell] = count + 1;
  if (count + 1 === PAGEVEC_SIZE || state.lruDisableCount > 0) flushBatch(state, batch, cpu);
}

/** Moves all pages of a batch to where they belong and drops its references. @kernel folio_batch_move_lru (spec reclaim 4.10) */
export function flushBatch(state: ReclaimState, batch: number, cpu: number): void {
  const cell = cpu * NR_LRU_BATCHES + batch;
  const count = state.batchCount[cell];
  const { batchPages } = state;
  const { flags } = state.map;
  const start = cell * PAGEVEC_SIZE;
  if (batch === LruBatch.MLOCK) {
    mlockFolioBatch(state, start, count, cpu);
  } else {
    const move = MOVE_FUNCTIONS[batch];
    for (let i = start; i < start + count; i++) {
      const pfn = batchPages[i];
      if (batch !== LruBatch.LRU_ADD) {
        if ((flags[pfn] & PG_lru) === 0) continue;
        flags[pfn] &= ~PG_lru;
      }
      move(state, pfn, cpu);
      flags[pfn] |= PG_lru;
    }
  }
  state.batchCount[cell] = 0;
  releasePages(state, batchPages, start, count, cpu);
}

/** Flushes all batches of a CPU. @kernel lru_add_drain (spec reclaim 4.10) */
export function lruAddDrain(state: ReclaimState, cpu: number): void {
  const first = cpu * NR_LRU_BATCHES;
  for (let batch = 0; batch < NR_LRU_BATCHES; batch++) {
    if (state.batchCount[first + batch] !== 0) flushBatch(state, batch, cpu);
  }
}

/** Flushes all batches of all CPUs, each on its own CPU. @kernel lru_add_drain_all (spec reclaim 4.10) */
export function lruAddDrainAll(state: ReclaimState): void {
  for (let cpu = 0; cpu < state.model.cpuCount; cpu++) lruAddDrain(state, cpu);
}

/** @kernel lru_add_fn */
function lruAddFn(state: ReclaimState, pfn: number, cpu: number): void {
  const { map, trace, vm } = state;
  const flags = map.flags[pfn];
  const wasUnevictable = (flags & PG_unevictable) !== 0;
  if (isEvictable(flags)) {
    map.flags[pfn] = flags & ~PG_unevictable;
    if (wasUnevictable) countVmEvents(vm, cpu, VmEvent.unevictable_pgs_rescued, 1);
  } else {
    map.flags[pfn] = (flags & ~PG_active) | PG_unevictable;
    setMlockCount(state, pfn, 0);
    if (!wasUnevictable) countVmEvents(vm, cpu, VmEvent.unevictable_pgs_culled, 1);
  }
  lruvecAddFolio(state, pfn, cpu);
  trace?.mmLruInsertion?.(pfn, lruOf(map.flags[pfn]), map.flags[pfn], map.mapcount[pfn]);
}

/** @kernel lru_move_tail_fn */
function moveTail(state: ReclaimState, pfn: number, cpu: number): void {
  const { flags } = state.map;
  if ((flags[pfn] & PG_unevictable) !== 0) return;
  lruvecDelFolio(state, pfn, cpu);
  flags[pfn] &= ~PG_active;
  lruvecAddFolioTail(state, pfn, cpu);
  countVmEvents(state.vm, cpu, VmEvent.pgrotated, 1);
}

/** @kernel lru_deactivate_file_fn */
function deactivateFile(state: ReclaimState, pfn: number, cpu: number): void {
  const { flags, mapcount } = state.map;
  const before = flags[pfn];
  if ((before & PG_unevictable) !== 0 || mapcount[pfn] !== 0) return;
  lruvecDelFolio(state, pfn, cpu);
  flags[pfn] &= ~(PG_active | PG_referenced);
  if ((before & (PG_writeback | PG_dirty)) !== 0) {
    // The page is on its way to disk: it goes to the tail when it arrived there.
    lruvecAddFolio(state, pfn, cpu);
    flags[pfn] |= PG_reclaim;
  } else {
    lruvecAddFolioTail(state, pfn, cpu);
    countVmEvents(state.vm, cpu, VmEvent.pgrotated, 1);
  }
  if ((before & PG_active) !== 0) countVmEvents(state.vm, cpu, VmEvent.pgdeactivate, 1);
}

/** @kernel lru_deactivate_fn */
function deactivate(state: ReclaimState, pfn: number, cpu: number): void {
  const { flags } = state.map;
  if ((flags[pfn] & (PG_active | PG_unevictable)) !== PG_active) return;
  lruvecDelFolio(state, pfn, cpu);
  flags[pfn] &= ~(PG_active | PG_referenced);
  lruvecAddFolio(state, pfn, cpu);
  countVmEvents(state.vm, cpu, VmEvent.pgdeactivate, 1);
}

/** @kernel lru_lazyfree_fn */
function lazyfree(state: ReclaimState, pfn: number, cpu: number): void {
  const { flags } = state.map;
  if (!canBeLazyfree(flags[pfn])) return;
  lruvecDelFolio(state, pfn, cpu);
  flags[pfn] &= ~(PG_active | PG_referenced | PG_swapbacked);
  lruvecAddFolio(state, pfn, cpu);
  countVmEvents(state.vm, cpu, VmEvent.pglazyfree, 1);
}

/** @kernel folio_activate_fn */
function activate(state: ReclaimState, pfn: number, cpu: number): void {
  const { flags } = state.map;
  if ((flags[pfn] & (PG_active | PG_unevictable)) !== 0) return;
  lruvecDelFolio(state, pfn, cpu);
  flags[pfn] |= PG_active;
  lruvecAddFolio(state, pfn, cpu);
  state.trace?.mmLruActivate?.(pfn);
  countVmEvents(state.vm, cpu, VmEvent.pgactivate, 1);
}

function canBeLazyfree(flags: number): boolean {
  return (
    isAnon(flags) && !isFileLru(flags) && !inSwapcache(flags) && (flags & PG_unevictable) === 0
  );
}

/** What a flush does to a page, by batch. */
const MOVE_FUNCTIONS = [lruAddFn, moveTail, deactivateFile, deactivate, lazyfree, activate];
