import { ArgumentError, checkInteger } from '../lib/errors.ts';
import { addrToPfn, MAX_ORDER, PAGE_SIZE, pfnToAddr } from '../lib/units.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import { Gfp } from './gfp.ts';
import {
  KMALLOC_INDEX_COUNT,
  KMALLOC_MAX_CACHE_SIZE,
  kmallocIndexSlab,
  kmallocIndexSlub,
  kmallocType,
  kmallocTypeBits,
  ZERO_SIZE_PTR,
} from './kmalloc-sizes.ts';
import { KmemError } from './kmem-cache.ts';
import {
  allocatedOrder,
  clearCompound,
  compoundHead,
  type PageMap,
  setCompound,
} from './page-map.ts';
import type { PageSource } from './page-source.ts';
import { getOrder } from './slab-create.ts';
import { fixSlabGfp } from './slab-gfp.ts';
import { memoryNodeOf, type SlabTopology } from './slab-topology.ts';
import type { LogSink, TraceSink } from './trace.ts';
import { NodeStatItem } from './vm-items.ts';
import { modNodeState, type Vmstat } from './vmstat.ts';

/** 2^64: a product of element count and size from here on overflows. */
const U64_END = 0x1_0000_0000_0000_0000;

/** What the front end asks of the slab allocator below it. */
export interface KmallocBackend<C> {
  /**
   * Takes an object of a kmalloc cache, without a tracepoint.
   * @param size bytes that the caller asked for
   * @returns its address, -1 when there is no memory
   */
  takeSized(cache: C, gfp: number, node: number, size: number, cpu: number): number;
  /**
   * Gives an object back if its page is a slab's, without a tracepoint.
   * @returns false when the page is no slab
   */
  giveBack(address: number, cpu: number): boolean;
  /** Bytes that the owner of an object may use, -1 when its page is no slab. @kernel __ksize */
  usableSize(address: number): number;
  /** Bytes from one object of a cache to the next. */
  slotSize(cache: C): number;
}

/** What a kmalloc front end is made of. */
export interface KmallocOptions<C> {
  /** The slab allocator below. */
  readonly backend: KmallocBackend<C>;
  /** Which size classes. */
  readonly allocator: 'slub' | 'slab';
  /** MEMCG_KMEM. */
  readonly memcg: boolean;
  /** Page frames of large blocks. */
  readonly source: PageSource;
  /** The page map in use: that of the source, or a private one. */
  readonly map: PageMap;
  /** Content of the pages. */
  readonly memory: PhysicalMemory;
  /** CPUs and nodes. */
  readonly topology: SlabTopology;
  /** Counters, null for none. */
  readonly vmstat: Vmstat | null;
  /** The kernel's log, null for none. */
  readonly log: LogSink | null;
  /** `init_on_alloc=`. */
  readonly initOnAlloc: boolean;
}

/**
 * kmalloc and its relatives on top of SLAB or SLUB. Addresses are numbers; -1 means "no memory" and
 * 0 is NULL.
 *
 * @kernel mm/slab_common.c (spec slub 4.21)
 */
export class Kmalloc<C> {
  /** Caches, `type * KMALLOC_INDEX_COUNT + index`; a type without caches has null. */
  readonly caches: (C | null)[];
  /** Where tracepoints go, null for nowhere. */
  trace: TraceSink | null = null;
  readonly #options: KmallocOptions<C>;
  readonly #backend: KmallocBackend<C>;
  /** Index of the cache that serves a size, by (size + 7) / 8. */
  readonly #indices: Uint8Array;
  /** Bits of a mask that choose another type than NORMAL. */
  readonly #typeBits: number;
  readonly #memcg: boolean;
  #warnedOrder0 = false;

  constructor(options: KmallocOptions<C>, typeCount: number) {
    this.#options = options;
    this.#backend = options.backend;
    const indexOf = options.allocator === 'slub' ? kmallocIndexSlub : kmallocIndexSlab;
    this.#indices = Uint8Array.from({ length: KMALLOC_MAX_CACHE_SIZE / 8 + 1 }, (_, i) =>
      i === 0 ? 0 : indexOf(8 * i),
    );
    this.#typeBits = kmallocTypeBits(options.memcg);
    this.#memcg = options.memcg;
    this.caches = new Array<C | null>(typeCount * KMALLOC_INDEX_COUNT).fill(null);
  }

  /** The cache that serves a request of 1 to 8192 bytes. @kernel kmalloc_slab */
  cacheFor(size: number, gfp: number): C {
    const index = this.#indices[(size + 7) >> 3];
    const type = (gfp & this.#typeBits) === 0 ? 0 : kmallocType(gfp, this.#memcg);
    const cache = this.caches[type * KMALLOC_INDEX_COUNT + index];
    if (cache !== null) return cache;
    throw new KmemError('CRASH', 'there is no kmalloc cache of this type', { size, gfp });
  }

  /** @kernel kmalloc, kmalloc_node (spec slub 4.21) */
  alloc(size: number, gfp: number, node: number, cpu: number): number {
    if (size > KMALLOC_MAX_CACHE_SIZE || size < 1 || (size | 0) !== size) {
      return this.#allocOther(size, gfp, node, cpu);
    }
    const cache = this.cacheFor(size, gfp);
    const address = this.#backend.takeSized(cache, gfp, node, size, cpu);
    if (this.trace !== null) {
      this.trace.kmalloc?.(address, size, this.#backend.slotSize(cache), gfp, node);
    }
    return address;
  }

  #allocOther(size: number, gfp: number, node: number, cpu: number): number {
    checkInteger('size', size, 0, Number.MAX_SAFE_INTEGER);
    return size === 0 ? ZERO_SIZE_PTR : this.#allocLarge(size, gfp, node, cpu);
  }

  /** @kernel kmalloc_large, kmalloc_large_node (spec slub 4.21) */
  #allocLarge(size: number, gfp: number, node: number, cpu: number): number {
    const { source, topology, log } = this.#options;
    const order = getOrder(size);
    let pfn = -1;
    if (order < MAX_ORDER) {
      const mask = fixSlabGfp(gfp, log) | Gfp.__GFP_COMP;
      pfn = source.allocPages(mask, order, node < 0 ? memoryNodeOf(topology, cpu) : node, cpu);
    }
    if (pfn >= 0) this.#takeLarge(pfn, order, cpu);
    const address = pfn < 0 ? -1 : pfnToAddr(pfn);
    this.trace?.kmalloc?.(address, size, PAGE_SIZE * 2 ** order, gfp, node);
    return address;
  }

  #takeLarge(pfn: number, order: number, cpu: number): void {
    const { source, map } = this.#options;
    if (pfn === 0 || pfn + 2 ** order > map.endPfn) {
      source.freePages(pfn, order, cpu);
      throw new KmemError('BAD_PAGE', 'the page source gave a page that cannot be used', { pfn });
    }
    if (source.map === undefined) {
      setCompound(map, pfn, order);
      map.refcount[pfn] = 1;
    }
    this.#account(pfn, 2 ** order, cpu);
  }

  /** Counts pages of large blocks, which are unreclaimable. */
  #account(pfn: number, pages: number, cpu: number): void {
    const { vmstat, source } = this.#options;
    if (vmstat === null) return;
    modNodeState(vmstat, cpu, source.nodeOf(pfn), NodeStatItem.nr_slab_unreclaimable, pages);
  }

  /**
   * First page frame of the block of pages that an address is in, which is no slab.
   * @throws KmemError `FOREIGN_POINTER` when no such block is allocated
   */
  largeHead(address: number): number {
    const { map } = this.#options;
    const pfn = addrToPfn(address);
    const head = pfn > 0 && pfn < map.endPfn ? compoundHead(map, pfn) : -1;
    if (head > 0 && map.refcount[head] > 0 && allocatedOrder(map, head) >= 0) return head;
    throw new KmemError('FOREIGN_POINTER', 'the address is neither an object nor a large block', {
      address,
    });
  }

  /** @kernel kfree (spec slub 4.21); `address` 0 is NULL */
  free(address: number, cpu: number): void {
    if (this.trace !== null) this.trace.kfree?.(address === 0 ? -1 : address);
    if (address <= ZERO_SIZE_PTR) addressArgument(address);
    else if (!this.#backend.giveBack(address, cpu)) this.freeLarge(address, cpu);
  }

  /**
   * Frees the block of pages that an address is in, which is no slab.
   * @throws KmemError `FOREIGN_POINTER` when no such block is allocated
   * @kernel free_large_kmalloc
   */
  freeLarge(address: number, cpu: number): void {
    const { map, source, log } = this.#options;
    const head = this.largeHead(address);
    const order = allocatedOrder(map, head);
    if (order === 0 && !this.#warnedOrder0) {
      this.#warnedOrder0 = true;
      log?.(`object pointer: 0x${address.toString(16)}`);
    }
    this.#account(head, -(2 ** order), cpu);
    if (source.map === undefined) {
      clearCompound(map, head, order);
      map.refcount[head] = 0;
    }
    source.freePages(head, order, cpu);
  }

  /** Usable bytes of a block, 0 for NULL and ZERO_SIZE_PTR. @kernel ksize (spec slub 4.21) */
  usableSize(address: number): number {
    if (address <= ZERO_SIZE_PTR) return 0;
    const bytes = this.#backend.usableSize(address);
    if (bytes >= 0) return bytes;
    const head = this.largeHead(address);
    const size = PAGE_SIZE * 2 ** allocatedOrder(this.#options.map, head);
    return size <= KMALLOC_MAX_CACHE_SIZE || address !== pfnToAddr(head) ? 0 : size;
  }

  /** @kernel krealloc (spec slub 4.21) */
  realloc(address: number, size: number, gfp: number, cpu: number): number {
    checkInteger('size', size, 0, Number.MAX_SAFE_INTEGER);
    if (size === 0) {
      this.free(address, cpu);
      return ZERO_SIZE_PTR;
    }
    const { memory, initOnAlloc } = this.#options;
    const usable = this.usableSize(address);
    if (usable >= size) {
      const clear = initOnAlloc || (gfp & Gfp.__GFP_ZERO) !== 0;
      if (clear) memory.fill(address + size, usable - size, 0);
      return address;
    }
    const moved = this.alloc(size, gfp, -1, cpu);
    if (moved < 0) return -1;
    if (usable > 0) memory.copy(moved, address, usable);
    this.free(address, cpu);
    return moved;
  }

  /** @kernel kfree_sensitive */
  freeSensitive(address: number, cpu: number): void {
    const usable = this.usableSize(address);
    if (usable > 0) this.#options.memory.fill(address, usable, 0);
    this.free(address, cpu);
  }

  /**
   * Bytes of `count` elements.
   * @returns -1 when the product overflows 64 bits
   * @kernel array_size, check_mul_overflow
   */
  arrayBytes(count: number, size: number): number {
    checkInteger('count', count, 0, Number.MAX_SAFE_INTEGER);
    checkInteger('size', size, 0, Number.MAX_SAFE_INTEGER);
    const product = count * size;
    if (product >= U64_END) return -1;
    // Beyond 2^53 the product is inexact, and far larger than anything that can be had.
    return Math.min(product, Number.MAX_SAFE_INTEGER);
  }
}

/** An address argument as a number: null is NULL, 0. @throws ArgumentError `BAD_ARGUMENT` */
export function addressArgument(address: number | null): number {
  if (address === null) return 0;
  if (Number.isSafeInteger(address) && address >= 0) return address;
  throw new ArgumentError('address must be a physical address', { address });
}
