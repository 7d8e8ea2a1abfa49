import { Gfp } from '../mm/gfp.ts';
import { pageblockMigratetype } from '../mm/page-map.ts';
import type { Zone } from '../mm/zone.ts';
import { CompactControl, directCompactRequest } from './compact-control.ts';
import { compactZone } from './compact-zone.ts';
import type { CompactionContext } from './compaction-context.ts';
import { CompactPriority, CompactResult } from './constants.ts';
import { eachZone } from './each-zone.ts';
import type { CaptureControl, SlowPathRequest } from './types.ts';
import { compactionDeferReset, compactionDeferred, deferCompaction } from './zone-state.ts';

/** What direct compaction came to. */
export interface DirectCompaction {
  /** A value of `CompactResult`, the highest of all zones tried. */
  result: number;
  /** First page frame of a captured block, -1 for none. */
  captured: number;
}

/**
 * Compacts the zones of a request, one after another, until one has a block.
 * @kernel try_to_compact_pages (spec slowpath-compaction 4.13)
 */
export function tryToCompactPages(
  ctx: CompactionContext,
  request: SlowPathRequest,
  gfp: number,
  order: number,
  allocFlags: number,
  priority: number,
  cpu: number,
): DirectCompaction {
  ctx.trace?.functionEntry?.('try_to_compact_pages', {
    gfp_mask: gfp,
    order,
    alloc_flags: allocFlags,
    prio: priority,
  });
  const outcome: DirectCompaction = { result: CompactResult.COMPACT_SKIPPED, captured: -1 };
  if (!ctx.compaction || (gfp & Gfp.__GFP_IO) === 0) return outcome;
  const { task } = ctx;
  ctx.trace?.mmCompactionTryToCompactPages?.(order, gfp, priority);
  for (const zone of eachZone(request)) {
    const state = ctx.zones[zone.id];
    const mayDefer = priority > CompactPriority.COMPACT_PRIO_SYNC_FULL;
    if (mayDefer && compactionDeferred(state, zone, order, ctx.trace)) {
      outcome.result = Math.max(outcome.result, CompactResult.COMPACT_DEFERRED);
      continue;
    }
    const control = new CompactControl(
      directCompactRequest(gfp, order, allocFlags, request.highestZoneidx, priority, cpu),
      zone,
      state,
    );
    const status = compactWithCapture(ctx, control, zone, outcome);
    outcome.result = Math.max(outcome.result, status);
    if (status === CompactResult.COMPACT_SUCCESS) {
      compactionDeferReset(state, zone, order, false, ctx.trace);
      break;
    }
    const scannedAll =
      status === CompactResult.COMPACT_COMPLETE || status === CompactResult.COMPACT_PARTIAL_SKIPPED;
    const async = priority === CompactPriority.COMPACT_PRIO_ASYNC;
    if (!async && scannedAll) deferCompaction(state, zone, order, ctx.trace);
    if ((async && task.needResched) || task.fatalSignalPending) break;
  }
  return outcome;
}

/** Compacts a zone with frees allowed to deliver the block. @kernel compact_zone_order */
function compactWithCapture(
  ctx: CompactionContext,
  control: CompactControl,
  zone: Zone,
  outcome: DirectCompaction,
): number {
  const capture: CaptureControl = { zone: zone.id, order: control.order, page: -1 };
  const outer = ctx.pages.captureControl;
  ctx.pages.captureControl = capture;
  let status: number;
  try {
    status = compactZone(ctx, control, capture);
  } catch (error) {
    // A host callback threw after a block was caught: nobody would own it.
    if (capture.page >= 0) {
      const migratetype = pageblockMigratetype(ctx.model.map, capture.page);
      ctx.pages.putbackIsolatedPage(capture.page, control.order, migratetype, control.cpu);
    }
    throw error;
  } finally {
    ctx.pages.captureControl = outer;
  }
  if (capture.page < 0) return status;
  outcome.captured = capture.page;
  return CompactResult.COMPACT_SUCCESS;
}
