import { MAX_NR_ZONES, zoneId } from './zone-types.ts';

/** Watermark indices of `zone.watermark`. */
export const WatermarkIndex = {
  /** Below it only reserves are used. */
  WMARK_MIN: 0,
  /** Below it kswapd is woken. */
  WMARK_LOW: 1,
  /** Above it kswapd stops. */
  WMARK_HIGH: 2,
  /** Above it kswapd stops when it demotes pages. */
  WMARK_PROMO: 3,
} as const;

/**
 * A zone: a range of page frames of one node with its limits. Free lists are in `FreeAreas`, per-CPU
 * lists in `Pagesets`, counters in `Vmstat`, all addressed by `id`.
 *
 * @kernel struct zone (spec memory-model 2.6, buddy 2.3)
 */
export class Zone {
  /** Flat id: `node * MAX_NR_ZONES + index`. */
  readonly id: number;
  /** Node id. */
  readonly node: number;
  /** Zone index: 0 DMA, 1 DMA32, 2 Normal, 3 Movable. */
  readonly index: number;
  /** First page frame, 0 if the zone is empty. */
  startPfn = 0;
  /** Pages from first to last, holes included. */
  spannedPages = 0;
  /** Pages of RAM, free or reserved. */
  presentPages = 0;
  /** Pages owned by the buddy allocator. */
  managedPages = 0;
  /** Raw watermarks (min, low, high, promo) in pages, without the boost. */
  readonly watermark: Int32Array = new Int32Array(4);
  /** Pages added to every watermark when it is read. */
  watermarkBoost = 0;
  /** Pages kept from requests that could also have used zones up to the index. */
  readonly lowmemReserve: Int32Array = new Int32Array(MAX_NR_ZONES);
  /** Pages in HIGHATOMIC pageblocks. */
  nrReservedHighatomic = 0;
  /** Pageblocks that are isolated now. */
  nrIsolatePageblock = 0;
  /** Bits of `ZoneFlag`. */
  flags = 0;
  /** Below this free count the exact reading is used where it matters; 0 for never. */
  percpuDriftMark = 0;
  /** Flush threshold last given to the per-CPU lists, pages. */
  pagesetHigh = 0;
  /** Chunk last given to the per-CPU lists, blocks. */
  pagesetBatch = 1;
  /** No holes: a shortcut of compaction. */
  contiguous = false;

  constructor(node: number, index: number) {
    this.id = zoneId(node, index);
    this.node = node;
    this.index = index;
  }
}

/** One past the last page frame of a zone. @kernel zone_end_pfn */
export function zoneEndPfn(zone: Zone): number {
  return zone.startPfn + zone.spannedPages;
}

/** Whether `pfn` lies in the span of a zone. @kernel zone_spans_pfn */
export function zoneSpansPfn(zone: Zone, pfn: number): boolean {
  return pfn >= zone.startPfn && pfn < zone.startPfn + zone.spannedPages;
}

/** Effective watermark: raw value plus boost, pages. @kernel wmark_pages */
export function wmarkPages(zone: Zone, index: number): number {
  return zone.watermark[index] + zone.watermarkBoost;
}

/** Whether the zone has RAM. @kernel populated_zone */
export function isPopulated(zone: Zone): boolean {
  return zone.presentPages > 0;
}

/** Whether the buddy allocator owns pages of the zone. @kernel managed_zone */
export function isManaged(zone: Zone): boolean {
  return zone.managedPages > 0;
}

/** Which of a node's two zonelists. */
export const ZonelistIndex = {
  /** All nodes, nearest first. */
  ZONELIST_FALLBACK: 0,
  /** This node only (`__GFP_THISNODE`). */
  ZONELIST_NOFALLBACK: 1,
} as const;

/**
 * A node: its zones, the order in which its requests try zones, and what kswapd left behind.
 *
 * @kernel pg_data_t (spec memory-model 2.5)
 */
export class MemoryNode {
  /** Node id. */
  readonly id: number;
  /** The four zones by index, empty ones included. */
  readonly zones: readonly Zone[];
  /** False for an id that the firmware does not know: a gap in the numbering. */
  possible = true;
  /** False for an id that has neither memory nor CPUs. */
  online = true;
  /** Lowest RAM page frame, 0 if none. */
  startPfn = 0;
  /** Sum of the zones' spanned pages. */
  spannedPages = 0;
  /** Sum of the zones' present pages. */
  presentPages = 0;
  /** 1 + highest zone index with a span, 0 if none. */
  nrZones = 0;
  /** Pages from here on are not initialised yet; infinite when none are left. */
  firstDeferredPfn: number = Number.POSITIVE_INFINITY;
  /** FALLBACK and NOFALLBACK zonelists: populated zones in order of preference. */
  readonly zonelists: [readonly Zone[], readonly Zone[]] = [[], []];
  /** CPUs in the node's mask (with `numa=fake=` a CPU is in several), ascending. */
  cpus: readonly number[] = [];
  /** Pages that requests keep away from page cache and such. */
  totalreservePages = 0;
  /** Node reclaim skips nodes with fewer unmapped file pages. */
  minUnmappedPages = 0;
  /** Node reclaim skips nodes with fewer reclaimable slab pages. */
  minSlabPages = 0;
  /** Highest order that kswapd was woken for. */
  kswapdOrder = 0;
  /** Highest zone index that kswapd was woken for; MAX_NR_ZONES for none. */
  kswapdHighestZoneidx: number = MAX_NR_ZONES;
  /** Runs of kswapd without a page freed. */
  kswapdFailures = 0;

  constructor(id: number) {
    this.id = id;
    this.zones = Array.from({ length: MAX_NR_ZONES }, (_, index) => new Zone(id, index));
  }
}
