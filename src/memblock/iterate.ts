import { CURSOR_END, MemblockFlags, NUMA_NO_NODE, PHYS_ADDR_MAX } from './constants.ts';
import { warnOnce } from './log.ts';
import type { MemblockState, RegionArray } from './state.ts';
import type { MemblockPfnRange, MemblockRange, MemblockRegion, ZoneSpan } from './types.ts';
import { max64, min64, pfnDown, pfnUp } from './u64.ts';

const { MEMBLOCK_NONE, MEMBLOCK_HOTPLUG, MEMBLOCK_MIRROR, MEMBLOCK_NOMAP } = MemblockFlags;
const { MEMBLOCK_DRIVER_MANAGED } = MemblockFlags;

/** @internal Flags of `for_each_mem_range`: all memory that is in the direct mapping. */
export const MEM_RANGE_FLAGS: number = MEMBLOCK_HOTPLUG | MEMBLOCK_DRIVER_MANAGED;

/** @internal What a walk goes over: the entries of `typeA` that pass, minus those of `typeB` if given. */
export interface RangeWalk {
  /** Walked entries. */
  readonly typeA: RegionArray;
  /** Excluded entries, null for none. */
  readonly typeB: RegionArray | null;
  /** Node wanted, NUMA_NO_NODE for any. */
  readonly nid: number;
  /** Flags asked for. */
  readonly flags: number;
}

/** @internal MAX_NUMNODES for "any node" is taken, with one warning for each place. */
export function anyNode(state: MemblockState, nid: number, place: string): number {
  if (nid !== state.maxNumnodes) return nid;
  warnOnce(state, 'MAX_NUMNODES', place);
  return NUMA_NO_NODE;
}

/**
 * @internal Whether a walk leaves an entry out. Only live memory is filtered, no other array.
 * MIRROR in the flags restricts, the other flags permit. @kernel should_skip_region
 */
export function shouldSkipRegion(
  state: MemblockState,
  type: RegionArray,
  region: MemblockRegion,
  nid: number,
  flags: number,
): boolean {
  if (type !== state.memory || state.discarded) return false;
  const has = region.flags;
  if (nid !== NUMA_NO_NODE && nid !== region.nid) return true;
  if (has & MEMBLOCK_HOTPLUG && state.movableNode && !(flags & MEMBLOCK_HOTPLUG)) return true;
  if (flags & MEMBLOCK_MIRROR && !(has & MEMBLOCK_MIRROR)) return true;
  if (has & MEMBLOCK_NOMAP && !(flags & MEMBLOCK_NOMAP)) return true;
  return (has & MEMBLOCK_DRIVER_MANAGED) !== 0 && !(flags & MEMBLOCK_DRIVER_MANAGED);
}

/** Cursor of entry `a` and gap `b`, both signed 32-bit: `a` is the low half. */
function packCursor(a: number, b: number): bigint {
  return (BigInt.asUintN(32, BigInt(b)) << 32n) | BigInt.asUintN(32, BigInt(a));
}

function cursorA(cursor: bigint): number {
  return Number(BigInt.asIntN(32, cursor));
}

function cursorB(cursor: bigint): number {
  return Number(BigInt.asIntN(32, cursor >> 32n));
}

/** Start of gap `b`, the room below entry `b`. */
function gapStart(regions: readonly MemblockRegion[], b: number): bigint {
  return b === 0 ? 0n : regions[b - 1].end;
}

/** End of gap `b`. */
function gapEnd(regions: readonly MemblockRegion[], b: number): bigint {
  return b < regions.length ? regions[b].base : PHYS_ADDR_MAX;
}

function makeRange(
  start: bigint,
  end: bigint,
  region: MemblockRegion,
  a: number,
  b: number,
): MemblockRange {
  return { start, end, nid: region.nid, cursor: packCursor(a, b) };
}

/**
 * @internal The range after `cursor`, null when the walk is over. The cursor holds indices, so
 * edits between two steps shift what it means, as in the kernel. @kernel __next_mem_range
 */
export function nextMemRange(
  state: MemblockState,
  cursor: bigint,
  { typeA, typeB, nid: wanted, flags }: RangeWalk,
): MemblockRange | null {
  const nid = anyNode(state, wanted, '__next_mem_range');
  let b = cursorB(cursor);
  const from = cursorA(cursor);
  // A negative half is an index past everything where the kernel compares it unsigned.
  if (from < 0) return null;
  for (let a = from; a < typeA.regions.length; a++) {
    const region = typeA.regions[a];
    if (shouldSkipRegion(state, typeA, region, nid, flags)) continue;
    if (typeB === null) return makeRange(region.base, region.end, region, a + 1, b);
    const holes = typeB.regions;
    for (; b >= 0 && b <= holes.length; b++) {
      const start = gapStart(holes, b);
      const end = gapEnd(holes, b);
      if (start >= region.end) break;
      if (region.base >= end) continue;
      const isEntryDone = region.end <= end;
      const clippedStart = max64(region.base, start);
      const clippedEnd = min64(region.end, end);
      if (isEntryDone) return makeRange(clippedStart, clippedEnd, region, a + 1, b);
      return makeRange(clippedStart, clippedEnd, region, a, b + 1);
    }
  }
  return null;
}

/**
 * @internal The range before `cursor`, descending; `CURSOR_END` begins at the top, null says that
 * the walk is over. Indices that lie beyond an array that shrank meanwhile begin at its top, where
 * the kernel would read stale entries. @kernel __next_mem_range_rev
 */
export function nextMemRangeRev(
  state: MemblockState,
  cursor: bigint,
  { typeA, typeB, nid: wanted, flags }: RangeWalk,
): MemblockRange | null {
  const nid = anyNode(state, wanted, '__next_mem_range_rev');
  const lastA = typeA.regions.length - 1;
  const lastB = typeB === null ? 0 : typeB.regions.length;
  const isStart = cursor === CURSOR_END;
  let b = isStart ? lastB : Math.min(cursorB(cursor), lastB);
  for (let a = isStart ? lastA : Math.min(cursorA(cursor), lastA); a >= 0; a--) {
    const region = typeA.regions[a];
    if (shouldSkipRegion(state, typeA, region, nid, flags)) continue;
    if (typeB === null) return makeRange(region.base, region.end, region, a - 1, b);
    const holes = typeB.regions;
    for (; b >= 0; b--) {
      const start = gapStart(holes, b);
      const end = gapEnd(holes, b);
      if (end <= region.base) break;
      if (region.end <= start) continue;
      const isEntryDone = region.base >= start;
      const clippedStart = max64(region.base, start);
      const clippedEnd = min64(region.end, end);
      if (isEntryDone) return makeRange(clippedStart, clippedEnd, region, a - 1, b);
      return makeRange(clippedStart, clippedEnd, region, a, b - 1);
    }
  }
  return null;
}

/** @internal Ascending walk; edits made while it is suspended count. */
export function* walkRanges(state: MemblockState, walk: RangeWalk): Generator<MemblockRange> {
  let range = nextMemRange(state, 0n, walk);
  while (range !== null) {
    yield range;
    range = nextMemRange(state, range.cursor, walk);
  }
}

/** @internal Descending walk; edits made while it is suspended count. */
export function* walkRangesRev(state: MemblockState, walk: RangeWalk): Generator<MemblockRange> {
  let range = nextMemRangeRev(state, CURSOR_END, walk);
  while (range !== null) {
    yield range;
    range = nextMemRangeRev(state, range.cursor, walk);
  }
}

/** @internal Plain walk over the entries, the dummy included. @kernel for_each_mem_region */
export function* walkRegions(type: RegionArray): Generator<MemblockRegion> {
  for (let index = 0; index < type.regions.length; index++) yield type.regions[index];
}

/**
 * @internal Index of the next memory entry behind `index` that holds a whole page and lies on
 * `nid` (MAX_NUMNODES: any; NUMA_NO_NODE matches only entries that hold -1); -1 at the end.
 * Flags do not count. @kernel __next_mem_pfn_range
 */
export function nextMemPfnRange(state: MemblockState, index: number, nid: number): number {
  const { regions } = state.memory;
  for (let next = index + 1; next < regions.length; next++) {
    const region = regions[next];
    if (pfnUp(region.base) >= pfnDown(region.end)) continue;
    if (nid === state.maxNumnodes || nid === region.nid) return next;
  }
  return -1;
}

/** @internal Whole pages of memory entries, ascending. @kernel for_each_mem_pfn_range */
export function* walkPfnRanges(state: MemblockState, nid: number): Generator<MemblockPfnRange> {
  let index = nextMemPfnRange(state, -1, nid);
  while (index >= 0) {
    const region = state.memory.regions[index];
    yield { startPfn: pfnUp(region.base), endPfn: pfnDown(region.end), nid: region.nid };
    index = nextMemPfnRange(state, index, nid);
  }
}

/** @internal Free whole pages inside a zone, ascending. @kernel for_each_free_mem_pfn_range_in_zone */
export function* walkPfnRangesInZone(
  state: MemblockState,
  zone: ZoneSpan,
): Generator<MemblockPfnRange> {
  const { memory, reserved } = state;
  const walk = { typeA: memory, typeB: reserved, nid: zone.nid, flags: MEMBLOCK_NONE };
  for (const range of walkRanges(state, walk)) {
    const startPfn = pfnUp(range.start);
    const endPfn = pfnDown(range.end);
    if (zone.startPfn >= endPfn || startPfn >= endPfn) continue;
    if (zone.endPfn <= startPfn) return;
    yield {
      startPfn: Math.max(zone.startPfn, startPfn),
      endPfn: Math.min(zone.endPfn, endPfn),
      nid: range.nid,
    };
  }
}
