import type { KmallocBackend } from '../mm/kmalloc.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { takeObject } from './alloc.ts';
import { type CacheState, cpuOf, hasFlag } from './cache-state.ts';
import { cacheOfSlab, giveObject, giveToCpuSlab, giveToOtherSlab } from './free.ts';
import { slabOfAddress } from './pointer.ts';
import type { SlubState } from './state.ts';

/** Bytes that the owner of an object of a cache may use. @kernel slab_ksize (spec slub 4.21) */
export function usableBytes(cache: CacheState): number {
  if (hasFlag(cache, SlabFlag.SLAB_RED_ZONE | SlabFlag.SLAB_POISON)) return cache.objectSize;
  if (hasFlag(cache, SlabFlag.SLAB_TYPESAFE_BY_RCU | SlabFlag.SLAB_STORE_USER)) return cache.inuse;
  return cache.size;
}

/** SLUB as kmalloc sees it. */
export class SlubBackend implements KmallocBackend<CacheState> {
  readonly #state: SlubState;

  constructor(state: SlubState) {
    this.#state = state;
  }

  /** Takes an object of a kmalloc cache; -1 when there is no memory. */
  takeSized(cache: CacheState, gfp: number, node: number, size: number, cpu: number): number {
    return takeObject(this.#state, cache, gfp, node, size, cpu);
  }

  /** Gives an object back if its page is a slab's. */
  giveBack(address: number, cpu: number): boolean {
    const state = this.#state;
    const slab = slabOfAddress(state, address);
    if (slab < 0) return false;
    const cache = cacheOfSlab(state, slab);
    if (cpuOf(cache, cpu).slab === slab && giveToCpuSlab(state, cache, address, cpu)) return true;
    if (cache.isDebug) giveObject(state, cache, slab, address, cpu);
    else giveToOtherSlab(state, cache, slab, address, cpu);
    return true;
  }

  /** Bytes that the owner of an object may use, -1 when its page is no slab. */
  usableSize(address: number): number {
    const slab = slabOfAddress(this.#state, address);
    return slab < 0 ? -1 : usableBytes(cacheOfSlab(this.#state, slab));
  }

  /** Bytes from one object of a cache to the next. */
  slotSize(cache: CacheState): number {
    return cache.size;
  }
}
