/** Flags of a cache, with the values of 6.1 (spec slub 3.1). */
export const SlabFlag = {
  /** Debug: check lists and objects at every call; letter F of `slub_debug=`. */
  SLAB_CONSISTENCY_CHECKS: 0x100,
  /** Debug: guard bytes on both sides of an object; letter Z. */
  SLAB_RED_ZONE: 0x400,
  /** Debug: fill free objects with a pattern; letter P. */
  SLAB_POISON: 0x800,
  /** A kmalloc cache. */
  SLAB_KMALLOC: 0x1000,
  /** Align objects to cache lines. */
  SLAB_HWCACHE_ALIGN: 0x2000,
  /** Pages from ZONE_DMA. */
  SLAB_CACHE_DMA: 0x4000,
  /** Pages from ZONE_DMA32. */
  SLAB_CACHE_DMA32: 0x8000,
  /** Debug: remember who allocated and freed an object; letter U. */
  SLAB_STORE_USER: 0x10000,
  /** Pages count as reclaimable. */
  SLAB_RECLAIM_ACCOUNT: 0x20000,
  /** Another name of SLAB_RECLAIM_ACCOUNT. */
  SLAB_TEMPORARY: 0x20000,
  /** The kernel panics when the cache cannot be made. */
  SLAB_PANIC: 0x40000,
  /** Pages go back only after an RCU grace period. */
  SLAB_TYPESAFE_BY_RCU: 0x80000,
  /** Spread pages over the nodes of a cpuset; SLUB drops it. */
  SLAB_MEM_SPREAD: 0x100000,
  /** Debug: log every allocation and free; letter T. */
  SLAB_TRACE: 0x200000,
  /** Objects are tracked by debug objects (CONFIG_DEBUG_OBJECTS). */
  SLAB_DEBUG_OBJECTS: 0x400000,
  /** No leak tracing. */
  SLAB_NOLEAKTRACE: 0x800000,
  /** Fail allocations on purpose (CONFIG_FAILSLAB); letter A. */
  SLAB_FAILSLAB: 0x2000000,
  /** Charge to the memory cgroup (CONFIG_MEMCG_KMEM). */
  SLAB_ACCOUNT: 0x4000000,
  /** KASAN metadata (CONFIG_KASAN). */
  SLAB_KASAN: 0x8000000,
  /** Ignore `slub_debug=` for this cache. */
  SLAB_NO_USER_FLAGS: 0x10000000,
  /** Never from KFENCE (CONFIG_KFENCE). */
  SLAB_SKIP_KFENCE: 0x20000000,
  /** SLUB's own: objects are poisoned while free. */
  __OBJECT_POISON: 0x80000000,
  /** SLUB's own: freelist and counters change in one step. */
  __CMPXCHG_DOUBLE: 0x40000000,
} as const;

/** F, Z, P, U, T: a cache with any of them is a debug cache of SLUB. */
export const SLAB_DEBUG_FLAGS = 0x210d00;
/** F, Z, P, U: what `slub_debug` alone turns on. */
export const DEBUG_DEFAULT_FLAGS = 0x10d00;
/** Z, P, U: debug flags that make objects larger. */
export const DEBUG_METADATA_FLAGS = 0x10c00;
/** A cache with any of them is never merged with another. */
export const SLAB_NEVER_MERGE = 0x2a90c00;
/** Flags in which two merged caches agree. */
export const SLAB_MERGE_SAME = 0x402c000;

/** Which flags exist in a build of the kernel. */
export interface SlabFlagConfig {
  /** The allocator: `slub` or `slab`. */
  readonly allocator: 'slub' | 'slab';
  /** SLUB_DEBUG or DEBUG_SLAB. */
  readonly debug: boolean;
  /** MEMCG_KMEM. */
  readonly memcg: boolean;
}

/** Everything but the flags that need a CONFIG_ option which is off, and the internal ones. */
const PERMITTED = 0x10bfed00;
/** Kept by SLUB: PERMITTED without MEM_SPREAD. */
const SLUB_KEPT = 0x10afed00;
/** Kept by SLAB, without debug flags. */
const SLAB_KEPT = 0x9ee000;
/** Debug flags that SLAB with DEBUG_SLAB keeps. */
const SLAB_KEPT_DEBUG = 0x10c00;

/** Flags that a creation may ask for; any other is an error. @kernel SLAB_FLAGS_PERMITTED (spec slub 3.1) */
export function permittedFlags(config: SlabFlagConfig): number {
  return config.memcg ? PERMITTED | SlabFlag.SLAB_ACCOUNT : PERMITTED;
}

/**
 * Flags that a creation keeps; the others are dropped without a word.
 * @kernel CACHE_CREATE_MASK (spec slub 3.1, slab 4.1)
 */
export function keptFlags(config: SlabFlagConfig): number {
  const account = config.memcg ? SlabFlag.SLAB_ACCOUNT : 0;
  if (config.allocator === 'slub') {
    return (config.debug ? SLUB_KEPT : SLUB_KEPT & ~SLAB_DEBUG_FLAGS) | account;
  }
  return SLAB_KEPT | (config.debug ? SLAB_KEPT_DEBUG : 0) | account;
}
