import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { NodeStatItem, ZoneStatItem } from '../mm/vm-items.ts';
import { modNodeState, modZoneState, nodeState } from '../mm/vmstat.ts';
import { folioRotateReclaimable } from './batch.ts';
import { SWAP_CLUSTER_MAX } from './constants.ts';
import { inSwapcache } from './folio.ts';
import { nodeOf } from './lru.ts';
import type { ReclaimState } from './state.ts';

const { PG_dirty, PG_reclaim, PG_swapbacked, PG_writeback } = PageFlag;

const NR_FILE_DIRTY = NodeStatItem.nr_dirty;
const NR_WRITEBACK = NodeStatItem.nr_writeback;
const { NR_ZONE_WRITE_PENDING } = ZoneStatItem;

/**
 * Marks a page dirty.
 * @returns whether it was clean
 * @kernel folio_mark_dirty (spec reclaim 4.13)
 */
export function folioMarkDirty(state: ReclaimState, pfn: number, cpu: number): boolean {
  const { map, vm } = state;
  const before = map.flags[pfn];
  map.flags[pfn] = (before & ~PG_reclaim) | PG_dirty;
  if ((before & PG_dirty) !== 0) return false;
  const ofFile = (before & (PG_swapbacked | PageMark.MAPPING_ANON)) === 0;
  if (ofFile) state.host.dirtyFolio(pfn, cpu);
  if (accountsDirty(state, pfn, before)) {
    const node = nodeOf(state, pfn);
    modNodeState(vm, cpu, node, NR_FILE_DIRTY, 1);
    modZoneState(vm, cpu, map.zone[pfn] - 1, NR_ZONE_WRITE_PENDING, 1);
    modNodeState(vm, cpu, node, NodeStatItem.nr_dirtied, 1);
  }
  return true;
}

/**
 * Takes the dirty mark off a page that is about to be written, or thrown away.
 * @returns whether it was dirty
 * @kernel folio_clear_dirty_for_io (spec reclaim 4.13)
 */
export function folioClearDirtyForIo(state: ReclaimState, pfn: number, cpu: number): boolean {
  const { map, vm } = state;
  const before = map.flags[pfn];
  if ((before & PG_dirty) === 0) return false;
  map.flags[pfn] = before & ~PG_dirty;
  if (accountsDirty(state, pfn, before)) {
    modNodeState(vm, cpu, nodeOf(state, pfn), NR_FILE_DIRTY, -1);
    modZoneState(vm, cpu, map.zone[pfn] - 1, NR_ZONE_WRITE_PENDING, -1);
  }
  return true;
}

/**
 * Marks a page as being written.
 * @returns whether it was not being written yet
 * @kernel folio_start_writeback (spec reclaim 4.13)
 */
export function folioStartWriteback(state: ReclaimState, pfn: number, cpu: number): boolean {
  const { map, vm } = state;
  if ((map.flags[pfn] & PG_writeback) !== 0) return false;
  map.flags[pfn] |= PG_writeback;
  modNodeState(vm, cpu, nodeOf(state, pfn), NR_WRITEBACK, 1);
  modZoneState(vm, cpu, map.zone[pfn] - 1, NR_ZONE_WRITE_PENDING, 1);
  return true;
}

/**
 * A page was written: one that reclaim waits for goes to the tail of its list.
 * @kernel folio_end_writeback (spec reclaim 4.13)
 */
export function folioEndWriteback(state: ReclaimState, pfn: number, cpu: number): void {
  const { map, vm } = state;
  const node = nodeOf(state, pfn);
  if ((map.flags[pfn] & PG_reclaim) !== 0) {
    map.flags[pfn] &= ~PG_reclaim;
    folioRotateReclaimable(state, pfn, cpu);
  }
  map.flags[pfn] &= ~PG_writeback;
  modNodeState(vm, cpu, node, NR_WRITEBACK, -1);
  modZoneState(vm, cpu, map.zone[pfn] - 1, NR_ZONE_WRITE_PENDING, -1);
  modNodeState(vm, cpu, node, NodeStatItem.nr_written, 1);
  if (state.nrWritebackThrottled[node] > 0) accThrottledWritten(state, node, cpu);
}

/**
 * Counts a written page while somebody sleeps for such progress, and wakes them when there was enough.
 * @kernel __acct_reclaim_writeback (spec reclaim 4.13)
 */
function accThrottledWritten(state: ReclaimState, node: number, cpu: number): void {
  modNodeState(state.vm, cpu, node, NodeStatItem.nr_throttled_written, 1);
  const written = nodeState(state.vm, node, NodeStatItem.nr_throttled_written);
  const grown = written - state.nrReclaimStart[node];
  if (grown > SWAP_CLUSTER_MAX * state.nrWritebackThrottled[node]) {
    state.writebackWoken[node] = 1;
  }
}

/** Anonymous pages and pages in the swap cache are never counted; of others the host decides. */
function accountsDirty(state: ReclaimState, pfn: number, flags: number): boolean {
  if ((flags & PG_swapbacked) !== 0 || inSwapcache(flags)) return false;
  if ((flags & PageMark.MAPPING_ANON) !== 0) return false;
  return state.host.accountsDirty(pfn);
}
