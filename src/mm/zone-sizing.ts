import type { MemoryModel } from './memory-model.ts';
import { type MemoryRange, nodePfnRange, ramPagesIn } from './memory-range.ts';
import type { LogSink } from './trace.ts';
import { isPopulated, type MemoryNode, type Zone } from './zone.ts';
import { usableZoneForMovable, type ZoneBounds } from './zone-bounds.ts';
import { MAX_NR_ZONES, ZONE_NAMES, ZoneType } from './zone-types.ts';

/** Bytes of the kernel's own page map per page frame. @kernel sizeof(struct page) (spec 2.3) */
const STRUCT_PAGE_BYTES = 64;
const PAGE_BYTES = 4096;

/** What sizing needs besides the ranges. */
export interface ZoneSizingOptions {
  /** Architectural bounds. */
  readonly bounds: ZoneBounds;
  /** Start of ZONE_MOVABLE by node id, 0 for none. */
  readonly movablePfns: readonly number[];
  /** `kernelcore=mirror` is in force. */
  readonly mirroredKernelcore?: boolean;
  /** Pages of ZONE_DMA that cannot be given out, for the estimate. @kernel dma_reserve */
  readonly dmaReserve?: number;
  /** Bytes of the kernel's page map per page frame: 64 with SLUB (default), 56 with SLAB. */
  readonly structPageBytes?: number;
}

/**
 * Start, span, RAM pages of all zones of a node, and the estimate of the pages that the buddy
 * allocator will get.
 * @param log where the warning goes when a zone is smaller than its share of the page map
 * @kernel calculate_node_totalpages, free_area_init_core (spec memory-model 4.4, 4.5)
 */
export function sizeNodeZones(
  node: MemoryNode,
  ranges: readonly MemoryRange[],
  options: ZoneSizingOptions,
  log: LogSink | null = null,
): void {
  const { startPfn, endPfn } = nodePfnRange(ranges, node.id);
  node.startPfn = startPfn;
  node.spannedPages = 0;
  node.presentPages = 0;
  node.nrZones = 0;
  for (const zone of node.zones) {
    sizeZone(zone, ranges, startPfn, endPfn, options);
    estimateManagedPages(zone, options, log);
    node.spannedPages += zone.spannedPages;
    node.presentPages += zone.presentPages;
    if (zone.spannedPages > 0) node.nrZones = zone.index + 1;
  }
}

function sizeZone(
  zone: Zone,
  ranges: readonly MemoryRange[],
  nodeStart: number,
  nodeEnd: number,
  options: ZoneSizingOptions,
): void {
  zone.startPfn = 0;
  zone.spannedPages = 0;
  zone.presentPages = 0;
  if (nodeEnd === 0) return;
  const { low, high } = options.bounds;
  let start = clamp(nodeStart, low[zone.index], high[zone.index]);
  let end = clamp(nodeEnd, low[zone.index], high[zone.index]);
  const movable = options.movablePfns[zone.node];
  if (movable !== 0) {
    if (zone.index === ZoneType.ZONE_MOVABLE) {
      start = movable;
      end = Math.min(nodeEnd, high[usableZoneForMovable(options.bounds)]);
    } else if (options.mirroredKernelcore !== true && start < movable && movable < end) {
      end = movable;
    } else if (start >= movable) {
      start = end;
    }
  }
  if (end < nodeStart || start > nodeEnd) return;
  const absent = end - start - presentPagesIn(zone, ranges, start, end, options);
  end = Math.min(end, nodeEnd);
  start = Math.max(start, nodeStart);
  if (start >= end) return;
  zone.startPfn = start;
  zone.spannedPages = end - start;
  zone.presentPages = zone.spannedPages - absent;
}

/** RAM pages that belong to a zone: all in its span, or in mirror mode those of the right kind. */
function presentPagesIn(
  zone: Zone,
  ranges: readonly MemoryRange[],
  start: number,
  end: number,
  options: ZoneSizingOptions,
): number {
  const inMirrorMode = options.mirroredKernelcore === true && options.movablePfns[zone.node] !== 0;
  if (inMirrorMode && zone.index === ZoneType.ZONE_MOVABLE) {
    const unmirrored = ranges.filter((range) => range.mirror !== true);
    return ramPagesIn(unmirrored, zone.node, start, end);
  }
  if (inMirrorMode && zone.index === ZoneType.ZONE_NORMAL) {
    const mirrored = ranges.filter((range) => range.mirror === true);
    return ramPagesIn(mirrored, zone.node, start, end);
  }
  return ramPagesIn(ranges, zone.node, start, end);
}

/**
 * Pages of a zone less its share of the kernel's page map: used for the mobility decision and to
 * size hash tables, then discarded.
 */
function estimateManagedPages(
  zone: Zone,
  { dmaReserve = 0, structPageBytes }: ZoneSizingOptions,
  log: LogSink | null,
): void {
  const memmapPages = calcMemmapSize(zone.spannedPages, zone.presentPages, structPageBytes);
  let free = zone.presentPages;
  if (free >= memmapPages) {
    free -= memmapPages;
  } else {
    log?.(`  ${ZONE_NAMES[zone.index]} zone: ${memmapPages} memmap pages exceeds freesize ${free}`);
  }
  if (zone.index === 0 && free > dmaReserve) free -= dmaReserve;
  zone.managedPages = free;
}

/**
 * Pages that the kernel's page map of a zone takes: of its span, or of its RAM when there is much
 * less of that.
 * @param structPageBytes bytes of the map per page frame, default 64
 * @kernel calc_memmap_size (spec memory-model 4.5)
 */
export function calcMemmapSize(
  spannedPages: number,
  presentPages: number,
  structPageBytes: number = STRUCT_PAGE_BYTES,
): number {
  const sparse = spannedPages > presentPages + Math.floor(presentPages / 16);
  return Math.ceil(((sparse ? presentPages : spannedPages) * structPageBytes) / PAGE_BYTES);
}

/** Highest populated zone of a node, `undefined` for a node without memory. */
export function highestPopulatedZone(model: MemoryModel, node: number): Zone | undefined {
  const { zones } = model.nodes[node];
  for (let index = MAX_NR_ZONES - 1; index >= 0; index--) {
    if (isPopulated(zones[index])) return zones[index];
  }
  return undefined;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
