import { Gfp } from '../mm/gfp.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { buddyOrder, pageblockMigratetype, setAllocatedOrder } from '../mm/page-map.ts';
import { zoneEndPfn } from '../mm/zone.ts';
import type { CompactControl } from './compact-control.ts';
import type { CompactionContext } from './compaction-context.ts';
import { COMPACT_CLUSTER_MAX, MigrateMode } from './constants.ts';
import { fastIsolateFreepages } from './fast-free-search.ts';
import { isolateFreepagesBlock } from './free-block.ts';
import { blockIsInZone, pageblockEndPfn, pageblockStartPfn } from './pageblock.ts';
import { isSkipped, updatePageblockSkip } from './skip-hints.ts';

/**
 * Fills the list of migration targets, from the end of the zone downwards.
 * @kernel isolate_freepages (spec slowpath-compaction 4.21)
 */
export function isolateFreepages(ctx: CompactionContext, cc: CompactControl): void {
  ctx.trace?.functionEntry?.('isolate_freepages', {
    free_pfn: cc.freePfn,
    migrate_pfn: cc.migratePfn,
  });
  fastIsolateFreepages(ctx, cc);
  if (cc.nrFreepages === 0) scanForFreepages(ctx, cc);
  splitMapPages(ctx, cc);
}

function scanForFreepages(ctx: CompactionContext, cc: CompactControl): void {
  const { model } = ctx;
  const step = 1 << model.map.pageblockOrder;
  const floor = pageblockEndPfn(model.map, cc.migratePfn);
  let isolatePfn = cc.freePfn;
  let block = pageblockStartPfn(model.map, isolatePfn);
  let end = Math.min(block + step, zoneEndPfn(cc.zone));
  let stride = cc.mode === MigrateMode.MIGRATE_ASYNC ? COMPACT_CLUSTER_MAX : 1;
  while (block >= floor) {
    if (isTargetBlock(ctx, cc, block, end)) {
      const before = cc.nrFreepages;
      isolatePfn = isolateFreepagesBlock(ctx, cc, isolatePfn, end, stride);
      if (isolatePfn === end) updatePageblockSkip(model, cc, block);
      if (cc.nrFreepages >= cc.nrMigratepages) {
        if (isolatePfn >= end) isolatePfn = block - step;
        break;
      }
      if (isolatePfn < end) break;
      stride = cc.nrFreepages > before ? 1 : Math.min(COMPACT_CLUSTER_MAX, stride * 2);
    }
    end = block;
    block -= step;
    isolatePfn = block;
  }
  cc.freePfn = isolatePfn;
}

/** Whether targets may be taken from a block. @kernel suitable_migration_target */
function isTargetBlock(
  ctx: CompactionContext,
  cc: CompactControl,
  block: number,
  end: number,
): boolean {
  const { model } = ctx;
  const { map } = model;
  if (!blockIsInZone(map, cc.zone, block, end)) return false;
  if (buddyOrder(map, block) >= map.pageblockOrder) return false;
  const type = pageblockMigratetype(map, block);
  if (!cc.ignoreBlockSuitable && type !== Migratetype.MIGRATE_MOVABLE) return false;
  return !isSkipped(model, cc, block);
}

/**
 * Turns the isolated blocks into single pages; each goes to the head of the list of targets.
 * @kernel split_map_pages (spec slowpath-compaction 4.20)
 */
function splitMapPages(ctx: CompactionContext, cc: CompactControl): void {
  const { map } = ctx.model;
  for (let block = 0; block < cc.isolatedPfns.length; block++) {
    const start = cc.isolatedPfns[block];
    const end = start + (1 << cc.isolatedOrders[block]);
    ctx.pages.prepNewPage(start, cc.isolatedOrders[block], Gfp.__GFP_MOVABLE, 0);
    for (let pfn = start; pfn < end; pfn++) {
      map.refcount[pfn] = 1;
      setAllocatedOrder(map, pfn, 0);
      cc.freepages.push(pfn);
    }
  }
  cc.isolatedPfns.length = 0;
  cc.isolatedOrders.length = 0;
}
