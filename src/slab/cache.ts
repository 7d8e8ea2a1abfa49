import { checkInteger } from '../lib/errors.ts';
import { NIL, type PhysAddr } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { type KmemCache, type KmemCacheStats, KmemError } from '../mm/kmem-cache.ts';
import { slabAllocBulk, slabAllocNode } from './alloc.ts';
import { CacheState } from './cache-state.ts';
import { checkInvariantsIfAsked } from './checks.ts';
import { kmemCacheDestroy } from './destroy.ts';
import { ascendingCpus, kmemCacheEmpty, kmemCacheShrink } from './drain.ts';
import { giveFast, slotHint, takeFast } from './fast-path.ts';
import { cacheFree } from './free.ts';
import { cacheOfObject, objectToFree } from './object-lookup.ts';
import { clearHeld, setHeld } from './slab-table.ts';
import { checkCpu } from './state.ts';
import { cacheStats } from './stats.ts';
import { doTuneCpucache, type SlabTunables } from './tune.ts';
import type { SlabCacheGeometry, SlabStatistics } from './types.ts';

/**
 * A cache of objects of one size.
 *
 * @kernel struct kmem_cache
 */
export class SlabCache extends CacheState implements KmemCache {
  /** {@inheritDoc KmemCache.alloc} */
  alloc(gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    const address = takeFast(this, gfp, cpu);
    if (address !== NIL) return address as PhysAddr;
    this.checkCall(cpu);
    this.state.calls?.enter('kmem_cache_alloc');
    this.state.calls?.enter('__kmem_cache_alloc_lru');
    this.state.calls?.enter('slab_alloc');
    this.state.trace?.functionEntry?.('kmem_cache_alloc', { cachep: this.name, flags: gfp, cpu });
    return this.allocTraced(gfp, NIL, cpu);
  }

  /** {@inheritDoc KmemCache.allocNode} */
  allocNode(gfp: number, node: number, cpu = 0): PhysAddr | null {
    this.checkCall(cpu);
    checkInteger('node', node, NIL, this.state.nodeIds - 1);
    this.state.calls?.enter('kmem_cache_alloc_node');
    return this.allocTraced(gfp, node, cpu);
  }

  /** {@inheritDoc KmemCache.zalloc} */
  zalloc(gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.alloc(gfp | Gfp.__GFP_ZERO, cpu);
  }

  private allocTraced(gfp: number, node: number, cpu: number): PhysAddr | null {
    const { state } = this;
    state.calls?.enter('slab_alloc_node');
    const address = slabAllocNode(this, gfp, node, cpu);
    state.trace?.kmemCacheAlloc?.(address, this.objectSize, this.size, gfp, node);
    checkInvariantsIfAsked(state);
    return address === NIL ? null : (address as PhysAddr);
  }

  /** {@inheritDoc KmemCache.free} */
  free(address: number, cpu = 0): void {
    const slot = slotHint(this.state, address);
    if (this.slabs.cache[slot] === this.id && giveFast(this, slot, address, cpu)) return;
    this.freeSlow(address, cpu);
  }

  private freeSlow(address: number, cpu: number): void {
    const { state } = this;
    checkCpu(state, cpu);
    if (this.cpuCache.length === 0) throw this.destroyedError();
    state.calls?.enter('kmem_cache_free');
    const object = objectToFree(this, address, cpu);
    if (object === NIL) return;
    const owner = cacheOfObject(state, object);
    state.trace?.kmemCacheFree?.(address, owner.name);
    cacheFree(owner, object, cpu);
    checkInvariantsIfAsked(state);
  }

  /** {@inheritDoc KmemCache.allocBulk} */
  allocBulk(gfp: number, addresses: number[] | Float64Array, cpu = 0): number {
    this.checkCall(cpu);
    this.state.calls?.enter('kmem_cache_alloc_bulk');
    const all = slabAllocBulk(this, gfp, addresses, cpu, (count) => {
      this.freeAll(addresses, count, cpu);
    });
    checkInvariantsIfAsked(this.state);
    return all ? addresses.length : 0;
  }

  /** {@inheritDoc KmemCache.freeBulk} */
  freeBulk(addresses: number[] | Float64Array, cpu = 0): void {
    checkCpu(this.state, cpu);
    this.freeAll(addresses, addresses.length, cpu);
    checkInvariantsIfAsked(this.state);
  }

  /** Checks all before it frees the first: an object may be named only once. */
  private freeAll(addresses: number[] | Float64Array, count: number, cpu: number): void {
    const { state, slabs } = this;
    const objects = new Int32Array(count);
    let checked = 0;
    try {
      for (; checked < count; checked++) {
        objects[checked] = objectToFree(this, addresses[checked], cpu);
        if (objects[checked] !== NIL) clearHeld(slabs, objects[checked]);
      }
    } finally {
      for (let i = 0; i < checked; i++) if (objects[i] !== NIL) setHeld(slabs, objects[i]);
    }
    state.calls?.enter('kmem_cache_free_bulk');
    for (const object of objects) {
      if (object !== NIL) cacheFree(cacheOfObject(state, object), object, cpu);
    }
  }

  /**
   * Empties all arrays and gives slabs without objects back to the page source.
   * @param order the order in which the CPUs empty their arrays; the kernel has none
   * @returns whether the cache still has slabs
   * @kernel kmem_cache_shrink (spec slab 4.19)
   */
  shrink(cpu = 0, order: readonly number[] = ascendingCpus(this)): boolean {
    this.checkCall(cpu);
    this.state.calls?.enter('kmem_cache_shrink');
    const left = kmemCacheShrink(this, cpu, order);
    checkInvariantsIfAsked(this.state);
    return left;
  }

  /** {@inheritDoc KmemCache.destroy} */
  destroy(cpu = 0): boolean {
    this.checkCall(cpu);
    const gone = kmemCacheDestroy(this, cpu);
    checkInvariantsIfAsked(this.state);
    return gone;
  }

  /**
   * Gives the cache arrays of other sizes; what was in the old ones goes into the slabs.
   * @returns false when there is no memory for them
   * @throws ArgumentError `BAD_ARGUMENT` for numbers that `/proc/slabinfo` would ignore
   * @kernel do_tune_cpucache (spec slab 4.4)
   */
  tune(tunables: SlabTunables, cpu = 0): boolean {
    this.checkCall(cpu);
    checkInteger('limit', tunables.limit, 1, 0x7fffffff);
    checkInteger('batchcount', tunables.batchcount, 1, tunables.limit);
    checkInteger('shared', tunables.shared, 0, 0x7fffffff);
    const error = doTuneCpucache(this, tunables, cpu);
    checkInvariantsIfAsked(this.state);
    return error === 0;
  }

  /** Whether no object is out of its slab; one in an array is. @kernel __kmem_cache_empty */
  isEmpty(): boolean {
    return kmemCacheEmpty(this);
  }

  /** {@inheritDoc KmemCache.stats} */
  stats(): KmemCacheStats {
    return cacheStats(this);
  }

  /** What the cache counted so far; all zero unless `statistics` are on. */
  events(): SlabStatistics {
    return { ...this.statistics };
  }

  /** Sizes and places, in the words of the kernel. */
  geometry(): SlabCacheGeometry {
    return {
      name: this.name,
      objectSize: this.objectSize,
      size: this.size,
      align: this.align,
      num: this.num,
      gfporder: this.gfporder,
      colour: this.colour,
      colourOff: this.colourOff,
      freelistSize: this.freelistSize,
      batchcount: this.batchcount,
      limit: this.limit,
      shared: this.shared,
      flags: this.flags,
      allocflags: this.allocflags,
      refcount: this.refcount,
    };
  }

  private checkCall(cpu: number): void {
    checkCpu(this.state, cpu);
    if (this.refcount !== 0) return;
    throw this.destroyedError();
  }

  private destroyedError(): KmemError {
    return new KmemError('CACHE_DESTROYED', `the cache ${this.name} was destroyed`, {
      cache: this.name,
    });
  }
}
