import { ctz32 } from '../lib/bits.ts';
import { MAX_ORDER, MAX_ORDER_NR_PAGES } from '../lib/units.ts';
import { setclrFlag } from './attributes.ts';
import { MemblockFlags, NUMA_NO_NODE } from './constants.ts';
import { TO_THE_TOP } from './edit.ts';
import { formatRangeCall } from './format.ts';
import { nextMemRange, walkRegions } from './iterate.ts';
import { debugs, print } from './log.ts';
import { isNomap } from './query.ts';
import { arrayAlloc, type MemblockState, type RegionArray } from './state.ts';
import type { FreePageSink, MemblockRegion } from './types.ts';
import { pfnDown, pfnUp, wrap64 } from './u64.ts';

// The hand-over to the page allocator (spec memblock 4.19). Page frames are numbers from here on.

const { MEMBLOCK_NONE, MEMBLOCK_HOTPLUG } = MemblockFlags;

/**
 * Order of the block that begins at `pfn` and must not pass `endPfn`: as large as the alignment
 * allows, then lowered until it fits. Page 0 counts as aligned to the largest block.
 */
function blockOrder(pfn: number, endPfn: number): number {
  // Aligned to more than the largest block looks like 0 here; pfn itself may exceed 32 bits.
  let order = Math.min(MAX_ORDER - 1, ctz32(pfn % MAX_ORDER_NR_PAGES));
  while (pfn + 2 ** order > endPfn) order--;
  return order;
}

/** Frees `[startPfn, endPfn)` in blocks, ascending. @kernel __free_pages_memory */
function freePagesMemory(sink: FreePageSink, startPfn: number, endPfn: number): void {
  let pfn = startPfn;
  while (pfn < endPfn) {
    const order = blockOrder(pfn, endPfn);
    sink.freePages(pfn, order);
    pfn += 2 ** order;
  }
}

/** Marks what is reserved or must not be mapped, rounded outward. @kernel memmap_init_reserved_pages */
function reservePages({ memory, reserved }: MemblockState, sink: FreePageSink): void {
  for (const region of walkRegions(reserved)) reserveRegion(region, sink);
  for (const region of walkRegions(memory)) {
    if (isNomap(region)) reserveRegion(region, sink);
  }
}

function reserveRegion({ base, end }: MemblockRegion, sink: FreePageSink): void {
  const startPfn = pfnDown(base);
  const endPfn = pfnUp(end);
  // Empty for the dummy, and for an entry so near to 2^64 that rounding up wraps.
  if (startPfn < endPfn) sink.reservePages?.(startPfn, endPfn);
}

/**
 * @internal Gives all free memory below `maxLowPfn` to the sink; returns the number of pages.
 * @kernel memblock_free_all
 */
export function freeAll(state: MemblockState, sink: FreePageSink, maxLowPfn: number): number {
  if (!state.managedReset) {
    sink.resetManagedPages?.();
    state.managedReset = true;
  }
  setclrFlag(state, 0n, TO_THE_TOP, false, MEMBLOCK_HOTPLUG);
  reservePages(state, sink);
  const { memory: typeA, reserved: typeB } = state;
  const walk = { typeA, typeB, nid: NUMA_NO_NODE, flags: MEMBLOCK_NONE };
  let pages = 0;
  let range = nextMemRange(state, 0n, walk);
  while (range !== null) {
    const startPfn = pfnUp(range.start);
    const endPfn = Math.min(pfnDown(range.end), maxLowPfn);
    if (startPfn < endPfn) {
      freePagesMemory(sink, startPfn, endPfn);
      pages += endPfn - startPfn;
    }
    range = nextMemRange(state, range.cursor, walk);
  }
  sink.addTotalramPages?.(pages);
  return pages;
}

/**
 * @internal Gives the whole pages of a range to the sink, one by one; the arrays stay as they are.
 * Returns the number of pages. @kernel memblock_free_late
 */
export function freeLate(
  state: MemblockState,
  sink: FreePageSink,
  base: bigint,
  size: bigint,
  caller: string,
): number {
  if (debugs(state)) {
    print(state, 'info', formatRangeCall('memblock_free_late', base, size, caller));
  }
  const startPfn = pfnUp(base);
  const endPfn = pfnDown(wrap64(base + size));
  for (let pfn = startPfn; pfn < endPfn; pfn++) {
    sink.freePages(pfn, 0);
    sink.addTotalramPages?.(1);
  }
  return Math.max(endPfn - startPfn, 0);
}

/**
 * @internal Gives back grown arrays and ends the use of memblock, unless it outlives boot.
 * @kernel memblock_discard
 */
export function discard(state: MemblockState, sink: FreePageSink): void {
  if (state.keepMemblock) return;
  discardArray(state, sink, state.reserved, state.reservedInSlab);
  discardArray(state, sink, state.memory, state.memoryInSlab);
  state.discarded = true;
}

function discardArray(
  state: MemblockState,
  sink: FreePageSink,
  { arrayAddress, max }: RegionArray,
  isInSlab: boolean,
): void {
  if (arrayAddress === null) return;
  if (isInSlab) state.slab?.kfree(arrayAddress);
  else freeLate(state, sink, arrayAddress, arrayAlloc(max), state.callers.discard);
}
