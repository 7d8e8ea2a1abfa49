import { ZoneStatItem } from '../mm/vm-items.ts';
import { zoneStateSnapshot } from '../mm/vmstat.ts';
import { WatermarkIndex, wmarkPages } from '../mm/zone.ts';
import type { CompactionContext } from './compaction-context.ts';
import {
  CompactPriority,
  CompactResult,
  MAX_COMPACT_RETRIES,
  MAX_RECLAIM_RETRIES,
  PAGE_ALLOC_COSTLY_ORDER,
} from './constants.ts';
import { eachZone } from './each-zone.ts';
import { compactionSuitableWith } from './suitable.ts';
import type { SlowPathPages, SlowPathReclaim, SlowPathRequest } from './types.ts';

/** The registers of one slow path that outlive a round. */
export interface RetryState {
  /** Rounds without progress. */
  noProgressLoops: number;
  /** Result of the last compaction. */
  compactResult: number;
  /** Priority of the next compaction. */
  compactPriority: number;
  /** Successful compactions that gave no page. */
  compactRetries: number;
}

/**
 * Whether another round of reclaim may help.
 * @param didSomeProgress whether the last round freed pages
 * @kernel should_reclaim_retry (spec slowpath-compaction 4.8)
 */
export function shouldReclaimRetry(
  ctx: CompactionContext,
  pages: SlowPathPages,
  reclaim: SlowPathReclaim,
  request: SlowPathRequest,
  order: number,
  allocFlags: number,
  didSomeProgress: boolean,
  state: RetryState,
  cpu: number,
): boolean {
  if (didSomeProgress && order <= PAGE_ALLOC_COSTLY_ORDER) state.noProgressLoops = 0;
  else state.noProgressLoops++;
  if (state.noProgressLoops <= MAX_RECLAIM_RETRIES) {
    for (const zone of eachZone(request)) {
      const reclaimable = reclaim.zoneReclaimablePages(zone);
      const free = zoneStateSnapshot(ctx.model.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES);
      const available = reclaimable + free;
      const mark = wmarkPages(zone, WatermarkIndex.WMARK_MIN);
      const ok = pages.watermarkOkWith(
        zone,
        order,
        mark,
        request.highestZoneidx,
        allocFlags,
        available,
      );
      ctx.trace?.reclaimRetryZone?.(
        zone.node,
        zone.index,
        order,
        reclaimable,
        available,
        mark,
        state.noProgressLoops,
        ok,
      );
      if (ok) return true;
    }
  }
  // Before giving up, let the HIGHATOMIC reserve go.
  return pages.unreserveHighatomicPageblock(request, true, cpu);
}

/**
 * Whether another round of compaction may help; may raise its priority.
 * @kernel should_compact_retry (spec slowpath-compaction 4.9)
 */
export function shouldCompactRetry(
  ctx: CompactionContext,
  reclaim: SlowPathReclaim,
  request: SlowPathRequest,
  order: number,
  allocFlags: number,
  state: RetryState,
): boolean {
  if (order === 0 || ctx.task.fatalSignalPending) return false;
  const retries = state.compactRetries;
  const priority = state.compactPriority;
  const costly = order > PAGE_ALLOC_COSTLY_ORDER;
  const result = state.compactResult;
  let maxRetries = MAX_COMPACT_RETRIES;
  let answer: boolean;
  if (result === CompactResult.COMPACT_SUCCESS) state.compactRetries++;
  if (result === CompactResult.COMPACT_SKIPPED) {
    answer = compactionZonelistSuitable(ctx, reclaim, request, order, allocFlags);
  } else {
    let withinLimit = false;
    if (result === CompactResult.COMPACT_SUCCESS) {
      if (costly) maxRetries /= 4;
      withinLimit = state.compactRetries <= maxRetries;
    }
    answer = withinLimit || raisePriority(state, costly);
  }
  ctx.trace?.compactRetry?.(order, priority, result, retries, maxRetries, answer);
  return answer;
}

/** Makes the next compaction try harder; false when it cannot. */
function raisePriority(state: RetryState, costly: boolean): boolean {
  const floor = costly
    ? CompactPriority.COMPACT_PRIO_SYNC_LIGHT
    : CompactPriority.COMPACT_PRIO_SYNC_FULL;
  if (state.compactPriority <= floor) return false;
  state.compactPriority--;
  state.compactRetries = 0;
  return true;
}

/**
 * Whether compaction could work in some zone if reclaim went on.
 * @kernel compaction_zonelist_suitable (spec slowpath-compaction 4.9)
 */
function compactionZonelistSuitable(
  ctx: CompactionContext,
  reclaim: SlowPathReclaim,
  request: SlowPathRequest,
  order: number,
  allocFlags: number,
): boolean {
  return eachZone(request).some((zone) => {
    const free = zoneStateSnapshot(ctx.model.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES);
    // Divided by the order, not by the block size: so does the kernel.
    const available = Math.floor(reclaim.zoneReclaimablePages(zone) / order) + free;
    const suitable = compactionSuitableWith(
      ctx,
      zone,
      order,
      allocFlags,
      request.highestZoneidx,
      available,
    );
    return suitable === CompactResult.COMPACT_CONTINUE;
  });
}
