import { nodeOfPage } from '../mm/memory-model.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { modNodeState } from '../mm/vmstat.ts';
import type { CompactControl } from './compact-control.ts';
import type { CompactionContext } from './compaction-context.ts';

/**
 * Adds to the node's count of isolated pages, file or anonymous.
 * @kernel mod_node_page_state(NR_ISOLATED_ANON + folio_is_file_lru)
 */
export function countIsolated(
  ctx: CompactionContext,
  pfn: number,
  cpu: number,
  delta: number,
): void {
  const file = (ctx.model.map.flags[pfn] & PageFlag.PG_swapbacked) === 0;
  const item = file ? NodeStatItem.nr_isolated_file : NodeStatItem.nr_isolated_anon;
  modNodeState(ctx.model.vmstat, cpu, nodeOfPage(ctx.model, pfn), item, delta);
}

/** Whether the page belongs to a driver that moves its own pages. @kernel __PageMovable */
export function isMovableNonLru(ctx: CompactionContext, pfn: number): boolean {
  return (ctx.model.map.flags[pfn] & PageMark.MAPPING_MOVABLE) !== 0;
}

/**
 * Gives all isolated sources back, from the head of their list on.
 * @kernel putback_movable_pages (spec slowpath-compaction 4.19)
 */
export function putbackMovablePages(ctx: CompactionContext, cc: CompactControl): void {
  const { migratepages } = cc;
  for (let pfn = migratepages.pop(); pfn !== undefined; pfn = migratepages.pop()) {
    if (isMovableNonLru(ctx, pfn)) {
      ctx.host.putbackPage?.(pfn);
      ctx.pages.freePages(pfn, 0, cc.cpu);
      continue;
    }
    countIsolated(ctx, pfn, cc.cpu, -1);
    ctx.lru.putbackLruPage(pfn, cc.cpu);
  }
}
