import { compoundOrder, type PageMap, zoneIdOf } from '../mm/page-map.ts';
import type { Zone } from '../mm/zone.ts';

/** First page frame of the pageblock that holds `pfn`. @kernel pageblock_start_pfn */
export function pageblockStartPfn(map: PageMap, pfn: number): number {
  return blockStartPfn(pfn, map.pageblockOrder);
}

/** One past the pageblock that holds `pfn`. @kernel pageblock_end_pfn */
export function pageblockEndPfn(map: PageMap, pfn: number): number {
  return blockEndPfn(pfn, map.pageblockOrder);
}

/** First page frame of the block of `order` that holds `pfn`. @kernel block_start_pfn */
export function blockStartPfn(pfn: number, order: number): number {
  return pfn & -(1 << order);
}

/** One past the block of `order` that holds `pfn`. @kernel block_end_pfn */
export function blockEndPfn(pfn: number, order: number): number {
  return (pfn & -(1 << order)) + (1 << order);
}

/**
 * Whether a piece of a pageblock lies in a zone: both its ends are initialised pages of it. A zone
 * without holes needs no look.
 * @kernel pageblock_pfn_to_page (spec slowpath-compaction 4.17)
 */
export function blockIsInZone(map: PageMap, zone: Zone, startPfn: number, endPfn: number): boolean {
  if (zone.contiguous) return true;
  return zoneIdOf(map, startPfn) === zone.id && zoneIdOf(map, endPfn - 1) === zone.id;
}

/** Whether the page is part of a compound page at least as large as a pageblock. */
export function isHugeCompound(map: PageMap, pfn: number): boolean {
  return compoundOrder(map, pfn) >= map.pageblockOrder;
}
