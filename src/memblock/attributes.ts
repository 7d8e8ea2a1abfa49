import { MemblockFlags } from './constants.ts';
import { type EditResult, isolateRange, NO_ROOM } from './edit.ts';
import { mergeRegions } from './region-array.ts';
import { type MemblockState, makeRegion, type RegionArray } from './state.ts';

// Flags and node ids of what is there already (spec memblock 4.7, 4.8).

/**
 * @internal Sets or clears a flag of the memory in a range, and merges, even if nothing was there.
 * @kernel memblock_setclr_flag
 */
export function setclrFlag(
  state: MemblockState,
  base: bigint,
  size: bigint,
  isSet: boolean,
  flag: number,
): EditResult {
  const inside = isolateRange(state, state.memory, base, size);
  if (inside === null) return NO_ROOM;
  const { regions } = state.memory;
  const [start, end] = inside;
  for (let index = start; index < end; index++) {
    const region = regions[index];
    const flags = isSet ? region.flags | flag : region.flags & ~flag;
    regions[index] = makeRegion(region.base, region.end, flags, region.nid);
  }
  mergeRegions(state.memory, start, end - 1);
  return 0;
}

/**
 * @internal Marks memory as mirrored; only with `kernelcore=mirror`. From then on allocations
 * prefer mirrored memory, even if there is none. @kernel memblock_mark_mirror
 */
export function markMirror(state: MemblockState, base: bigint, size: bigint): EditResult {
  if (!state.mirroredKernelcore) return 0;
  state.hasMirror = true;
  return setclrFlag(state, base, size, true, MemblockFlags.MEMBLOCK_MIRROR);
}

/** @internal Gives the entries in a range a node, and merges. @kernel memblock_set_node */
export function setNode(
  state: MemblockState,
  base: bigint,
  size: bigint,
  type: RegionArray,
  nid: number,
): EditResult {
  if (!state.numa) return 0;
  const inside = isolateRange(state, type, base, size);
  if (inside === null) return NO_ROOM;
  const { regions } = type;
  const [start, end] = inside;
  for (let index = start; index < end; index++) {
    const region = regions[index];
    regions[index] = makeRegion(region.base, region.end, region.flags, nid);
  }
  mergeRegions(type, start, end - 1);
  return 0;
}
