import { ZoneStatItem } from '../mm/vm-items.ts';
import { zoneState } from '../mm/vmstat.ts';
import { WatermarkIndex, wmarkPages, type Zone } from '../mm/zone.ts';
import type { CompactionContext } from './compaction-context.ts';
import { AllocFlag, CompactResult, PAGE_ALLOC_COSTLY_ORDER } from './constants.ts';

/** Free pages that a run needs beyond the mark. @kernel compact_gap */
export function compactGap(order: number): number {
  return 2 << order;
}

/**
 * Whether a zone has enough free pages for compaction, and needs it.
 * @param target free pages that the zone has or would have after reclaim
 * @returns `COMPACT_SUCCESS` (a block exists), `COMPACT_SKIPPED` or `COMPACT_CONTINUE`
 * @kernel __compaction_suitable (spec slowpath-compaction 4.14)
 */
export function compactionSuitableWith(
  ctx: CompactionContext,
  zone: Zone,
  order: number,
  allocFlags: number,
  highestZoneidx: number,
  target: number,
): number {
  if (order === -1) return CompactResult.COMPACT_CONTINUE;
  const mark = wmarkPages(zone, allocFlags & AllocFlag.ALLOC_WMARK_MASK);
  if (ctx.pages.zoneWatermarkOk(zone, order, mark, highestZoneidx, allocFlags)) {
    return CompactResult.COMPACT_SUCCESS;
  }
  const costly = order > PAGE_ALLOC_COSTLY_ORDER;
  const base = wmarkPages(zone, costly ? WatermarkIndex.WMARK_LOW : WatermarkIndex.WMARK_MIN);
  const needed = base + compactGap(order);
  const enough = ctx.pages.watermarkOkWith(
    zone,
    0,
    needed,
    highestZoneidx,
    AllocFlag.ALLOC_CMA,
    target,
  );
  return enough ? CompactResult.COMPACT_CONTINUE : CompactResult.COMPACT_SKIPPED;
}

/**
 * Whether to compact a zone now: like `compactionSuitableWith` with the zone's free pages, and for
 * costly orders only if fragmentation, not lack of memory, is what makes requests fail.
 * @returns `COMPACT_SUCCESS`, `COMPACT_SKIPPED` or `COMPACT_CONTINUE`
 * @kernel compaction_suitable (spec slowpath-compaction 4.14)
 */
export function compactionSuitable(
  ctx: CompactionContext,
  zone: Zone,
  order: number,
  allocFlags: number,
  highestZoneidx: number,
): number {
  const { model } = ctx;
  const free = zoneState(model.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES);
  let result = compactionSuitableWith(ctx, zone, order, allocFlags, highestZoneidx, free);
  if (result === CompactResult.COMPACT_CONTINUE && order > PAGE_ALLOC_COSTLY_ORDER) {
    const index = ctx.pages.fragmentationIndex(zone.id, order);
    if (index >= 0 && index <= model.tunables.extfragThreshold) {
      result = CompactResult.COMPACT_NOT_SUITABLE_ZONE;
    }
  }
  ctx.trace?.mmCompactionSuitable?.(zone.node, zone.index, order, result);
  return result === CompactResult.COMPACT_NOT_SUITABLE_ZONE
    ? CompactResult.COMPACT_SKIPPED
    : result;
}
