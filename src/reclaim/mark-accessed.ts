import { PageFlag } from '../mm/page-flags.ts';
import { folioActivate } from './batch.ts';
import { LruBatch, NR_LRU_BATCHES, PAGEVEC_SIZE } from './constants.ts';
import { nodeOf } from './lru.ts';
import type { ReclaimState } from './state.ts';

const { PG_active, PG_lru, PG_referenced, PG_unevictable } = PageFlag;

/**
 * Notes that a page was used: the first time sets PG_referenced, the second one makes an inactive
 * page active.
 * @kernel folio_mark_accessed (spec reclaim 4.11)
 */
export function folioMarkAccessed(state: ReclaimState, pfn: number, cpu: number): void {
  const { flags } = state.map;
  const before = flags[pfn];
  if ((before & PG_referenced) === 0) {
    flags[pfn] = before | PG_referenced;
    return;
  }
  if ((before & (PG_unevictable | PG_active)) !== 0) return;
  if ((before & PG_lru) !== 0) folioActivate(state, pfn, cpu);
  else activateInBatch(state, pfn, cpu);
  flags[pfn] &= ~PG_referenced;
  state.nonresidentAge[nodeOf(state, pfn)]++;
}

/**
 * A page still in this CPU's add batch goes to the active list at the flush. One in the batch of
 * another CPU is left alone.
 * @kernel __lru_cache_activate_folio
 */
function activateInBatch(state: ReclaimState, pfn: number, cpu: number): void {
  const cell = cpu * NR_LRU_BATCHES + LruBatch.LRU_ADD;
  const start = cell * PAGEVEC_SIZE;
  for (let i = start + state.batchCount[cell] - 1; i >= start; i--) {
    if (state.batchPages[i] !== pfn) continue;
    state.map.flags[pfn] |= PG_active;
    return;
  }
}
