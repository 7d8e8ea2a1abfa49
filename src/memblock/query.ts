import { MemblockFlags } from './constants.ts';
import { firstEndAbove, searchRegion } from './region-array.ts';
import type { RegionArray } from './state.ts';
import type { MemblockRegion, PfnNid } from './types.ts';
import { capSize, pfnDown, pfnUp, wrap64 } from './u64.ts';

// Questions (spec memblock 4.16). Nothing here changes anything.

/** @internal Whether one entry contains `base` and reaches to the end of the range. @kernel memblock_is_region_memory */
export function isInOneRegion(type: RegionArray, base: bigint, size: bigint): boolean {
  const index = searchRegion(type, base);
  return index >= 0 && type.regions[index].end >= base + capSize(base, size);
}

/**
 * @internal Whether some entry overlaps the range; of size 0 only strictly inside an entry.
 * @kernel memblock_overlaps_region
 */
export function overlapsRegion({ regions }: RegionArray, base: bigint, size: bigint): boolean {
  const index = firstEndAbove(regions, base);
  return index < regions.length && regions[index].base < base + capSize(base, size);
}

/** @internal Region and node of a page frame, null if it is no memory. @kernel memblock_search_pfn_nid */
export function searchPfnNid(memory: RegionArray, pfn: number): PfnNid | null {
  const index = searchRegion(memory, wrap64(BigInt(pfn) * 4096n));
  if (index < 0) return null;
  const { base, end, nid } = memory.regions[index];
  return { nid, startPfn: pfnDown(base), endPfn: pfnDown(end) };
}

/** Whether two ranges overlap; their ends wrap modulo 2^64. @kernel memblock_addrs_overlap */
export function memblockAddrsOverlap(
  base1: bigint,
  size1: bigint,
  base2: bigint,
  size2: bigint,
): boolean {
  return base1 < wrap64(base2 + size2) && base2 < wrap64(base1 + size1);
}

/** Whether the entry is hot-pluggable. @kernel memblock_is_hotpluggable */
export function isHotpluggable(region: MemblockRegion): boolean {
  return (region.flags & MemblockFlags.MEMBLOCK_HOTPLUG) !== 0;
}

/** Whether the entry is mirrored. @kernel memblock_is_mirror */
export function isMirror(region: MemblockRegion): boolean {
  return (region.flags & MemblockFlags.MEMBLOCK_MIRROR) !== 0;
}

/** Whether the entry is outside the direct mapping. @kernel memblock_is_nomap */
export function isNomap(region: MemblockRegion): boolean {
  return (region.flags & MemblockFlags.MEMBLOCK_NOMAP) !== 0;
}

/** Whether a driver added the entry. @kernel memblock_is_driver_managed */
export function isDriverManaged(region: MemblockRegion): boolean {
  return (region.flags & MemblockFlags.MEMBLOCK_DRIVER_MANAGED) !== 0;
}

/** First whole page of a memory entry. @kernel memblock_region_memory_base_pfn */
export function memoryBasePfn(region: MemblockRegion): number {
  return pfnUp(region.base);
}

/** Page frame behind the last whole page of a memory entry. @kernel memblock_region_memory_end_pfn */
export function memoryEndPfn(region: MemblockRegion): number {
  return pfnDown(region.end);
}

/** First page touched by a reserved entry. @kernel memblock_region_reserved_base_pfn */
export function reservedBasePfn(region: MemblockRegion): number {
  return pfnDown(region.base);
}

/** Page frame behind the last page touched by a reserved entry. @kernel memblock_region_reserved_end_pfn */
export function reservedEndPfn(region: MemblockRegion): number {
  return pfnUp(region.end);
}
