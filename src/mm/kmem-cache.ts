import { type ErrorData, PageframeError } from '../lib/errors.ts';
import type { PhysAddr } from '../lib/units.ts';
import type { KmemCacheOptions } from './slab-create.ts';

/**
 * What SLAB and SLUB refuse. `code` is one of
 * - `FOREIGN_POINTER`: the address is in no slab, or not the start of an object;
 * - `WRONG_CACHE`: the object belongs to another cache;
 * - `DOUBLE_FREE`: the object is free already;
 * - `FREELIST_CORRUPT`: the stored pointer to the next free object was overwritten;
 * - `CACHE_DESTROYED`: the cache no longer exists;
 * - `BAD_CACHE`: the creation cannot work (`data.errno`); `PANIC`: it failed and had SLAB_PANIC;
 * - `BAD_PAGE`: the page source gave a page that cannot be used;
 * - `BAD_ATTRIBUTE`: a value that an attribute refuses (`data.errno`);
 * - `BAD_SNAPSHOT`: a snapshot that cannot be restored here;
 * - `CRASH`: where the kernel would crash.
 *
 * Thrown before anything changed.
 */
export class KmemError extends PageframeError {
  constructor(code: string, message: string, data: ErrorData = {}) {
    super(code, message, data);
  }
}

/** A constructor of objects: called with the physical address of each. */
export type ObjectConstructor = (address: number) => void;

/** Counter of a task in page reclaim. @kernel struct reclaim_state */
export interface ReclaimState {
  /** Pages of slabs freed meanwhile. */
  reclaimedSlab: number;
}

/** Numbers of a cache, as `/proc/slabinfo` shows them. @kernel struct slabinfo */
export interface KmemCacheStats {
  /** Objects that count as in use. */
  readonly activeObjects: number;
  /** Objects in all slabs. */
  readonly totalObjects: number;
  /** Bytes from one object to the next. */
  readonly size: number;
  /** Objects in one slab. */
  readonly objectsPerSlab: number;
  /** Pages in one slab. */
  readonly pagesPerSlab: number;
  /** Entries of a CPU's array; 0 with SLUB. */
  readonly limit: number;
  /** Entries moved at once; 0 with SLUB. */
  readonly batchcount: number;
  /** Factor of the shared array; 0 with SLUB. */
  readonly shared: number;
  /** Slabs in use; with SLUB all of them. */
  readonly activeSlabs: number;
  /** All slabs. */
  readonly slabs: number;
  /** Entries in shared arrays; 0 with SLUB. */
  readonly sharedAvailable: number;
}

/**
 * A cache of objects of one size: the same for SLAB and SLUB.
 *
 * Addresses are physical, in bytes. `gfp` is a mask of `Gfp`, by default GFP_KERNEL; `cpu` is the
 * simulated CPU that makes the call, by default 0.
 *
 * @kernel struct kmem_cache
 */
export interface KmemCache {
  /** Display name; a merged cache keeps the name of the first. */
  readonly name: string;
  /** Usable bytes of an object; grows when caches are merged. */
  readonly objectSize: number;
  /** Bytes from one object to the next. */
  readonly size: number;
  /** Alignment of the objects in bytes. */
  readonly align: number;
  /** Flags of `SlabFlag`, internal bits included. */
  readonly flags: number;
  /** 1 + number of merged caches; -1 for the caches of early boot. */
  readonly refcount: number;

  /**
   * Takes an object.
   * @returns its address, null when there is no memory
   * @kernel kmem_cache_alloc
   */
  alloc(gfp?: number, cpu?: number): PhysAddr | null;
  /**
   * Takes an object from a slab on a node, if it can.
   * @param node preferred node, -1 for any
   * @returns its address, null when there is no memory
   * @kernel kmem_cache_alloc_node
   */
  allocNode(gfp: number, node: number, cpu?: number): PhysAddr | null;
  /**
   * Takes an object and clears it.
   * @returns its address, null when there is no memory
   * @kernel kmem_cache_zalloc
   */
  zalloc(gfp?: number, cpu?: number): PhysAddr | null;
  /**
   * Gives an object back.
   * @throws KmemError `FOREIGN_POINTER`, `WRONG_CACHE`, `DOUBLE_FREE`
   * @kernel kmem_cache_free
   */
  free(address: number, cpu?: number): void;
  /**
   * Takes as many objects as `addresses` is long, or none.
   * @param addresses receives the addresses
   * @returns the number taken: all or 0
   * @kernel kmem_cache_alloc_bulk
   */
  allocBulk(gfp: number, addresses: number[] | Float64Array, cpu?: number): number;
  /**
   * Gives many objects back; may change the order of `addresses`, as the kernel does.
   * @throws KmemError as `free`
   * @kernel kmem_cache_free_bulk
   */
  freeBulk(addresses: number[] | Float64Array, cpu?: number): void;
  /**
   * Gives slabs without objects back to the page source.
   * @returns whether the cache still has slabs
   * @kernel kmem_cache_shrink
   */
  shrink(cpu?: number): boolean;
  /**
   * Drops one user of the cache; the last one frees it.
   * @returns false when objects are left: the cache stays, unusable
   * @kernel kmem_cache_destroy
   */
  destroy(cpu?: number): boolean;
  /** Numbers of the cache. @kernel get_slabinfo */
  stats(): KmemCacheStats;
}

/** Where an address is. */
export interface ObjectLocation {
  /** Name of the cache. */
  readonly cache: string;
  /** First page frame of the slab. */
  readonly pfn: number;
  /** Index of the object in the slab. */
  readonly index: number;
  /** Start of the object. */
  readonly address: PhysAddr;
  /** Whether a caller owns the object. */
  readonly inUse: boolean;
  /** Where the object, or the slab of a used one, is listed. */
  readonly place: string;
  /** The CPU whose list that is, -1 for none. */
  readonly cpu: number;
  /** Node of the slab. */
  readonly node: number;
}

/**
 * A slab allocator: caches, and kmalloc on top of them. The same for SLAB and SLUB, so that one can
 * take the place of the other.
 */
export interface KmemAllocator {
  /**
   * Makes a cache, or joins an existing one that fits.
   * @param name display name
   * @param options size, alignment, flags, constructor
   * @returns the cache, null when there is no memory for it
   * @throws KmemError `BAD_CACHE` for flags or a size that cannot work, `PANIC` with SLAB_PANIC
   * @kernel kmem_cache_create
   */
  createCache(name: string, options: KmemCacheOptions, cpu?: number): KmemCache | null;
  /** All caches, newest first. @kernel slab_caches */
  readonly caches: readonly KmemCache[];
  /**
   * Takes memory of any size.
   * @param size bytes; 0 gives `ZERO_SIZE_PTR`
   * @returns the address, null when there is no memory
   * @kernel kmalloc
   */
  kmalloc(size: number, gfp?: number, cpu?: number): PhysAddr | null;
  /** As `kmalloc`, preferring a node, -1 for any. @kernel kmalloc_node */
  kmallocNode(size: number, gfp: number, node: number, cpu?: number): PhysAddr | null;
  /** As `kmalloc`, cleared. @kernel kzalloc */
  kzalloc(size: number, gfp?: number, cpu?: number): PhysAddr | null;
  /** Memory for `count` elements of `size` bytes; null also when the product overflows. @kernel kmalloc_array */
  kmallocArray(count: number, size: number, gfp?: number, cpu?: number): PhysAddr | null;
  /** As `kmallocArray`, cleared. @kernel kcalloc */
  kcalloc(count: number, size: number, gfp?: number, cpu?: number): PhysAddr | null;
  /**
   * Changes the size of a block, moving it if it must.
   * @param address of `kmalloc`, or null
   * @param size new size in bytes; 0 frees the block
   * @returns the address, null when there is no memory: the old block stays
   * @kernel krealloc
   */
  krealloc(address: number | null, size: number, gfp?: number, cpu?: number): PhysAddr | null;
  /** As `krealloc` for `count` elements of `size` bytes; null when the product overflows. @kernel krealloc_array */
  kreallocArray(
    address: number | null,
    count: number,
    size: number,
    gfp?: number,
    cpu?: number,
  ): PhysAddr | null;
  /**
   * Gives memory of `kmalloc` or any object of a cache back; null and `ZERO_SIZE_PTR` are allowed.
   * @throws KmemError `FOREIGN_POINTER`, `DOUBLE_FREE`
   * @kernel kfree
   */
  kfree(address: number | null, cpu?: number): void;
  /** Clears the memory, then frees it. @kernel kfree_sensitive */
  kfreeSensitive(address: number | null, cpu?: number): void;
  /** Gives many blocks back; may change their order in `addresses`. @kernel kfree_bulk */
  kfreeBulk(addresses: number[] | Float64Array, cpu?: number): void;
  /** Usable bytes of a block, 0 for null and `ZERO_SIZE_PTR`. @kernel ksize */
  ksize(address: number | null): number;
  /** The bytes that a request of `size` would occupy. @kernel kmalloc_size_roundup */
  kmallocSizeRoundup(size: number): number;
  /** The text of `/proc/slabinfo`. */
  slabinfo(): string;
  /** Which object an address is in, null if none. */
  locate(address: number): ObjectLocation | null;
}
