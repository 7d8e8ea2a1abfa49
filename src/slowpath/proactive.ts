import { isPopulated, type Zone } from '../mm/zone.ts';
import type { CompactionContext } from './compaction-context.ts';
import { COMPACTION_HPAGE_ORDER } from './constants.ts';

/** Percentage of a zone's free memory that no huge page can use. @kernel fragmentation_score_zone */
export function fragmentationScoreZone(ctx: CompactionContext, zone: Zone): number {
  return ctx.pages.extfragForOrder(zone.id, COMPACTION_HPAGE_ORDER);
}

/** A node's score: its zones' by their share of memory. @kernel fragmentation_score_node (spec 4.25) */
export function fragmentationScoreNode(ctx: CompactionContext, nodeId: number): number {
  const node = ctx.model.nodes[nodeId];
  let score = 0;
  for (const zone of node.zones) {
    if (!isPopulated(zone)) continue;
    const weighted = zone.presentPages * fragmentationScoreZone(ctx, zone);
    score += Math.floor(weighted / (node.presentPages + 1));
  }
  return score;
}

/** Score at which proactive compaction starts, or stops if `low`. @kernel fragmentation_score_wmark (spec 4.25) */
export function fragmentationScoreWmark(ctx: CompactionContext, low: boolean): number {
  const lowMark = Math.max(100 - ctx.proactiveness, 5);
  return low ? lowMark : Math.min(lowMark + 10, 100);
}

/** Whether kcompactd should compact a node without being asked. @kernel should_proactive_compact_node */
export function shouldProactiveCompactNode(ctx: CompactionContext, nodeId: number): boolean {
  if (ctx.proactiveness === 0 || ctx.kswapdIsRunning(nodeId)) return false;
  return fragmentationScoreNode(ctx, nodeId) > fragmentationScoreWmark(ctx, false);
}
