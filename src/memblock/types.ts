/** Name of a region array. `physmem` exists only when asked for (s390 has it, x86 has not). */
export type MemblockTypeName = 'memory' | 'reserved' | 'physmem';

/** One entry of a region array; never changed in place. @kernel struct memblock_region */
export interface MemblockRegion {
  /** First byte. */
  readonly base: bigint;
  /** First byte behind it: `base + size`. */
  readonly end: bigint;
  /** Length in bytes; 0 only in the dummy entry of an empty array. */
  readonly size: bigint;
  /** Bits of `MemblockFlags`. */
  readonly flags: number;
  /** Node, MAX_NUMNODES if not assigned, always 0 without NUMA. */
  readonly nid: number;
}

/** A range that a walk yields. */
export interface MemblockRange {
  /** First byte. */
  readonly start: bigint;
  /** First byte behind it. */
  readonly end: bigint;
  /** Node of the entry the range lies in. */
  readonly nid: number;
  /** Where the walk goes on: the kernel's u64 cursor after this range. */
  readonly cursor: bigint;
}

/** A run of whole pages that a walk yields. */
export interface MemblockPfnRange {
  /** First page frame. */
  readonly startPfn: number;
  /** First page frame behind it. */
  readonly endPfn: number;
  /** Node of the entry the pages lie in. */
  readonly nid: number;
}

/** What `nextMemPfnRangeInZone` needs of a zone. */
export interface ZoneSpan {
  /** Node of the zone. */
  readonly nid: number;
  /** First page frame of the zone. */
  readonly startPfn: number;
  /** First page frame behind the zone. */
  readonly endPfn: number;
}

/** Answer of `searchPfnNid`. */
export interface PfnNid {
  /** Node of the region. */
  readonly nid: number;
  /** Page frame of the region's first byte, rounded down. */
  readonly startPfn: number;
  /** Page frame of the region's end, rounded down. */
  readonly endPfn: number;
}

/**
 * Who gets the pages when memblock hands over (spec memblock 4.19, memory-model 4.9). A page
 * allocator fits by shape. Page frames are numbers from here on.
 */
export interface FreePageSink {
  /**
   * Takes a block of 2^`order` pages at `pfn`, a multiple of its size: clears PG_reserved and
   * the reference counts, counts the pages as managed, frees the block to the tail of its list.
   * A sink with deferred page initialisation may leave it for later. @kernel memblock_free_pages
   */
  freePages(pfn: number, order: number): void;
  /** Before all else, once per boot: managed pages of all zones become 0. @kernel reset_all_zones_managed_pages */
  resetManagedPages?(): void;
  /**
   * Marks the page frames `[startPfn, endPfn)` reserved, those of them that have a page.
   * The range may lie anywhere below 2^52. @kernel reserve_bootmem_region
   */
  reservePages?(startPfn: number, endPfn: number): void;
  /** Adds to the number of usable pages of the machine. @kernel totalram_pages_add */
  addTotalramPages?(pages: number): void;
}

/** The slab allocator, for the time after it is up. A slab module fits by shape. */
export interface MemblockSlab {
  /** Whether objects can be allocated now. @kernel slab_is_available */
  isAvailable(): boolean;
  /** Physical address of `sizeBytes` for a grown region array, null if there is no room. @kernel kmalloc */
  kmalloc(sizeBytes: number): bigint | null;
  /** Physical address of `sizeBytes` zeroed bytes, null if there is no room. @kernel kzalloc_node */
  kzallocNode(sizeBytes: number, nid: number): bigint | null;
  /** Takes back what `kmalloc` gave. @kernel kfree */
  kfree(addr: bigint): void;
}

/** The part of a physical memory that memblock uses: zeroing what it hands out. */
export interface MemblockMemory {
  /** Sets `lengthBytes` bytes from `addr` to `byte`. */
  fill(addr: number, lengthBytes: number, byte: number): void;
}

/** Kernel log level of a line. */
export type MemblockLogLevel = 'err' | 'warning' | 'info';

/**
 * Why a WARN fired. WARNs never change a result.
 * `TOTAL_NOT_ZERO`: an emptied array still counts bytes (spec 4.1).
 * `EMPTY_TOTAL`: first entry of an array that counts bytes already (4.3 step 2).
 * `NID_MISMATCH`, `FLAGS_MISMATCH`: an addition fills a hole below an entry that differs (4.3 step 4).
 * `MAX_NUMNODES`: used where NUMA_NO_NODE is meant, once per function (4.10, 4.13).
 * `ALIGN_ZERO`: an allocation with alignment 0; prints a stack (4.13).
 * `SLAB_AVAILABLE`: a virtual allocation after slab came up, once (4.15).
 */
export type MemblockWarning =
  | 'TOTAL_NOT_ZERO'
  | 'EMPTY_TOTAL'
  | 'NID_MISMATCH'
  | 'FLAGS_MISMATCH'
  | 'MAX_NUMNODES'
  | 'ALIGN_ZERO'
  | 'SLAB_AVAILABLE';

/**
 * Text of return addresses inside memblock itself, as debug lines print them. Offsets depend on the
 * build; give those of your kernel to compare logs.
 */
export interface MemblockCallers {
  /** Where an allocation reserves. */
  readonly allocRangeNid: string;
  /** Where growth reserves the new array. */
  readonly doubleArray: string;
  /** Where growth frees the old array. */
  readonly doubleArrayFree: string;
  /** Where discarding frees a grown array. */
  readonly discard: string;
}

/** How to build a `Memblock`; the defaults are those of x86-64. */
export interface MemblockOptions {
  /** Start capacity of `memory`, default 128. */
  readonly initMemoryRegions?: number;
  /** Start capacity of `reserved`, default 128. */
  readonly initReservedRegions?: number;
  /** Whether the `physmem` array exists, default false. @kernel HAVE_MEMBLOCK_PHYS_MAP */
  readonly physMap?: boolean;
  /** Whether regions carry node ids, default true. @kernel CONFIG_NUMA */
  readonly numa?: boolean;
  /** MAX_NUMNODES, default 64, or 1 without NUMA. */
  readonly maxNumnodes?: number;
  /** Bytes that replace an alignment of 0, default 64. */
  readonly smpCacheBytes?: bigint;
  /** Exclusive bound of `allocLow`, default 0xffffffff. */
  readonly archLowAddressLimit?: bigint;
  /** `kernelcore=mirror` was given, default false. */
  readonly mirroredKernelcore?: boolean;
  /** `movable_node` was given, default false. */
  readonly movableNode?: boolean;
  /** `memblock=debug` was given, default false. */
  readonly debug?: boolean;
  /** Whether memblock outlives boot, default false. @kernel ARCH_KEEP_MEMBLOCK */
  readonly keepMemblock?: boolean;
  /** The slab allocator, for calls after it is up; default none. */
  readonly slab?: MemblockSlab;
  /** Where allocations that zero do so; default nowhere. */
  readonly memory?: MemblockMemory;
  /** Receives each line of the kernel log. */
  readonly log?: (level: MemblockLogLevel, text: string) => void;
  /** Told when a WARN fires. */
  readonly warn?: (reason: MemblockWarning) => void;
  /** Time in jiffies, for rate-limited messages; default stands still, as before timers run. */
  readonly jiffies?: () => number;
  /** Jiffies per second, default 100. */
  readonly hz?: number;
  /** Return addresses that debug lines show for calls inside memblock. */
  readonly callers?: Partial<MemblockCallers>;
  /** `full` checks all invariants after each call that changes something; default `basic`. */
  readonly checks?: 'basic' | 'full';
}

/** One region array as plain data. */
export interface MemblockTypeSnapshot {
  /** Capacity in entries. */
  readonly max: number;
  /** The kernel's running sum of sizes in bytes. */
  readonly totalSize: bigint;
  /** Physical address of a grown array, null for the static one. */
  readonly arrayAddress: bigint | null;
  /** The entries; empty, or one entry of size 0, for an empty array. */
  readonly regions: readonly Omit<MemblockRegion, 'end'>[];
}

/** A whole memblock as plain data, structured-cloneable. */
export interface MemblockSnapshot {
  /** Searches ascend. */
  readonly bottomUp: boolean;
  /** Bound of "accessible" allocations. */
  readonly currentLimit: bigint;
  /** Arrays may grow. */
  readonly canResize: boolean;
  /** Some memory was marked as mirrored. */
  readonly hasMirror: boolean;
  /** `kernelcore=mirror`. */
  readonly mirroredKernelcore: boolean;
  /** `movable_node`. */
  readonly movableNode: boolean;
  /** The grown `memory` array came from slab. */
  readonly memoryInSlab: boolean;
  /** The grown `reserved` array came from slab. */
  readonly reservedInSlab: boolean;
  /** Discarded: must not be used any more. */
  readonly discarded: boolean;
  /** Managed pages were set to 0 already. */
  readonly managedReset: boolean;
  /** Physical memory. */
  readonly memory: MemblockTypeSnapshot;
  /** What is in use. */
  readonly reserved: MemblockTypeSnapshot;
  /** All installed memory, where the array exists. */
  readonly physmem: MemblockTypeSnapshot | null;
}
