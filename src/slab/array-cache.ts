/** Most entries of a CPU's array: it must fit the per-CPU allocator's largest unit. */
export const ARRAY_LIMIT_MAX = 4094;
/** Entries taken at most when an array is refilled that was not used since the last reap. */
export const BATCHREFILL_LIMIT = 16;
/** Entries of a CPU's array before `kmem_cache_init_late`. */
export const BOOT_CPUCACHE_ENTRIES = 1;
/** Entries of an array for another node's objects. */
export const ALIEN_LIMIT = 12;
/** What shared and alien arrays hold as batch size: it is never used. */
export const BATCHCOUNT_UNUSED = 0xbaadf00d;

/** Bytes of the fields before the entries. */
const ARRAY_CACHE_BYTES = 16;
/** The same with the lock of an alien array. */
const ALIEN_CACHE_BYTES = 24;
const POINTER_BYTES = 8;

/**
 * A stack of objects: a CPU's own, shared by the CPUs of a node, or for the objects of another node.
 * An entry is an object number (see `SlabTable`), not an address: it fits a small integer, and slab
 * and index are at hand without a division.
 *
 * @kernel struct array_cache (spec slab 2.2)
 */
export class ArrayCache {
  /** Number of entries; the top is `entries[avail - 1]`. */
  avail = 0;
  /** 1 if it was used since the last reap. */
  touched = 0;
  /** Capacity. */
  readonly limit: number;
  /** Entries moved at once; `BATCHCOUNT_UNUSED` shows as 0 here. */
  readonly batchcount: number;
  /** The objects. */
  readonly entries: Int32Array;
  /** Address of the kmalloc object that holds it, 0 for CPU arrays and without such. */
  address = 0;

  constructor(limit: number, batchcount: number) {
    this.limit = limit;
    this.batchcount = batchcount;
    this.entries = new Int32Array(limit);
  }
}

/** Bytes that an array occupies. @kernel alloc_arraycache */
export function arrayCacheBytes(limit: number): number {
  return ARRAY_CACHE_BYTES + POINTER_BYTES * limit;
}

/** Bytes that an array for another node's objects occupies. @kernel __alloc_alien_cache */
export function alienCacheBytes(limit: number): number {
  return ALIEN_CACHE_BYTES + POINTER_BYTES * limit;
}

/**
 * Moves entries from the top of one stack to the top of another; they keep their order.
 * @param max most entries to move
 * @returns number moved
 * @kernel transfer_objects (spec slab 4.7)
 */
export function transferObjects(to: ArrayCache, from: ArrayCache, max: number): number {
  const count = Math.min(from.avail, max, to.limit - to.avail);
  if (count <= 0) return 0;
  const start = from.avail - count;
  for (let i = 0; i < count; i++) to.entries[to.avail + i] = from.entries[start + i];
  from.avail = start;
  to.avail += count;
  return count;
}

/** Removes the `count` oldest entries; the others move down. */
export function dropOldest(ac: ArrayCache, count: number): void {
  ac.entries.copyWithin(0, count, ac.avail);
  ac.avail -= count;
}

/** Adds the `count` oldest entries of one stack on top of another, where they fit. */
export function copyOldest(to: ArrayCache, from: ArrayCache, count: number): void {
  for (let i = 0; i < count; i++) to.entries[to.avail + i] = from.entries[i];
  to.avail += count;
}
