import { buddyOrder, compoundHead, compoundOrder, isCompound } from '../mm/page-map.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import type { CompactControl } from './compact-control.ts';
import type { CompactionContext } from './compaction-context.ts';
import { COMPACT_CLUSTER_MAX } from './constants.ts';

/**
 * Isolates free blocks of a piece of a pageblock as migration targets, until there are as many
 * target pages as sources or a watermark forbids more.
 *
 * @param startPfn where to start
 * @param endPfn one past the last page
 * @param stride pages from one look to the next
 * @returns where it stopped
 * @kernel isolate_freepages_block (spec slowpath-compaction 4.21)
 */
export function isolateFreepagesBlock(
  ctx: CompactionContext,
  cc: CompactControl,
  startPfn: number,
  endPfn: number,
  stride: number,
): number {
  const { map, vmstat } = ctx.model;
  let scanned = 0;
  let total = 0;
  let pfn = startPfn;
  for (; pfn < endPfn; pfn += stride) {
    if (pfn % COMPACT_CLUSTER_MAX === 0 && ctx.task.fatalSignalPending) {
      cc.contended = true;
      break;
    }
    scanned++;
    if (isCompound(map, pfn)) {
      if (compoundHead(map, pfn) === pfn) pfn += (1 << compoundOrder(map, pfn)) - 1;
      continue;
    }
    const order = buddyOrder(map, pfn);
    if (order < 0) continue;
    const taken = isolateTarget(ctx, cc, pfn, order);
    if (taken === 0) break;
    scanned += taken - 1;
    total += taken;
    if (cc.nrFreepages >= cc.nrMigratepages) {
      pfn += taken;
      break;
    }
    pfn += taken - 1;
  }
  if (pfn > endPfn) pfn = endPfn;
  ctx.trace?.mmCompactionIsolateFreepages?.(startPfn, pfn, scanned, total);
  cc.totalFreeScanned += scanned;
  if (total > 0) countVmEvents(vmstat, cc.cpu, VmEvent.compact_isolated, total);
  return pfn;
}

/** Takes one free block as a target; the pages taken, 0 if the watermark forbids it. */
export function isolateTarget(
  ctx: CompactionContext,
  cc: CompactControl,
  pfn: number,
  order: number,
): number {
  const taken = ctx.pages.isolateFreePage(pfn, order, cc.cpu);
  if (taken === 0) return 0;
  cc.isolatedPfns.push(pfn);
  cc.isolatedOrders.push(order);
  cc.nrFreepages += taken;
  return taken;
}
