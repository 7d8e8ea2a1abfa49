/** Region flags. @kernel enum memblock_flags (spec memblock 3) */
export const MemblockFlags = {
  /** No special request. */
  MEMBLOCK_NONE: 0x0,
  /** Hot-pluggable memory. */
  MEMBLOCK_HOTPLUG: 0x1,
  /** Mirrored memory, preferred for the kernel. */
  MEMBLOCK_MIRROR: 0x2,
  /** Not part of the direct mapping; never handed out. */
  MEMBLOCK_NOMAP: 0x4,
  /** Detected and added by a driver, not by firmware. */
  MEMBLOCK_DRIVER_MANAGED: 0x8,
} as const;

/** Highest value of `phys_addr_t`, 2^64 - 1: no range reaches beyond it. */
export const PHYS_ADDR_MAX = 0xffff_ffff_ffff_ffffn;
/** As an upper bound: none at all. */
export const MEMBLOCK_ALLOC_ANYWHERE: bigint = PHYS_ADDR_MAX;
/** As an upper bound: the current limit. */
export const MEMBLOCK_ALLOC_ACCESSIBLE = 0n;
/** As an upper bound: the current limit, and no leak tracing (which the model does not do). */
export const MEMBLOCK_ALLOC_NOLEAKTRACE = 1n;
/** Lower bound of the allocators that take none. */
export const MEMBLOCK_LOW_LIMIT = 0n;
/** Upper bound of `memblock_alloc_low` on x86: exclusive, so the last page below 4 GiB is out. */
export const ARCH_LOW_ADDRESS_LIMIT = 0xffff_ffffn;
/** Start capacity of the region arrays. */
export const INIT_MEMBLOCK_REGIONS = 128;
/** Start capacity of the `physmem` array. */
export const INIT_PHYSMEM_REGIONS = 4;
/** "Any node" in allocations and range walks. */
export const NUMA_NO_NODE = -1;
/** Default of MAX_NUMNODES on x86-64 (NODES_SHIFT 6); as a region's node: not assigned. */
export const DEFAULT_MAX_NUMNODES = 64;
/** What replaces an alignment of 0, x86-64 default. */
export const SMP_CACHE_BYTES = 64n;
/** Out of memory, returned as `-ENOMEM`. */
export const ENOMEM = 12;
/** Bytes of one entry of a region array, which decides how much room a grown array needs. */
export const REGION_BYTES = 24;
/** Cursor value of a finished walk, and of a backward walk that has not begun. */
export const CURSOR_END = 0xffff_ffff_ffff_ffffn;
