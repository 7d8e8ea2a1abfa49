import { isPowerOfTwo } from '../lib/bits.ts';
import { alignUp } from '../lib/units.ts';
import { keptFlags, permittedFlags, SlabFlag, type SlabFlagConfig } from './slab-flags.ts';

/** `cache_line_size()` of x86-64, bytes. */
export const CACHE_LINE_SIZE = 64;
/** `ARCH_SLAB_MINALIGN`: every object is aligned to at least this, bytes. */
export const ARCH_SLAB_MINALIGN = 8;
/** Error number of an invalid argument, as creations return it. */
export const EINVAL = 22;
/** Error number of "out of memory". */
export const ENOMEM = 12;
/** Error number of "busy". */
export const EBUSY = 16;

/** What a creator asks for. */
export interface KmemCacheOptions {
  /** Object size in bytes. */
  readonly size: number;
  /** Wanted alignment in bytes, a power of two; 0 (the default) for none. */
  readonly align?: number;
  /** Flags of `SlabFlag`. Default 0. */
  readonly flags?: number;
  /**
   * Constructor: called with the physical address of every object when a slab is made, not at every
   * allocation. A cache with a constructor is never merged.
   */
  readonly ctor?: ((address: number) => void) | undefined;
  /** Start of the part that may be copied to user space, bytes. Default 0. */
  readonly useroffset?: number;
  /** Length of the part that may be copied to user space, bytes; nonzero forbids merging. Default 0. */
  readonly usersize?: number;
}

/** A creation after the common checks: every field has its value. */
export interface CheckedCreation {
  /** Object size in bytes. */
  readonly size: number;
  /** Wanted alignment in bytes. */
  readonly align: number;
  /** Flags that are kept. */
  readonly flags: number;
  /** Constructor, null for none. */
  readonly ctor: ((address: number) => void) | null;
  /** Start of the user copy window, bytes. */
  readonly useroffset: number;
  /** Length of the user copy window, bytes. */
  readonly usersize: number;
  /** Whether a broken user copy window was dropped, which the kernel warns about. */
  readonly windowDropped: boolean;
}

/**
 * The checks and reductions that every creation begins with.
 * @param options what the creator asks for
 * @param config which flags the build has
 * @returns the request with reduced flags and window; null for a flag that is not permitted (-EINVAL)
 * @kernel kmem_cache_create_usercopy (spec slub 4.1 steps 2 to 4)
 */
export function checkCreation(
  options: KmemCacheOptions,
  config: SlabFlagConfig,
): CheckedCreation | null {
  const { size, align = 0, flags = 0, ctor = null, useroffset = 0, usersize = 0 } = options;
  if ((flags & ~permittedFlags(config)) !== 0) return null;
  const windowDropped =
    (usersize === 0 && useroffset !== 0) || size < usersize || size - usersize < useroffset;
  return {
    size,
    align,
    flags: (flags & keptFlags(config)) >>> 0,
    ctor,
    useroffset: windowDropped ? 0 : useroffset,
    usersize: windowDropped ? 0 : usersize,
    windowDropped,
  };
}

/**
 * Alignment of the objects of a cache.
 * @param flags flags of the cache; only SLAB_HWCACHE_ALIGN matters
 * @param align wanted alignment in bytes, 0 for none
 * @param size object size in bytes
 * @returns alignment in bytes, a multiple of 8
 * @kernel calculate_alignment (spec slub 4.2)
 */
export function calculateAlignment(flags: number, align: number, size: number): number {
  let result = align;
  if ((flags & SlabFlag.SLAB_HWCACHE_ALIGN) !== 0) {
    let line = CACHE_LINE_SIZE;
    while (size <= line / 2) line /= 2;
    result = Math.max(result, line);
  }
  return alignUp(Math.max(result, ARCH_SLAB_MINALIGN), ARCH_SLAB_MINALIGN);
}

/**
 * Alignment of the caches that the kernel makes itself at boot: their size if that is a power of
 * two, else the minimum; then as for any other cache.
 * @kernel create_boot_cache (spec slub 4.9 step 1)
 */
export function bootCacheAlignment(flags: number, size: number): number {
  const natural = isPowerOfTwo(size) ? size : ARCH_SLAB_MINALIGN;
  return calculateAlignment(flags, Math.max(natural, ARCH_SLAB_MINALIGN), size);
}

/**
 * Smallest order whose block holds `bytes`.
 * @param bytes at least 1
 * @kernel get_order (spec slub 3.3)
 */
export function getOrder(bytes: number): number {
  let order = 0;
  while (4096 * 2 ** order < bytes) order++;
  return order;
}

/** Where the kernel's creation failed: which error number the report names. */
export function creationFailure(name: string, errno: number, panic: boolean): string {
  return panic
    ? `kmem_cache_create_usercopy: Failed to create slab '${name}'. Error -${errno}`
    : `kmem_cache_create_usercopy(${name}) failed with error -${errno}`;
}
