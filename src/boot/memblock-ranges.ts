import type { Memblock } from '../memblock/memblock.ts';
import { isHotpluggable, isMirror } from '../memblock/query.ts';
import type { MemblockRegion } from '../memblock/types.ts';
import type { MemoryRange } from '../mm/memory-range.ts';
import type { PfnRange } from '../mm/sections.ts';
import { MAX_DMA_PFN } from '../mm/zone-types.ts';

const PAGE_BYTES = 4096n;

/** RAM of memblock in whole pages, as the memory model takes it; a region without a node is of node 0. */
export function memoryRanges(memblock: Memblock): MemoryRange[] {
  const { maxNumnodes } = memblock.state;
  return regionsOf(memblock, 'memory').flatMap((region) => {
    const startPfn = pfnUp(region.base);
    const endPfn = pfnDownAddr(region.end);
    if (startPfn >= endPfn) return [];
    const node = region.nid === maxNumnodes ? 0 : region.nid;
    return [{ startPfn, endPfn, node, hotplug: isHotpluggable(region), mirror: isMirror(region) }];
  });
}

/** RAM that nobody reserved, rounded inward to whole pages, ascending. */
export function freeRanges(memblock: Memblock): PfnRange[] {
  const { maxNumnodes } = memblock.state;
  return [...memblock.freeMemRanges()].flatMap(({ start, end, nid }) => {
    const startPfn = pfnUp(start);
    const endPfn = pfnDownAddr(end);
    if (startPfn >= endPfn) return [];
    return [{ startPfn, endPfn, node: nid === maxNumnodes ? 0 : nid }];
  });
}

/** What memblock has reserved, rounded outward to whole pages. */
export function reservedRanges(memblock: Memblock): { startPfn: number; endPfn: number }[] {
  return regionsOf(memblock, 'reserved').map((region) => ({
    startPfn: pfnDownAddr(region.base),
    endPfn: pfnUp(region.end),
  }));
}

/**
 * RAM pages below 16 MiB that are not free as a whole.
 * @kernel memblock_find_dma_reserve (spec memory-model 4.5)
 */
export function findDmaReserve(memblock: Memblock): number {
  return pagesBelow(memoryRanges(memblock)) - pagesBelow(freeRanges(memblock));
}

/** Page frame (rounded down) of the lowest memory region, 0 for none. */
export function firstMemoryPfn(memblock: Memblock): number {
  const [first] = regionsOf(memblock, 'memory');
  return first === undefined ? 0 : pfnDownAddr(first.base);
}

/** Bytes of RAM in `[start, end)`. */
export function ramBytesIn(memblock: Memblock, start: bigint, end: bigint): bigint {
  let bytes = 0n;
  for (const region of regionsOf(memblock, 'memory')) {
    const from = region.base > start ? region.base : start;
    const to = region.end < end ? region.end : end;
    if (from < to) bytes += to - from;
  }
  return bytes;
}

/** The entries of an array, without the dummy of an empty one. */
export function regionsOf(memblock: Memblock, type: 'memory' | 'reserved'): MemblockRegion[] {
  return memblock.regions(type).filter((region) => region.size > 0n);
}

function pagesBelow(ranges: readonly PfnRange[]): number {
  let pages = 0;
  for (const { startPfn, endPfn } of ranges) {
    pages += Math.max(0, Math.min(endPfn, MAX_DMA_PFN) - startPfn);
  }
  return pages;
}

/** Page frame that holds an address. */
export function pfnDownAddr(addr: bigint): number {
  return Number(addr / PAGE_BYTES);
}

function pfnUp(addr: bigint): number {
  return Number((addr + PAGE_BYTES - 1n) / PAGE_BYTES);
}
