/** Zone indices of x86-64 with ZONE_DMA and ZONE_DMA32 (spec memory-model 2.6). */
export const ZoneType = {
  /** Below 16 MiB. */
  ZONE_DMA: 0,
  /** Below 4 GiB. */
  ZONE_DMA32: 1,
  /** The rest. */
  ZONE_NORMAL: 2,
  /** Only movable pages. */
  ZONE_MOVABLE: 3,
} as const;

/** Zones per node. */
export const MAX_NR_ZONES = 4;

/** Names as the kernel prints them, by index. */
export const ZONE_NAMES: readonly string[] = ['DMA', 'DMA32', 'Normal', 'Movable'];

/** First page frame past zone DMA. */
export const MAX_DMA_PFN = 4096;
/** First page frame past zone DMA32. */
export const MAX_DMA32_PFN = 0x100000;

/** Nodes that the kernel is built for (NODES_SHIFT 6). */
export const MAX_NUMNODES = 64;
/** Nodes that one model can hold: a zone id and "none" fit one byte of the page map. */
export const MODEL_NODES_MAX = 63;

/** Bits of `zone.flags`. */
export const ZoneFlag = {
  /** A boost is waiting for kswapd to be woken. */
  ZONE_BOOSTED_WATERMARK: 1,
  /** kswapd is reclaiming in the zone. */
  ZONE_RECLAIM_ACTIVE: 2,
} as const;

/** Flat id of a zone: nodes ascending, zone indices ascending within. */
export function zoneId(node: number, zoneIndex: number): number {
  return node * MAX_NR_ZONES + zoneIndex;
}
