import { listIsEmpty } from '../lib/list.ts';
import { MAX_ORDER } from '../lib/units.ts';
import { freeListHead } from '../mm/free-area.ts';
import type { CompactControl } from './compact-control.ts';
import type { CompactionContext } from './compaction-context.ts';
import { CompactResult } from './constants.ts';
import { fragmentationScoreWmark, fragmentationScoreZone } from './proactive.ts';
import { resetCachedPositions } from './zone-state.ts';

/** Whether the scanners have met. @kernel compact_scanners_met */
export function scannersMet(ctx: CompactionContext, cc: CompactControl): boolean {
  const { pageblockOrder } = ctx.model.map;
  return cc.freePfn >> pageblockOrder <= cc.migratePfn >> pageblockOrder;
}

/**
 * Whether a run may stop.
 * @returns `COMPACT_CONTINUE`, or how it ended
 * @kernel compact_finished (spec slowpath-compaction 4.16)
 */
export function compactFinished(ctx: CompactionContext, cc: CompactControl): number {
  const result = finishedRaw(ctx, cc);
  ctx.trace?.mmCompactionFinished?.(cc.zone.node, cc.zone.index, cc.order, result);
  return result === CompactResult.COMPACT_NO_SUITABLE_PAGE
    ? CompactResult.COMPACT_CONTINUE
    : result;
}

function finishedRaw(ctx: CompactionContext, cc: CompactControl): number {
  if (scannersMet(ctx, cc)) {
    resetCachedPositions(ctx.model, cc.zone, cc.state);
    if (cc.direct) cc.state.blockskipFlush = true;
    return cc.wholeZone ? CompactResult.COMPACT_COMPLETE : CompactResult.COMPACT_PARTIAL_SKIPPED;
  }
  if (cc.proactive) {
    if (ctx.kswapdIsRunning(cc.zone.node)) return CompactResult.COMPACT_PARTIAL_SKIPPED;
    const low = fragmentationScoreWmark(ctx, true);
    const ended = fragmentationScoreZone(ctx, cc.zone) <= low;
    return unlessContended(
      ctx,
      cc,
      ended ? CompactResult.COMPACT_SUCCESS : CompactResult.COMPACT_CONTINUE,
    );
  }
  if (cc.order === -1) return CompactResult.COMPACT_CONTINUE;
  if ((cc.migratePfn & ((1 << ctx.model.map.pageblockOrder) - 1)) !== 0) {
    return CompactResult.COMPACT_CONTINUE;
  }
  if (blockExists(ctx, cc)) return CompactResult.COMPACT_SUCCESS;
  return unlessContended(ctx, cc, CompactResult.COMPACT_NO_SUITABLE_PAGE);
}

function unlessContended(ctx: CompactionContext, cc: CompactControl, result: number): number {
  return cc.contended || ctx.task.fatalSignalPending ? CompactResult.COMPACT_CONTENDED : result;
}

/** Whether a free block exists that the request could take, its own type's or a stealable one. */
function blockExists(ctx: CompactionContext, cc: CompactControl): boolean {
  const { areas, map } = ctx.model;
  for (let order = cc.order; order < MAX_ORDER; order++) {
    if (!listIsEmpty(map, freeListHead(areas, cc.zone.id, order, cc.migratetype))) return true;
    if (ctx.pages.findSuitableFallback(cc.zone.id, order, cc.migratetype, true) >= 0) return true;
  }
  return false;
}
