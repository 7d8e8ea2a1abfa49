import { PHYS_ADDR_MAX } from './constants.ts';
import { checkFlags, checkInt, checkNid, checkU64, MemblockError } from './errors.ts';
import { coversRange } from './region-array.ts';
import {
  arrayRange,
  dummyRegion,
  type MemblockState,
  makeRegion,
  type RegionArray,
} from './state.ts';
import type { MemblockRegion, MemblockSnapshot, MemblockTypeSnapshot } from './types.ts';
import { wrap64 } from './u64.ts';

/** What calls change besides the arrays. */
type Scalars = Omit<MemblockSnapshot, 'memory' | 'reserved' | 'physmem'>;

function copyScalars(to: { -readonly [K in keyof Scalars]: Scalars[K] }, from: Scalars): void {
  to.bottomUp = from.bottomUp;
  to.currentLimit = from.currentLimit;
  to.canResize = from.canResize;
  to.hasMirror = from.hasMirror;
  to.mirroredKernelcore = from.mirroredKernelcore;
  to.movableNode = from.movableNode;
  to.memoryInSlab = from.memoryInSlab;
  to.reservedInSlab = from.reservedInSlab;
  to.discarded = from.discarded;
  to.managedReset = from.managedReset;
}

function snapshotArray(type: RegionArray): MemblockTypeSnapshot {
  return {
    max: type.max,
    totalSize: type.totalSize,
    arrayAddress: type.arrayAddress,
    regions: type.regions.map(({ base, size, flags, nid }) => ({ base, size, flags, nid })),
  };
}

/** @internal The state as plain data. */
export function takeSnapshot(state: MemblockState): MemblockSnapshot {
  return {
    bottomUp: state.bottomUp,
    currentLimit: state.currentLimit,
    canResize: state.canResize,
    hasMirror: state.hasMirror,
    mirroredKernelcore: state.mirroredKernelcore,
    movableNode: state.movableNode,
    memoryInSlab: state.memoryInSlab,
    reservedInSlab: state.reservedInSlab,
    discarded: state.discarded,
    managedReset: state.managedReset,
    memory: snapshotArray(state.memory),
    reserved: snapshotArray(state.reserved),
    physmem: state.physmem === null ? null : snapshotArray(state.physmem),
  };
}

/**
 * @internal Makes the state what the snapshot holds. One-time and rate-limited messages start
 * anew.
 * @throws MemblockError `BAD_SNAPSHOT`, `BAD_ARGUMENT`
 */
export function applySnapshot(state: MemblockState, snapshot: MemblockSnapshot): void {
  checkU64('currentLimit', snapshot.currentLimit);
  const memory = readArray(state, state.memory, snapshot.memory);
  const reserved = readArray(state, state.reserved, snapshot.reserved);
  if ((state.physmem === null) !== (snapshot.physmem === null)) {
    throw new MemblockError('BAD_SNAPSHOT', 'only one side has a physmem array', {});
  }
  if (state.physmem !== null && snapshot.physmem !== null) {
    Object.assign(state.physmem, readArray(state, state.physmem, snapshot.physmem));
  }
  Object.assign(state.memory, memory);
  Object.assign(state.reserved, reserved);
  for (const type of [state.memory, state.reserved]) {
    type.arrayReleased = !coversRange(reserved.regions, ...arrayRange(type));
  }
  copyScalars(state, snapshot);
  state.warnedOnce.clear();
  state.growthMirrorLimit.printed = 0;
  state.allocMirrorLimit.printed = 0;
}

/** Checks the plain data of one array and completes it. */
function readArray(
  state: MemblockState,
  type: RegionArray,
  { max, totalSize, arrayAddress, regions: entries }: MemblockTypeSnapshot,
): RegionArray {
  checkU64(`total of ${type.name}`, totalSize);
  if (arrayAddress !== null) checkU64(`array address of ${type.name}`, arrayAddress);
  checkCapacity(type, max, entries.length);
  const regions: MemblockRegion[] = [];
  let sum = 0n;
  for (const { base, size, flags, nid } of entries) {
    checkU64('base', base);
    checkU64('size', size);
    checkFlags(flags);
    checkNid(nid);
    const below = regions.length === 0 ? 0n : regions[regions.length - 1].end;
    const isDummy = entries.length === 1 && base === 0n && size === 0n;
    if (base < below || base + size > PHYS_ADDR_MAX || (size === 0n && !isDummy)) {
      throw new MemblockError(
        'BAD_SNAPSHOT',
        `${type.name} entry ${regions.length} is empty, out of order, overlapping or too long`,
        { type: type.name, index: regions.length, base, size },
      );
    }
    regions.push(makeRegion(base, base + size, flags, state.numa ? nid : 0));
    sum += size;
  }
  if (regions.length === 0) regions.push(dummyRegion(0));
  const totalDrift = wrap64(totalSize - sum);
  // The source may have been capped, so compatible neighbours can be anywhere.
  return { ...type, regions, max, totalSize, totalDrift, arrayAddress, unmerged: true };
}

function checkCapacity(type: RegionArray, max: number, count: number): void {
  checkInt(`capacity of ${type.name}`, max, type.initMax, 0x4000_0000);
  let capacity = type.initMax;
  while (capacity < max) capacity *= 2;
  if (capacity === max && count <= max) return;
  throw new MemblockError(
    'BAD_SNAPSHOT',
    `${type.name} cannot hold ${count} entries with capacity ${max}: it starts at ${type.initMax} and doubles`,
    { type: type.name, max, count },
  );
}

/**
 * @internal Runs `work`, which calls code of the user. If that throws, the state is as before.
 * Entries are never changed in place, so the arrays are kept by their lists of entries.
 */
export function withRollback<T>(state: MemblockState, work: () => T): T {
  const scalars = { ...state };
  const arrays = [state.memory, state.reserved].map((type) => ({
    type,
    kept: { ...type, regions: type.regions.slice() },
  }));
  try {
    return work();
  } catch (error) {
    copyScalars(state, scalars);
    for (const { type, kept } of arrays) Object.assign(type, kept);
    throw error;
  }
}
