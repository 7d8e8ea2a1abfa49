import { Gfp } from '../mm/gfp.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import { allocSlow, clearObject, popCpuFreelist } from './alloc.ts';
import { type CacheState, ZeroRule } from './cache-state.ts';
import { freeDebug } from './debug-alloc.ts';
import { freePointerOf, setFreePointer } from './debug-object.ts';
import {
  cacheFromObject,
  cacheOfSlab,
  checkOwned,
  clearOnFree,
  freeLinked,
  looksUpCache,
} from './free.ts';
import { indexOfAddress, setNext, slabOfAddress } from './pointer.ts';
import { LINK_ALLOCATED, LINK_FREEING } from './slab-table.ts';
import type { SlubState } from './state.ts';
import { countStat, Stat } from './statistics.ts';

/** Objects of other slabs that the search for more of the same slab steps over. */
const LOOKAHEAD = 3;

/** Addresses of a bulk call. */
export type Addresses = number[] | Float64Array;

/**
 * Takes as many objects as `addresses` is long.
 * @returns that number, or 0 when there is not enough memory
 * @kernel kmem_cache_alloc_bulk (spec slub 4.27)
 */
export function allocBulk(
  state: SlubState,
  cache: CacheState,
  gfp: number,
  addresses: Addresses,
  cpu: number,
): number {
  const c = cache.cpus[cpu];
  const count = addresses.length;
  let taken = 0;
  try {
    while (taken < count) {
      const index = c.freelist;
      const address =
        index >= 0
          ? popCpuFreelist(state, cache, c, index)
          : allocSlow(state, cache, gfp, -1, cache.objectSize, cpu);
      if (address < 0) break;
      addresses[taken++] = address;
    }
  } finally {
    if (taken < count) freeBulk(state, cache, addresses.slice(0, taken), cpu);
  }
  if (taken < count) return 0;
  const clears = (gfp & Gfp.__GFP_ZERO) !== 0 || cache.zeroRule !== ZeroRule.ON_REQUEST;
  if (clears || cache.zeroOnFree) {
    for (let i = 0; i < count; i++) clearObject(state, cache, gfp, addresses[i]);
  }
  return count;
}

/** Blocks of pages that are no slabs, as kmalloc has them. */
export interface LargeBlocks {
  /** First page frame of a block. @throws KmemError `FOREIGN_POINTER` when it is none */
  largeHead(address: number): number;
  /** Frees a block. */
  freeLarge(address: number, cpu: number): void;
}

/** The link cell of an object of a normal cache, -1 if the kernel's own checks look at it. */
function linkCell(state: SlubState, cache: CacheState, slab: number, address: number): number {
  if (cache.isDebug) return -1;
  return state.slabs.linkBase[slab] + indexOfAddress(state, cache, slab, address);
}

/** Checks all objects before any of them changes. @throws KmemError as for single objects */
function checkAll(
  state: SlubState,
  named: CacheState | null,
  addresses: Addresses,
  blocks: LargeBlocks | null,
): void {
  const { slabs } = state;
  const heads = new Set<number>();
  const trusts = named !== null && !looksUpCache(state, named);
  let checked = 0;
  try {
    for (; checked < addresses.length; checked++) {
      const address = addresses[checked];
      const slab = slabOfAddress(state, address);
      if (trusts) cacheFromObject(state, named, address);
      if (slab < 0) {
        // In a checked cache it is reported when it is its turn.
        if (blocks !== null) checkLarge(blocks, heads, address);
        continue;
      }
      const cache = cacheOfSlab(state, slab);
      checkOwned(state, cache, slab, address);
      const cell = linkCell(state, cache, slab, address);
      if (cell >= 0) slabs.links[cell] = LINK_FREEING;
    }
  } finally {
    // The marks catch an object that is named twice.
    for (let i = 0; i < checked; i++) unmark(state, addresses[i]);
  }
}

/** @throws KmemError `FOREIGN_POINTER`, `DOUBLE_FREE` for a large block that is named twice */
function checkLarge(blocks: LargeBlocks, heads: Set<number>, address: number): void {
  const head = blocks.largeHead(address);
  if (!heads.has(head)) heads.add(head);
  else throw new KmemError('DOUBLE_FREE', 'the block is named twice', { address });
}

function unmark(state: SlubState, address: number): void {
  const { slabs } = state;
  const slab = slabOfAddress(state, address);
  if (slab < 0) return;
  const cell = linkCell(state, cacheOfSlab(state, slab), slab, address);
  if (cell >= 0 && slabs.links[cell] === LINK_FREEING) slabs.links[cell] = LINK_ALLOCATED;
}

/**
 * Gives many objects back, slab by slab as the kernel does, from the end of the array. The order of
 * the array changes.
 * @kernel kmem_cache_free_bulk (spec slub 4.27)
 */
export function freeBulk(
  state: SlubState,
  cache: CacheState | null,
  addresses: Addresses,
  cpu: number,
  blocks: LargeBlocks | null = null,
): void {
  checkAll(state, cache, addresses, blocks);
  const chain: number[] = [];
  let left = addresses.length;
  while (left > 0) {
    const first = addresses[left - 1];
    const slab = slabOfAddress(state, first);
    const real = cache === null ? null : cacheFromObject(state, cache, first);
    if (slab < 0) {
      left--;
      if (real === null) blocks?.freeLarge(first, cpu);
      continue;
    }
    left = detach(state, addresses, left, slab, chain);
    freeChain(state, cacheOfSlab(state, slab), slab, chain, cpu);
  }
}

/**
 * Collects the objects of the slab of the last address, looking a little further down.
 * @param left number of addresses that are still to be freed
 * @param chain receives the objects, in the order in which they were found
 * @returns number of addresses that are left
 * @kernel build_detached_freelist
 */
function detach(
  state: SlubState,
  addresses: Addresses,
  left: number,
  slab: number,
  chain: number[],
): number {
  let at = left - 1;
  let same = at;
  let look = LOOKAHEAD;
  chain.length = 0;
  chain.push(addresses[at]);
  while (at > 0) {
    at--;
    const address = addresses[at];
    if (slabOfAddress(state, address) !== slab) {
      if (--look === 0) break;
      continue;
    }
    chain.push(address);
    same--;
    if (at !== same) {
      addresses[at] = addresses[same];
      addresses[same] = address;
    }
  }
  return same;
}

/** Frees a chain of objects of one slab. */
function freeChain(
  state: SlubState,
  cache: CacheState,
  slab: number,
  chain: readonly number[],
  cpu: number,
): void {
  for (let i = chain.length - 1; i >= 0; i--) clearOnFree(state, cache, chain[i]);
  if (cache.isDebug) {
    freeDebugChain(state, cache, slab, chain, cpu);
    return;
  }
  const tail = indexOfAddress(state, cache, slab, chain[chain.length - 1]);
  let head = tail;
  for (let i = chain.length - 2; i >= 0; i--) {
    const index = indexOfAddress(state, cache, slab, chain[i]);
    setNext(state, cache, slab, index, head);
    head = index;
  }
  freeLinked(state, cache, slab, head, tail, chain.length, cpu);
}

/** The same for a debug cache, whose objects may be anything: its checks follow the pointers. */
function freeDebugChain(
  state: SlubState,
  cache: CacheState,
  slab: number,
  chain: readonly number[],
  cpu: number,
): void {
  // The search links the objects in reverse; the hook walks that list up to the first one found and
  // turns it round. An object that is named twice therefore cuts the chain.
  const first = chain[0];
  setFreePointer(state, cache, slab, first, 0);
  for (let i = 1; i < chain.length; i++) setFreePointer(state, cache, slab, chain[i], chain[i - 1]);
  let object = chain[chain.length - 1];
  const tail = object;
  let head = 0;
  for (;;) {
    const next = freePointerOf(state, cache, slab, object);
    setFreePointer(state, cache, slab, object, head);
    head = object;
    if (object === first || next <= 0) break;
    object = next;
  }
  countStat(cache.stats, cpu, Stat.free_slowpath);
  freeDebug(state, cache, slab, head, tail, chain.length, cpu);
}
