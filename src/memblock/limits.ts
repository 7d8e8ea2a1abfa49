import { MemblockFlags, PHYS_ADDR_MAX } from './constants.ts';
import { isolateRange, removeRange, TO_THE_TOP } from './edit.ts';
import { CAP_WITHOUT_MEMORY } from './format.ts';
import { print } from './log.ts';
import { installDummy, removeRegions } from './region-array.ts';
import { type MemblockState, makeRegion } from './state.ts';
import type { MemblockRegion } from './types.ts';
import { roundDown, roundUp, wrap64 } from './u64.ts';

// Trimming and limits (spec memblock 4.17). None of it prints debug lines.

/**
 * @internal Shrinks memory entries to whole multiples of `align`. Only removed entries are
 * subtracted from the total, shortened ones are not. @kernel memblock_trim_memory
 */
export function trimMemory(state: MemblockState, align: bigint): void {
  const type = state.memory;
  let index = 0;
  while (index < type.regions.length) {
    const { base, end, flags, nid, size } = type.regions[index];
    const start = roundUp(base, align);
    const stop = roundDown(end, align);
    if (start === base && stop === end) {
      index++;
    } else if (start < stop) {
      type.regions[index] = makeRegion(start, stop, flags, nid);
      type.totalDrift = wrap64(type.totalDrift + size - (stop - start));
      // A base that wrapped to 0 breaks the order; the next merge stops there, as the kernel does.
      if (start < base) type.unmerged = true;
      index++;
    } else {
      removeRegions(state, type, index, index + 1);
    }
  }
}

/** Address below which there are `limit` bytes of memory; PHYS_ADDR_MAX if there are fewer. */
function findMaxAddress({ memory }: MemblockState, limit: bigint): bigint {
  let left = limit;
  for (const { base, size } of memory.regions) {
    if (left <= size) return base + left;
    left -= size;
  }
  return PHYS_ADDR_MAX;
}

/** @internal Forgets memory and reservations beyond `limit` bytes. @kernel memblock_enforce_memory_limit */
export function enforceMemoryLimit(state: MemblockState, limit: bigint): void {
  if (limit === 0n) return;
  const top = findMaxAddress(state, limit);
  if (top === PHYS_ADDR_MAX) return;
  removeRange(state, state.memory, top, TO_THE_TOP);
  removeRange(state, state.reserved, top, TO_THE_TOP);
}

/**
 * @internal Keeps memory in a range, and NOMAP memory anywhere, and drops reservations outside.
 * Pieces of a NOMAP entry cut at the range's ends stay unmerged.
 * @kernel memblock_cap_memory_range
 */
export function capMemoryRange(state: MemblockState, base: bigint, size: bigint): void {
  if (size === 0n) return;
  const { memory } = state;
  if (memory.totalSize === 0n) {
    print(state, 'warning', CAP_WITHOUT_MEMORY);
    return;
  }
  const inside = isolateRange(state, memory, base, size);
  if (inside === null) return;
  const [start, end] = inside;
  const kept: MemblockRegion[] = [];
  let bytes = 0n;
  for (let index = 0; index < memory.regions.length; index++) {
    const region = memory.regions[index];
    const isInside = index >= start && index < end;
    if (isInside || region.flags & MemblockFlags.MEMBLOCK_NOMAP) kept.push(region);
    else bytes += region.size;
  }
  memory.regions = kept;
  memory.totalSize = wrap64(memory.totalSize - bytes);
  memory.unmerged = true;
  if (kept.length === 0) installDummy(state, memory);
  removeRange(state, state.reserved, 0n, base);
  removeRange(state, state.reserved, wrap64(base + size), TO_THE_TOP);
}

/** @internal As a limit, but keeps NOMAP memory above it. @kernel memblock_mem_limit_remove_map */
export function memLimitRemoveMap(state: MemblockState, limit: bigint): void {
  if (limit === 0n) return;
  const top = findMaxAddress(state, limit);
  if (top === PHYS_ADDR_MAX) return;
  capMemoryRange(state, 0n, top);
}
