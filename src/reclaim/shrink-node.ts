import { isManaged } from '../mm/zone.ts';
import { gfpCompactionAllowed } from './balanced.ts';
import {
  CompactResult,
  compactGap,
  DEF_PRIORITY,
  LruList,
  LruvecFlag,
  PAGE_ALLOC_COSTLY_ORDER,
  PgdatFlag,
  VmscanThrottle,
} from './constants.ts';
import { lruNodeSize } from './lru.ts';
import { clearPassCounts, type ScanControl } from './scan-control.ts';
import { prepareScanCount } from './scan-count.ts';
import { shrinkLruvec } from './shrink-lruvec.ts';
import { shrinkSlab } from './shrinker.ts';
import type { ReclaimState } from './state.ts';
import { reclaimThrottle } from './throttle.ts';

/**
 * Reclaims pages of a node: its LRU lists, then the shrinkers; again while compaction needs more.
 * @kernel shrink_node (spec reclaim 4.17)
 */
export function shrinkNode(state: ReclaimState, node: number, sc: ScanControl, cpu: number): void {
  state.trace?.functionEntry?.('shrink_node', {
    pgdat: node,
    order: sc.order,
    priority: sc.priority,
  });
  const { lruvecFlags, model, task } = state;
  let reclaimable = false;
  let gain = 0;
  do {
    const before = sc.nrReclaimed;
    clearPassCounts(sc);
    prepareScanCount(state, node, sc);
    shrinkLruvec(state, node, sc, cpu);
    shrinkSlab(state, sc.gfpMask, node, sc.priority, cpu);
    sc.nrReclaimed += state.reclaimState.reclaimedSlab;
    state.reclaimState.reclaimedSlab = 0;
    gain = sc.nrReclaimed - before;
    if (gain > 0) reclaimable = true;
    if (task.pfKswapd) noteCondition(state, node, sc);
    const congested = (lruvecFlags[node] & LruvecFlag.LRUVEC_CONGESTED) !== 0;
    if (congested && !task.pfKswapd && !task.pfLocalThrottle && !sc.hibernationMode) {
      reclaimThrottle(state, node, VmscanThrottle.VMSCAN_THROTTLE_CONGESTED);
    }
  } while (shouldContinueReclaim(state, node, gain, sc));
  if (reclaimable) model.nodes[node].kswapdFailures = 0;
}

/** What kswapd learns from a pass about dirty pages and pages in write-back. */
function noteCondition(state: ReclaimState, node: number, sc: ScanControl): void {
  const { lruvecFlags, pgdatFlags } = state;
  if (sc.nrWriteback !== 0 && sc.nrWriteback === sc.nrTaken) {
    pgdatFlags[node] |= PgdatFlag.PGDAT_WRITEBACK;
  }
  // Also when both are 0: a pass that took no file page at all.
  if (sc.nrUnqueuedDirty === sc.nrFileTaken) pgdatFlags[node] |= PgdatFlag.PGDAT_DIRTY;
  if (sc.nrImmediate !== 0) {
    reclaimThrottle(state, node, VmscanThrottle.VMSCAN_THROTTLE_WRITEBACK);
  }
  if (sc.nrDirty !== 0 && sc.nrDirty === sc.nrCongested) {
    lruvecFlags[node] |= LruvecFlag.LRUVEC_CONGESTED;
  }
}

/**
 * Whether reclaim for compaction goes on: it got somewhere, no zone is ready, and there is more.
 * @param gain pages freed by the last pass
 * @kernel should_continue_reclaim (spec reclaim 4.17)
 */
function shouldContinueReclaim(
  state: ReclaimState,
  node: number,
  gain: number,
  sc: ScanControl,
): boolean {
  if (!inReclaimCompaction(state, sc) || gain === 0) return false;
  const { host, model, swap } = state;
  for (let index = 0; index <= sc.reclaimIdx; index++) {
    const zone = model.nodes[node].zones[index];
    if (!isManaged(zone)) continue;
    const suitable = host.compactionSuitable(zone.id, sc.order, sc.reclaimIdx);
    if (suitable === CompactResult.COMPACT_SUCCESS) return false;
    if (suitable === CompactResult.COMPACT_CONTINUE) return false;
  }
  let inactive = lruNodeSize(state, node, LruList.LRU_INACTIVE_FILE);
  if (swap.nrFree > 0) inactive += lruNodeSize(state, node, LruList.LRU_INACTIVE_ANON);
  return inactive > compactGap(sc.order);
}

/** @kernel in_reclaim_compaction */
function inReclaimCompaction(state: ReclaimState, sc: ScanControl): boolean {
  if (!gfpCompactionAllowed(state, sc.gfpMask) || sc.order === 0) return false;
  return sc.order > PAGE_ALLOC_COSTLY_ORDER || sc.priority < DEF_PRIORITY - 2;
}
