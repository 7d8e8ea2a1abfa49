import { ENOMEM, PHYS_ADDR_MAX, REGION_BYTES } from './constants.ts';
import { MemblockError } from './errors.ts';
import { findInRange } from './find.ts';
import { formatDoubled, formatDoubleFailed, formatRangeCall } from './format.ts';
import { debugs, print, warn } from './log.ts';
import {
  firstBaseFrom,
  firstEndAbove,
  mergeRegions,
  removeRegions,
  replaceRegions,
  splitRegions,
} from './region-array.ts';
import {
  arrayAlloc,
  arrayRange,
  isEmpty,
  type MemblockState,
  makeRegion,
  type RegionArray,
} from './state.ts';
import type { MemblockRegion } from './types.ts';
import { capSize, min64, wrap64 } from './u64.ts';

// Adding and removing ranges, and the growth that both may need. They are one mechanism: growth
// reserves and frees ranges itself (spec memblock 4.3 to 4.6, 4.9).

/** @internal Size of everything from a base up: the cap shortens it. */
export const TO_THE_TOP: bigint = PHYS_ADDR_MAX;

/** What an edit returns: 0, or -ENOMEM when an array had to grow and could not. */
export type EditResult = 0 | -12;

/** @internal `-ENOMEM`. */
export const NO_ROOM: EditResult = -ENOMEM as -12;

/**
 * The parts of `[base, end)` that no entry covers, ascending. Warns for each entry right above one
 * of them that differs from what is added; a warning changes nothing.
 */
function missingPieces(
  state: MemblockState,
  { regions }: RegionArray,
  added: MemblockRegion,
): MemblockRegion[] {
  const { end, flags, nid } = added;
  const pieces: MemblockRegion[] = [];
  let covered = added.base;
  for (let index = firstEndAbove(regions, covered); index < regions.length; index++) {
    const region = regions[index];
    if (region.base >= end) break;
    if (region.base > covered) {
      if (region.nid !== nid) warn(state, 'NID_MISMATCH');
      if (region.flags !== flags) warn(state, 'FLAGS_MISMATCH');
      pieces.push(makeRegion(covered, region.base, flags, nid));
    }
    covered = min64(region.end, end);
  }
  if (covered < end) pieces.push(makeRegion(covered, end, flags, nid));
  return pieces;
}

/** Puts pieces, which overlap nothing, at their sorted places, and merges what they touch. */
function insertPieces(type: RegionArray, pieces: readonly MemblockRegion[]): void {
  const { regions } = type;
  if (regions.length + pieces.length > type.max) {
    throw new MemblockError('KERNEL_BUG', `insertion into the full ${type.name} array`, {
      type: type.name,
      max: type.max,
    });
  }
  const from = firstBaseFrom(regions, pieces[0].base);
  const to = firstBaseFrom(regions, pieces[pieces.length - 1].base);
  const merged: MemblockRegion[] = [];
  let index = from;
  for (const piece of pieces) {
    while (index < to && regions[index].base < piece.base) merged.push(regions[index++]);
    merged.push(piece);
    // After a trim the total is too high, and may pass 2^64.
    type.totalSize = wrap64(type.totalSize + piece.size);
  }
  replaceRegions(type, from, to, merged);
  mergeRegions(type, from, from + merged.length - 1);
}

/**
 * @internal Makes all of a range covered. What was covered keeps its node and flags.
 * @kernel memblock_add_range
 */
export function addRange(
  state: MemblockState,
  type: RegionArray,
  base: bigint,
  size: bigint,
  nid: number,
  flags: number,
): EditResult {
  const cappedSize = capSize(base, size);
  if (cappedSize === 0n) return 0;
  const added = makeRegion(base, base + cappedSize, flags, state.numa ? nid : 0);
  if (isEmpty(type)) {
    if (type.totalSize !== 0n) warn(state, 'EMPTY_TOTAL');
    type.regions[0] = added;
    type.totalSize = cappedSize;
    type.totalDrift = 0n;
    return 0;
  }
  // With so much room the kernel inserts as it goes; else it counts first, then looks again.
  const isDirect = 2 * type.regions.length + 1 < type.max;
  let pieces = missingPieces(state, type, added);
  if (pieces.length === 0) return 0;
  if (!isDirect) {
    const count = pieces.length;
    while (type.regions.length + count > type.max) {
      if (!doubleArray(state, type, base, cappedSize)) return NO_ROOM;
    }
    pieces = missingPieces(state, type, added);
    if (pieces.length === 0) return 0;
  }
  insertPieces(type, pieces);
  return 0;
}

/**
 * @internal Cuts entries at both ends of a range. Returns the indices of the entries inside, first
 * and behind the last, both 0 for none; null if the array could not grow, as it must to have two
 * free slots, needed or not. @kernel memblock_isolate_range
 */
export function isolateRange(
  state: MemblockState,
  type: RegionArray,
  base: bigint,
  size: bigint,
): [number, number] | null {
  const cappedSize = capSize(base, size);
  if (cappedSize === 0n) return [0, 0];
  while (type.regions.length + 2 > type.max) {
    if (!doubleArray(state, type, base, cappedSize)) return null;
  }
  return splitRegions(type, base, base + cappedSize);
}

/** @internal Makes none of a range covered. @kernel memblock_remove_range */
export function removeRange(
  state: MemblockState,
  type: RegionArray,
  base: bigint,
  size: bigint,
): EditResult {
  const inside = isolateRange(state, type, base, size);
  if (inside === null) return NO_ROOM;
  if (inside[0] < inside[1]) {
    removeRegions(state, type, inside[0], inside[1]);
    if (type === state.reserved) noteReleasedArrays(state, base, base + capSize(base, size));
  }
  return 0;
}

/** A range left `reserved`: remembers if a grown array lies there, which the kernel would not see. */
function noteReleasedArrays(state: MemblockState, base: bigint, end: bigint): void {
  for (const type of [state.memory, state.reserved]) {
    const [start, stop] = arrayRange(type);
    if (start < end && base < stop) type.arrayReleased = true;
  }
}

/** @internal Reserves a range, with its debug line. @kernel memblock_reserve */
export function reserve(
  state: MemblockState,
  base: bigint,
  size: bigint,
  caller: string,
): EditResult {
  if (debugs(state)) print(state, 'info', formatRangeCall('memblock_reserve', base, size, caller));
  return addRange(state, state.reserved, base, size, state.maxNumnodes, 0);
}

/** @internal Takes a range out of `reserved`, with its debug line. @kernel memblock_phys_free */
export function physFree(
  state: MemblockState,
  base: bigint,
  size: bigint,
  caller: string,
): EditResult {
  if (debugs(state)) {
    print(state, 'info', formatRangeCall('memblock_phys_free', base, size, caller));
  }
  return removeRange(state, state.reserved, base, size);
}

/**
 * Room for an array of `bytes`; 0 if there is none. The area about to be reserved is avoided:
 * above it first, then below. An area at address 0 or 1 makes the second search an unbounded one.
 */
function findArrayRoom(
  state: MemblockState,
  type: RegionArray,
  areaStart: bigint,
  areaSize: bigint,
  bytes: bigint,
): bigint {
  const { currentLimit } = state;
  const start = type === state.reserved ? areaStart : 0n;
  const size = type === state.reserved ? areaSize : 0n;
  const above = findInRange(state, start + size, currentLimit, bytes);
  if (above !== 0n || size === 0n) return above;
  return findInRange(state, 0n, min64(start, currentLimit), bytes);
}

/**
 * @internal Doubles the capacity of an array and reserves the room it takes. False if growth is not
 * allowed yet or there is no room. @kernel memblock_double_array
 */
export function doubleArray(
  state: MemblockState,
  type: RegionArray,
  areaStart: bigint,
  areaSize: bigint,
): boolean {
  if (!state.canResize) return false;
  const slab = state.slab?.isAvailable() ? state.slab : null;
  const { max: oldMax, arrayAddress: oldAddress } = type;
  const max = oldMax * 2;
  const usedBytes = max * REGION_BYTES;
  const addr =
    slab === null
      ? findArrayRoom(state, type, areaStart, areaSize, arrayAlloc(max))
      : (slab.kmalloc(usedBytes) ?? 0n);
  if (addr === 0n) {
    print(state, 'err', formatDoubleFailed(type.name, oldMax));
    return false;
  }
  if (debugs(state)) {
    print(state, 'info', formatDoubled(type.name, max, addr, BigInt(usedBytes)));
  }
  type.max = max;
  type.arrayAddress = addr;
  type.arrayReleased = false;
  const isInSlab = type === state.memory ? state.memoryInSlab : state.reservedInSlab;
  if (oldAddress !== null) {
    if (isInSlab) state.slab?.kfree(oldAddress);
    else physFree(state, oldAddress, arrayAlloc(oldMax), state.callers.doubleArrayFree);
  }
  if (slab === null && reserve(state, addr, arrayAlloc(max), state.callers.doubleArray) !== 0) {
    throw new MemblockError('KERNEL_BUG', `the grown ${type.name} array cannot be reserved`, {
      type: type.name,
      addr,
    });
  }
  if (type === state.memory) state.memoryInSlab = slab !== null;
  else state.reservedInSlab = slab !== null;
  return true;
}
