import {
  ARCH_LOW_ADDRESS_LIMIT,
  DEFAULT_MAX_NUMNODES,
  INIT_MEMBLOCK_REGIONS,
  INIT_PHYSMEM_REGIONS,
  MEMBLOCK_ALLOC_ANYWHERE,
  REGION_BYTES,
  SMP_CACHE_BYTES,
} from './constants.ts';
import { checkInt, checkU64, MemblockError } from './errors.ts';
import type {
  MemblockCallers,
  MemblockLogLevel,
  MemblockMemory,
  MemblockOptions,
  MemblockRegion,
  MemblockSlab,
  MemblockTypeName,
  MemblockWarning,
} from './types.ts';
import { pageAlign } from './u64.ts';

/** A sorted array of entries. @kernel struct memblock_type (spec memblock 2.2) */
export interface RegionArray {
  /** Name in the kernel's text. */
  readonly name: MemblockTypeName;
  /** Capacity before any growth. */
  readonly initMax: number;
  /** The entries in use; an empty array holds one dummy of size 0, so the length is never 0. */
  regions: MemblockRegion[];
  /** Capacity in entries. */
  max: number;
  /** The kernel's running sum of sizes in bytes. */
  totalSize: bigint;
  /** Bytes by which `totalSize` exceeds the sum of sizes, because trimming does not count. */
  totalDrift: bigint;
  /** Physical address of a grown array, null for the static one. */
  arrayAddress: bigint | null;
  /** Someone freed the range that the grown array lies in. */
  arrayReleased: boolean;
  /** Compatible neighbours may exist: the next merge must look at the whole array. */
  unmerged: boolean;
}

/** What a rate-limited message remembers. @kernel struct ratelimit_state */
export interface RateLimit {
  /** Jiffies at which the window began. */
  begin: number;
  /** Messages printed in the window. */
  printed: number;
}

/** Everything a memblock is and is told: one per machine. Edit it only through `Memblock`. */
export interface MemblockState {
  /** Physical memory. */
  readonly memory: RegionArray;
  /** What is in use. */
  readonly reserved: RegionArray;
  /** All installed memory, where the array exists. */
  readonly physmem: RegionArray | null;
  /** Searches ascend. */
  bottomUp: boolean;
  /** Bound of "accessible" allocations. */
  currentLimit: bigint;
  /** Arrays may grow. */
  canResize: boolean;
  /** Some memory was marked as mirrored. */
  hasMirror: boolean;
  /** `kernelcore=mirror`. */
  mirroredKernelcore: boolean;
  /** `movable_node`. */
  movableNode: boolean;
  /** Debug lines are printed. */
  debug: boolean;
  /** The grown `memory` array came from slab. */
  memoryInSlab: boolean;
  /** The grown `reserved` (or `physmem`) array came from slab. */
  reservedInSlab: boolean;
  /** `discard` was called: `memory` is no longer filtered and nothing may be edited. */
  discarded: boolean;
  /** Managed pages were set to 0 already. */
  managedReset: boolean;
  /** Regions carry node ids. */
  readonly numa: boolean;
  /** MAX_NUMNODES. */
  readonly maxNumnodes: number;
  /** Replacement of alignment 0. */
  readonly smpCacheBytes: bigint;
  /** Bound of `allocLow`. */
  readonly archLowAddressLimit: bigint;
  /** memblock outlives boot. */
  readonly keepMemblock: boolean;
  /** The slab allocator, null if there is none. */
  readonly slab: MemblockSlab | null;
  /** Where zeroing happens, null for nowhere. */
  readonly contents: MemblockMemory | null;
  /** Receives log lines, null if nobody listens. */
  readonly log: ((level: MemblockLogLevel, text: string) => void) | null;
  /** Told of WARNs, null if nobody listens. */
  readonly warn: ((reason: MemblockWarning) => void) | null;
  /** One-time warnings that fired already, by the function they belong to. */
  readonly warnedOnce: Set<string>;
  /** Time in jiffies. */
  readonly jiffies: () => number;
  /** Jiffies per second. */
  readonly hz: number;
  /** Mirror message of array growth. */
  readonly growthMirrorLimit: RateLimit;
  /** Mirror message of allocations. */
  readonly allocMirrorLimit: RateLimit;
  /** Return addresses inside memblock. */
  readonly callers: MemblockCallers;
}

const DEFAULT_CALLERS: MemblockCallers = {
  allocRangeNid: 'memblock_alloc_range_nid+0x0/0x0',
  doubleArray: 'memblock_double_array+0x0/0x0',
  doubleArrayFree: 'memblock_double_array+0x0/0x0',
  discard: 'memblock_discard+0x0/0x0',
};

/** @internal An entry; `end` is at or above `base`. */
export function makeRegion(base: bigint, end: bigint, flags: number, nid: number): MemblockRegion {
  return { base, end, size: end - base, flags, nid };
}

/** @internal The entry that stands for "none". */
export function dummyRegion(nid: number): MemblockRegion {
  return { base: 0n, end: 0n, size: 0n, flags: 0, nid };
}

/** @internal Whether the array holds nothing but the dummy. */
export function isEmpty(type: RegionArray): boolean {
  return type.regions[0].size === 0n;
}

/** @internal What an entry without a node holds: nothing is stored without NUMA. */
export function noNode(state: MemblockState): number {
  return state.numa ? state.maxNumnodes : 0;
}

/** @internal `[start, end)` of the pages that a grown array takes; empty for the static one. */
export function arrayRange({ arrayAddress, max }: RegionArray): [bigint, bigint] {
  if (arrayAddress === null) return [0n, 0n];
  return [arrayAddress, arrayAddress + arrayAlloc(max)];
}

/** @internal Bytes of an array of `max` entries, in whole pages. */
export function arrayAlloc(max: number): bigint {
  return pageAlign(BigInt(max * REGION_BYTES));
}

/** @internal The array of that name. */
export function typeByName(state: MemblockState, name: MemblockTypeName): RegionArray {
  if (name === 'memory') return state.memory;
  if (name === 'reserved') return state.reserved;
  if (name !== 'physmem') {
    throw new MemblockError('BAD_ARGUMENT', `no region array is named ${String(name)}`, { name });
  }
  if (state.physmem !== null) return state.physmem;
  throw new MemblockError('NO_PHYSMEM', 'the physmem array needs the option physMap', {});
}

function createArray(name: MemblockTypeName, initMax: number): RegionArray {
  checkInt(`capacity of ${name}`, initMax, 1, 0x4000_0000);
  return {
    name,
    initMax,
    regions: [dummyRegion(0)],
    max: initMax,
    totalSize: 0n,
    totalDrift: 0n,
    arrayAddress: null,
    arrayReleased: false,
    unmerged: false,
  };
}

/** @internal A memblock as the kernel image holds it: nothing known, nothing reserved. */
export function createState(options: MemblockOptions): MemblockState {
  const numa = options.numa ?? true;
  const maxNumnodes = options.maxNumnodes ?? (numa ? DEFAULT_MAX_NUMNODES : 1);
  const hz = options.hz ?? 100;
  const smpCacheBytes = options.smpCacheBytes ?? SMP_CACHE_BYTES;
  const archLowAddressLimit = options.archLowAddressLimit ?? ARCH_LOW_ADDRESS_LIMIT;
  checkInt('maxNumnodes', maxNumnodes, 1, 0x4000_0000);
  checkInt('hz', hz, 1, 1_000_000);
  checkU64('smpCacheBytes', smpCacheBytes);
  checkU64('archLowAddressLimit', archLowAddressLimit);
  return {
    memory: createArray('memory', options.initMemoryRegions ?? INIT_MEMBLOCK_REGIONS),
    reserved: createArray('reserved', options.initReservedRegions ?? INIT_MEMBLOCK_REGIONS),
    physmem: options.physMap ? createArray('physmem', INIT_PHYSMEM_REGIONS) : null,
    bottomUp: false,
    currentLimit: MEMBLOCK_ALLOC_ANYWHERE,
    canResize: false,
    hasMirror: false,
    mirroredKernelcore: options.mirroredKernelcore ?? false,
    movableNode: options.movableNode ?? false,
    debug: options.debug ?? false,
    memoryInSlab: false,
    reservedInSlab: false,
    discarded: false,
    managedReset: false,
    numa,
    maxNumnodes,
    smpCacheBytes,
    archLowAddressLimit,
    keepMemblock: options.keepMemblock ?? false,
    slab: options.slab ?? null,
    contents: options.memory ?? null,
    log: options.log ?? null,
    warn: options.warn ?? null,
    warnedOnce: new Set(),
    jiffies: options.jiffies ?? (() => 0),
    hz,
    growthMirrorLimit: { begin: 0, printed: 0 },
    allocMirrorLimit: { begin: 0, printed: 0 },
    callers: { ...DEFAULT_CALLERS, ...options.callers },
  };
}

/** @internal Refuses an edit of a discarded memblock. */
export function checkLive(state: MemblockState): void {
  if (!state.discarded) return;
  throw new MemblockError('DISCARDED', 'memblock was discarded and must not be used', {});
}
