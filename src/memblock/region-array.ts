import { hex } from '../lib/units.ts';
import { MemblockError } from './errors.ts';
import { warn } from './log.ts';
import {
  dummyRegion,
  isEmpty,
  type MemblockState,
  makeRegion,
  noNode,
  type RegionArray,
} from './state.ts';
import type { MemblockRegion } from './types.ts';
import { wrap64 } from './u64.ts';

// Edits of one array that never need more room than it has (spec memblock 4.1, 4.2, 4.5).
// Entries are replaced, never changed, so a list of entries is a snapshot.

/** @internal Index of the first entry whose end is above `addr`; the count if there is none. */
export function firstEndAbove(regions: readonly MemblockRegion[], addr: bigint): number {
  let low = 0;
  let high = regions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (regions[middle].end > addr) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @internal Index of the first entry whose base is at or above `addr`; the count if there is none. */
export function firstBaseFrom(regions: readonly MemblockRegion[], addr: bigint): number {
  let low = 0;
  let high = regions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (regions[middle].base >= addr) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @internal Index of the entry that contains `addr`, or -1. @kernel memblock_search */
export function searchRegion({ regions }: RegionArray, addr: bigint): number {
  const index = firstEndAbove(regions, addr);
  return index < regions.length && regions[index].base <= addr ? index : -1;
}

/** @internal Whether entries, touching or not merged, cover all of `[base, end)`. */
export function coversRange(
  regions: readonly MemblockRegion[],
  base: bigint,
  end: bigint,
): boolean {
  let covered = base;
  for (let index = firstEndAbove(regions, base); covered < end; index++) {
    if (index === regions.length || regions[index].base > covered) return false;
    covered = regions[index].end;
  }
  return true;
}

/** @internal Whether two entries are compatible neighbours: they touch and agree in all else. */
export function areCompatible(low: MemblockRegion, high: MemblockRegion): boolean {
  return low.end === high.base && low.nid === high.nid && low.flags === high.flags;
}

/**
 * @internal Replaces the entries `[from, to)` by `entries`. Long lists are not passed as arguments,
 * which would end at the limit of the stack.
 */
export function replaceRegions(
  type: RegionArray,
  from: number,
  to: number,
  entries: readonly MemblockRegion[],
): void {
  if (entries.length <= 4) type.regions.splice(from, to - from, ...entries);
  else type.regions = type.regions.slice(0, from).concat(entries, type.regions.slice(to));
}

/**
 * @internal Removes the entries `[from, to)`. An array that becomes empty gets the dummy.
 * @kernel memblock_remove_region
 */
export function removeRegions(
  state: MemblockState,
  type: RegionArray,
  from: number,
  to: number,
): void {
  const { regions } = type;
  let bytes = 0n;
  for (let index = from; index < to; index++) bytes += regions[index].size;
  type.totalSize = wrap64(type.totalSize - bytes);
  regions.splice(from, to - from);
  if (regions.length === 0) installDummy(state, type);
}

/** @internal The array lost its last entry. The warning leaves a wrong total as it is. */
export function installDummy(state: MemblockState, type: RegionArray): void {
  if (type.totalSize !== 0n) warn(state, 'TOTAL_NOT_ZERO');
  type.regions.push(dummyRegion(noNode(state)));
}

/**
 * @internal Joins compatible neighbours. The kernel always looks at the whole array; that finds
 * nothing outside the entries just touched, `[first, last]` and their neighbours, unless `unmerged`
 * says so.
 * @kernel memblock_merge_regions
 */
export function mergeRegions(type: RegionArray, first: number, last: number): void {
  const { regions, unmerged } = type;
  const from = unmerged ? 0 : Math.max(first - 1, 0);
  const to = unmerged ? regions.length - 1 : Math.min(last + 1, regions.length - 1);
  // Entries [from, kept] are settled; the next one either joins `kept` or follows it.
  let kept = from;
  for (let index = from + 1; index <= to; index++) {
    const low = regions[kept];
    const high = regions[index];
    if (low.end > high.base) throw overlapBug(type, low, high);
    if (areCompatible(low, high)) {
      regions[kept] = makeRegion(low.base, high.end, low.flags, low.nid);
    } else {
      regions[++kept] = high;
    }
  }
  if (kept < to) regions.splice(kept + 1, to - kept);
  type.unmerged = false;
}

function overlapBug(type: RegionArray, low: MemblockRegion, high: MemblockRegion): MemblockError {
  return new MemblockError(
    'KERNEL_BUG',
    `${type.name}: the region that ends at ${hex(low.end)} overlaps the one at ${hex(high.base)}`,
    { type: type.name, low, high },
  );
}

/**
 * @internal Cuts entries at `base` and `end`, for which there must be room, so that the entries
 * `[result[0], result[1])` are those inside; both are 0 if there are none.
 */
export function splitRegions(type: RegionArray, base: bigint, end: bigint): [number, number] {
  const { regions } = type;
  if (isEmpty(type)) return [0, 0];
  const start = cutAt(regions, base, firstEndAbove(regions, base));
  const stop = cutAt(regions, end, firstEndAbove(regions, end));
  return start < stop ? [start, stop] : [0, 0];
}

/** Cuts the entry at `index` in two if `addr` is inside; returns the index of what begins there. */
function cutAt(regions: MemblockRegion[], addr: bigint, index: number): number {
  if (index === regions.length) return index;
  const { base, end, flags, nid } = regions[index];
  if (base >= addr) return index;
  regions[index] = makeRegion(base, addr, flags, nid);
  regions.splice(index + 1, 0, makeRegion(addr, end, flags, nid));
  return index + 1;
}
