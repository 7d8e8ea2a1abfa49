import { checkInteger } from '../lib/errors.ts';
import { asPhysAddr, type PhysAddr } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { type KmemCache, type KmemCacheStats, KmemError } from '../mm/kmem-cache.ts';
import { takeObject } from './alloc.ts';
import { type Addresses, allocBulk, freeBulk } from './bulk.ts';
import type { CacheState } from './cache-state.ts';
import { flushAll } from './cpu-slab.ts';
import { destroyCache } from './destroy.ts';
import { cacheFromObject, freeToCache } from './free.ts';
import { assertSlubInvariants } from './invariants.ts';
import { shrinkCache } from './shrink.ts';
import { cacheStats } from './slabinfo.ts';
import { checkCpu, type SlubState } from './state.ts';
import { type AttributeName, readAttribute, writeAttribute } from './sysfs.ts';
import { validateCache } from './validate.ts';

/** How a cache is laid out and tuned, in the words of the kernel. (spec slub 2.3) */
export interface SlubGeometry {
  /** Usable bytes of an object. */
  readonly objectSize: number;
  /** Bytes of a slot. */
  readonly size: number;
  /** Where the metadata begins, bytes from the object. */
  readonly inuse: number;
  /** Where the free pointer is, bytes from the object. */
  readonly offset: number;
  /** Alignment in bytes. */
  readonly align: number;
  /** Bytes of the left red zone. */
  readonly redLeftPad: number;
  /** Usual order of a slab. */
  readonly order: number;
  /** Objects in a slab of the usual order. */
  readonly objects: number;
  /** Smallest order. */
  readonly minOrder: number;
  /** Objects in a slab of the smallest order. */
  readonly minObjects: number;
  /** Node partial slabs to keep. */
  readonly minPartial: number;
  /** Nominal objects on a CPU's partial list. */
  readonly cpuPartial: number;
  /** Limit of a CPU's partial list, slabs. */
  readonly cpuPartialSlabs: number;
  /** Flags, internal bits included. */
  readonly flags: number;
  /** Bits that every page request has. */
  readonly allocflags: number;
  /** 1 + aliases. */
  readonly refcount: number;
}

/**
 * A cache of SLUB. Made by `SlubAllocator.createCache` or `createKmemCache`; a creation that is merged
 * gives the cache it joined.
 *
 * @example
 * ```ts
 * const inodes = slub.createCache('inode', { size: 584, flags: SlabFlag.SLAB_RECLAIM_ACCOUNT });
 * const inode = inodes?.alloc();
 * ```
 *
 * @kernel struct kmem_cache
 */
export class SlubCache implements KmemCache {
  readonly #state: SlubState;
  readonly #cache: CacheState;

  /** @internal */
  constructor(state: SlubState, cache: CacheState) {
    this.#state = state;
    this.#cache = cache;
  }

  /** Display name; a merged cache keeps the name of the first. */
  get name(): string {
    return this.#cache.name;
  }

  /** Usable bytes of an object; grows when caches are merged. @kernel kmem_cache_size */
  get objectSize(): number {
    return this.#cache.objectSize;
  }

  /** Bytes from one object to the next. */
  get size(): number {
    return this.#cache.size;
  }

  /** Alignment of the objects in bytes. */
  get align(): number {
    return this.#cache.align;
  }

  /** Flags of `SlabFlag`, internal bits included. */
  get flags(): number {
    return this.#cache.flags;
  }

  /** 1 + number of merged caches; -1 for the caches of early boot; 0 when destroyed. */
  get refcount(): number {
    return this.#cache.refcount;
  }

  /** Names that were merged into this cache. */
  get aliases(): readonly string[] {
    return this.#cache.aliases;
  }

  /**
   * Takes an object.
   * @returns its address, null when there is no memory
   * @throws KmemError `CACHE_DESTROYED`; `FREELIST_CORRUPT` when a pointer in a free object was overwritten
   * @kernel kmem_cache_alloc (spec slub 4.11)
   */
  alloc(gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    const cache = this.#cache;
    const address = takeObject(this.#state, cache, gfp, -1, cache.objectSize, cpu);
    if (this.#state.watched) this.#allocated(address, gfp, -1);
    return address < 0 ? null : (address as PhysAddr);
  }

  /**
   * Takes an object from a slab on a node, if it can.
   * @param node preferred node, -1 for any
   * @returns its address, null when there is no memory
   * @throws KmemError as `alloc`
   * @kernel kmem_cache_alloc_node (spec slub 4.11)
   */
  allocNode(gfp: number, node: number, cpu = 0): PhysAddr | null {
    const cache = this.#cache;
    // Larger numbers than there are nodes are refused on the long way, which they all take.
    if (node < -1) checkInteger('node', node, -1, this.#state.topology.nodeIds - 1);
    const address = takeObject(this.#state, cache, gfp, node, cache.objectSize, cpu);
    if (this.#state.watched) this.#allocated(address, gfp, node);
    return address < 0 ? null : (address as PhysAddr);
  }

  /**
   * Takes an object and clears it.
   * @returns its address, null when there is no memory
   * @throws KmemError as `alloc`
   * @kernel kmem_cache_zalloc
   */
  zalloc(gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.alloc(gfp | Gfp.__GFP_ZERO, cpu);
  }

  /**
   * Gives an object back. What the kernel checks itself (SLAB_CONSISTENCY_CHECKS) is reported as it
   * does, and nothing is thrown.
   * @throws KmemError `FOREIGN_POINTER`, `WRONG_CACHE`, `DOUBLE_FREE`
   * @kernel kmem_cache_free (spec slub 4.18)
   */
  free(address: number, cpu = 0): void {
    if (this.#state.watched) this.#freeWatched(address, cpu);
    else freeToCache(this.#state, this.#cache, address, cpu);
  }

  /**
   * Takes as many objects as `addresses` is long, or none.
   * @param addresses receives the addresses
   * @returns the number taken: all or 0
   * @kernel kmem_cache_alloc_bulk (spec slub 4.27)
   */
  allocBulk(gfp: number, addresses: Addresses, cpu = 0): number {
    checkCpu(this.#state, cpu);
    const taken = allocBulk(this.#state, this.#cache, gfp, addresses, cpu);
    this.#check();
    return taken;
  }

  /**
   * Gives many objects back. Objects of one slab that are near each other go as one chain, from the
   * end of the array; the order of `addresses` changes.
   * @throws KmemError as `free`
   * @kernel kmem_cache_free_bulk (spec slub 4.27)
   */
  freeBulk(addresses: Addresses, cpu = 0): void {
    checkCpu(this.#state, cpu);
    freeBulk(this.#state, this.#cache, addresses, cpu);
    this.#check();
  }

  /**
   * Gives slabs without objects back to the page source and sorts the partial lists.
   * @returns whether the cache still has slabs
   * @kernel kmem_cache_shrink (spec slub 4.28)
   */
  shrink(cpu = 0): boolean {
    checkCpu(this.#state, cpu);
    const busy = shrinkCache(this.#state, this.#cache, cpu);
    this.#check();
    return busy;
  }

  /**
   * Drops one user of the cache; the last one frees it.
   * @returns false when objects are left: they are reported, the cache stays, unusable
   * @throws KmemError `CACHE_DESTROYED`
   * @kernel kmem_cache_destroy (spec slub 4.8)
   */
  destroy(cpu = 0): boolean {
    checkCpu(this.#state, cpu);
    if (this.#cache.refcount === 0) {
      throw new KmemError('CACHE_DESTROYED', 'the cache was destroyed', { cache: this.name });
    }
    const done = destroyCache(this.#state, this.#cache, cpu);
    this.#check();
    return done;
  }

  /** Every CPU gives up its slabs. @kernel flush_all (spec slub 4.17) */
  flush(): void {
    flushAll(this.#state, this.#cache);
    this.#check();
  }

  /**
   * Checks a debug cache completely; what is wrong is reported and repaired.
   * @returns number of slabs looked at
   * @throws KmemError `BAD_ATTRIBUTE` for a cache that is no debug cache
   * @kernel validate_slab_cache (spec slub 4.25)
   */
  validate(): number {
    return validateCache(this.#state, this.#cache);
  }

  /** Numbers of the cache. @kernel get_slabinfo (spec slub 5.2) */
  stats(): KmemCacheStats {
    return cacheStats(this.#state, this.#cache);
  }

  /** How the cache is laid out and tuned. */
  geometry(): SlubGeometry {
    const { objectSize, size, inuse, offset, align, redLeftPad, order, objects } = this.#cache;
    const { minOrder, minObjects, minPartial, cpuPartial, cpuPartialSlabs } = this.#cache;
    const { flags, allocflags, refcount } = this.#cache;
    return {
      ...{ objectSize, size, inuse, offset, align, redLeftPad, order, objects },
      ...{ minOrder, minObjects, minPartial, cpuPartial, cpuPartialSlabs },
      ...{ flags, allocflags, refcount },
    };
  }

  /**
   * The text of a file in the cache's sysfs directory, with the newline at its end.
   * @kernel /sys/kernel/slab/NAME/ATTRIBUTE (spec slub 5.4)
   */
  readAttribute(name: AttributeName): string {
    return readAttribute(this.#state, this.#cache, name);
  }

  /**
   * Writes to a file in the cache's sysfs directory.
   * @throws KmemError `BAD_ATTRIBUTE` with `data.errno` for a text or a file that refuses it
   * @kernel slab_attr_store (spec slub 5.4)
   */
  writeAttribute(name: AttributeName, text: string, cpu = 0): void {
    checkCpu(this.#state, cpu);
    writeAttribute(this.#state, this.#cache, name, text, cpu);
    this.#check();
  }

  #allocated(address: number, gfp: number, node: number): void {
    const { objectSize, size } = this.#cache;
    this.#state.trace?.kmemCacheAlloc?.(address, objectSize, size, gfp, node);
    this.#check();
  }

  #freeWatched(address: number, cpu: number): void {
    const state = this.#state;
    checkCpu(state, cpu);
    const real = cacheFromObject(state, this.#cache, address);
    if (real !== null) {
      state.trace?.kmemCacheFree?.(address, real.name);
      freeToCache(state, real, address, cpu);
    }
    this.#check();
  }

  #check(): void {
    if (this.#state.fullChecks) assertSlubInvariants(this.#state);
  }
}

/** An address at the public edge: null for "no memory". */
export function publicAddress(address: number): PhysAddr | null {
  return address < 0 ? null : asPhysAddr(address);
}
