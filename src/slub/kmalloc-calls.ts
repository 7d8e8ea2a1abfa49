import { checkInteger } from '../lib/errors.ts';
import type { PhysAddr } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { addressArgument, Kmalloc } from '../mm/kmalloc.ts';
import {
  KMALLOC_MAX_CACHE_SIZE,
  KMALLOC_TYPE_COUNT,
  kmallocSizeRoundup,
} from '../mm/kmalloc-sizes.ts';
import { SlubBackend } from './backend.ts';
import { type Addresses, freeBulk } from './bulk.ts';
import { publicAddress } from './cache.ts';
import type { CacheState } from './cache-state.ts';
import { assertSlubInvariants } from './invariants.ts';
import { checkCpu, type SlubState } from './state.ts';

/** kmalloc and its kin, as methods. @kernel mm/slab_common.c (spec slub 4.21) */
export abstract class KmallocCalls {
  readonly #state: SlubState;
  readonly #kmalloc: Kmalloc<CacheState>;

  /** @internal */
  constructor(state: SlubState) {
    this.#state = state;
    this.#kmalloc = new Kmalloc<CacheState>(
      {
        backend: new SlubBackend(state),
        allocator: 'slub',
        memcg: state.config.memcg,
        source: state.source,
        map: state.map,
        memory: state.memory,
        topology: state.topology,
        vmstat: state.vmstat,
        log: state.log,
        initOnAlloc: state.parameters.initOnAlloc,
      },
      KMALLOC_TYPE_COUNT,
    );
    state.kmalloc = this.#kmalloc;
  }

  /**
   * Takes memory of any size.
   * @param size bytes; 0 gives `ZERO_SIZE_PTR`, above 8192 whole pages
   * @returns the address, null when there is no memory
   * @kernel kmalloc (spec slub 4.21)
   */
  kmalloc(size: number, gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    const address = this.#kmalloc.alloc(size, gfp, -1, cpu);
    if (this.#state.fullChecks) this.#check();
    return address < 0 ? null : (address as PhysAddr);
  }

  /** As `kmalloc`, preferring a node, -1 for any. @kernel kmalloc_node */
  kmallocNode(size: number, gfp: number, node: number, cpu = 0): PhysAddr | null {
    checkInteger('node', node, -1, this.#state.topology.nodeIds - 1);
    const address = this.#kmalloc.alloc(size, gfp, node, cpu);
    this.#check();
    return publicAddress(address);
  }

  /** As `kmalloc`, cleared. @kernel kzalloc */
  kzalloc(size: number, gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.kmalloc(size, gfp | Gfp.__GFP_ZERO, cpu);
  }

  /**
   * Memory for `count` elements of `size` bytes.
   * @returns null also when the product overflows 64 bits
   * @kernel kmalloc_array
   */
  kmallocArray(
    count: number,
    size: number,
    gfp: number = Gfp.GFP_KERNEL,
    cpu = 0,
  ): PhysAddr | null {
    const bytes = this.#kmalloc.arrayBytes(count, size);
    return bytes < 0 ? null : this.kmalloc(bytes, gfp, cpu);
  }

  /** As `kmallocArray`, cleared. @kernel kcalloc */
  kcalloc(count: number, size: number, gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.kmallocArray(count, size, gfp | Gfp.__GFP_ZERO, cpu);
  }

  /**
   * Changes the size of a block, moving it if it must.
   * @param address of `kmalloc`, or null
   * @param size new size in bytes; 0 frees the block
   * @returns the address, null when there is no memory: the old block stays
   * @kernel krealloc (spec slub 4.21)
   */
  krealloc(
    address: number | null,
    size: number,
    gfp: number = Gfp.GFP_KERNEL,
    cpu = 0,
  ): PhysAddr | null {
    checkCpu(this.#state, cpu);
    const moved = this.#kmalloc.realloc(addressArgument(address), size, gfp, cpu);
    this.#check();
    return publicAddress(moved);
  }

  /** As `krealloc` for `count` elements; null when the product overflows. @kernel krealloc_array */
  kreallocArray(
    address: number | null,
    count: number,
    size: number,
    gfp: number = Gfp.GFP_KERNEL,
    cpu = 0,
  ): PhysAddr | null {
    const bytes = this.#kmalloc.arrayBytes(count, size);
    return bytes < 0 ? null : this.krealloc(address, bytes, gfp, cpu);
  }

  /**
   * Gives memory of `kmalloc`, or an object of any cache, back; null and `ZERO_SIZE_PTR` are allowed.
   * @throws KmemError `FOREIGN_POINTER`, `DOUBLE_FREE`
   * @kernel kfree (spec slub 4.21)
   */
  kfree(address: number | null, cpu = 0): void {
    this.#kmalloc.free(address ?? 0, cpu);
    if (this.#state.fullChecks) this.#check();
  }

  /** Clears the memory, then frees it. @kernel kfree_sensitive */
  kfreeSensitive(address: number | null, cpu = 0): void {
    checkCpu(this.#state, cpu);
    this.#kmalloc.freeSensitive(addressArgument(address), cpu);
    this.#check();
  }

  /**
   * Gives many blocks back; the order of `addresses` changes.
   * @kernel kfree_bulk (spec slub 4.27)
   */
  kfreeBulk(addresses: Addresses, cpu = 0): void {
    checkCpu(this.#state, cpu);
    freeBulk(this.#state, null, addresses, cpu, this.#kmalloc);
    this.#check();
  }

  /** Usable bytes of a block, 0 for null and `ZERO_SIZE_PTR`. @kernel ksize (spec slub 4.21) */
  ksize(address: number | null): number {
    return this.#kmalloc.usableSize(addressArgument(address));
  }

  /** The bytes that a request of `size` would occupy. @kernel kmalloc_size_roundup */
  kmallocSizeRoundup(size: number): number {
    checkInteger('size', size, 0, Number.MAX_SAFE_INTEGER);
    if (size === 0 || size > KMALLOC_MAX_CACHE_SIZE) return kmallocSizeRoundup(size, 'slub');
    return this.#kmalloc.cacheFor(size, Gfp.GFP_KERNEL).objectSize;
  }

  #check(): void {
    if (this.#state.fullChecks) assertSlubInvariants(this.#state);
  }
}
