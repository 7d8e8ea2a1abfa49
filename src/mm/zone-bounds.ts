import { MAX_DMA_PFN, MAX_DMA32_PFN, MAX_NR_ZONES, ZoneType } from './zone-types.ts';

/** Where zones may lie on this architecture, the same for all nodes. */
export interface ZoneBounds {
  /** First page frame by zone index. @kernel arch_zone_lowest_possible_pfn */
  readonly low: readonly number[];
  /** One past the last page frame by zone index. @kernel arch_zone_highest_possible_pfn */
  readonly high: readonly number[];
}

/**
 * Bounds of the zones of x86-64: DMA below 16 MiB, DMA32 below 4 GiB, Normal the rest; Movable has
 * none of its own.
 * @param firstPfn page frame (rounded down) of the lowest memory region
 * @param maxLowPfn one past the highest page frame of RAM
 * @kernel zone_sizes_init, free_area_init (spec memory-model 4.2)
 */
export function archZoneBounds(firstPfn: number, maxLowPfn: number): ZoneBounds {
  const limits = [Math.min(MAX_DMA_PFN, maxLowPfn), Math.min(MAX_DMA32_PFN, maxLowPfn), maxLowPfn];
  const low = new Array<number>(MAX_NR_ZONES).fill(0);
  const high = new Array<number>(MAX_NR_ZONES).fill(0);
  let start = firstPfn;
  for (let index = 0; index < ZoneType.ZONE_MOVABLE; index++) {
    low[index] = start;
    high[index] = Math.max(limits[index], start);
    start = high[index];
  }
  return { low, high };
}

/**
 * The zone that ZONE_MOVABLE is cut from: the highest one that can hold anything.
 * @returns zone index, -1 when no zone can
 * @kernel find_usable_zone_for_movable (spec memory-model 4.3 step 1)
 */
export function usableZoneForMovable(bounds: ZoneBounds): number {
  let index = ZoneType.ZONE_MOVABLE - 1;
  while (index >= 0 && bounds.high[index] <= bounds.low[index]) index--;
  return index;
}
