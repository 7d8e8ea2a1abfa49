import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import type { CacheState } from './cache-state.ts';
import { debugAfterAlloc } from './debug.ts';
import { freeOne } from './free-block.ts';
import { objectAddress } from './freelist.ts';
import { cacheAllocNode, fallbackAlloc } from './node-alloc.ts';
import { alternateNode } from './policy.ts';
import { cpuCacheAlloc } from './refill.ts';
import { clearHeld, SLOT_SHIFT, setHeld } from './slab-table.ts';

/**
 * Takes an object, from the array of the CPU or from a given node.
 * @param gfp the mask, already reduced to what this stage of boot allows
 * @param node wanted node, -1 for none
 * @returns object number, NIL when there is no memory
 * @kernel __do_cache_alloc (spec slab 4.5)
 */
export function doCacheAlloc(cache: CacheState, gfp: number, node: number, cpu: number): number {
  const { state } = cache;
  state.calls?.enter('__do_cache_alloc');
  if (!state.numa) return cpuCacheAlloc(cache, gfp, cpu);
  const local = state.cpuNode[cpu];
  if (node === NIL) {
    const target = state.policy === null ? NIL : alternateNode(cache, gfp, cpu);
    const object = target === NIL ? NIL : cacheAllocNode(cache, gfp, target, cpu);
    if (object !== NIL) return object;
  } else if (node !== local) {
    const known = cache.nodes[node] !== null && cache.nodes[node] !== undefined;
    return known ? cacheAllocNode(cache, gfp, node, cpu) : fallbackAlloc(cache, gfp, cpu);
  }
  const object = cpuCacheAlloc(cache, gfp, cpu);
  return object === NIL ? cacheAllocNode(cache, gfp, local, cpu) : object;
}

/** Whether an allocation is cleared. @kernel slab_want_init_on_alloc (spec slab 4.25) */
function wantsZero(cache: CacheState, gfp: number): boolean {
  const asked = (gfp & Gfp.__GFP_ZERO) !== 0;
  if (!cache.state.parameters.initOnAlloc) return asked;
  if (cache.ctor !== null) return false;
  const keeps = SlabFlag.SLAB_TYPESAFE_BY_RCU | SlabFlag.SLAB_POISON;
  return (cache.flags & keeps) === 0 || asked;
}

/**
 * What happens to an object on its way to the caller: debug checks, clearing.
 * @returns its address
 */
function handOut(cache: CacheState, object: number, gfp: number): number {
  const { state } = cache;
  const address = objectAddress(cache, object);
  setHeld(cache.slabs, object);
  if (state.debug) debugAfterAlloc(cache, object);
  if (wantsZero(cache, gfp) && !state.contentless) state.memory.fill(address, cache.objectSize, 0);
  return address;
}

/** Takes an object back that could not be handed out. */
function takeBack(cache: CacheState, object: number, cpu: number): void {
  const node = cache.slabs.node[object >> SLOT_SHIFT];
  clearHeld(cache.slabs, object);
  const ac = cache.cpuCache[cpu];
  if (ac.avail < ac.limit && node === cache.state.cpuNode[cpu]) {
    ac.entries[ac.avail] = object;
    ac.avail += 1;
    return;
  }
  freeOne(cache, object, cpu);
}

/**
 * Takes an object, checked and cleared as the cache and the mask want; without a tracepoint.
 * @param gfp the caller's mask
 * @param node wanted node, -1 for none
 * @returns its address, NIL when there is no memory
 * @kernel slab_alloc_node (spec slab 4.5)
 */
export function slabAllocNode(cache: CacheState, gfp: number, node: number, cpu: number): number {
  const allowed = (gfp & cache.state.gfpAllowedMask) >>> 0;
  const object = doCacheAlloc(cache, allowed, node, cpu);
  if (object === NIL) return NIL;
  try {
    return handOut(cache, object, allowed);
  } catch (error) {
    takeBack(cache, object, cpu);
    throw error;
  }
}

/**
 * Takes many objects, exactly as so many single calls; checks and clearing come after the last.
 * @param addresses receives the addresses
 * @param undo gives the first objects of `addresses` back when one cannot be had
 * @returns whether all could be had
 * @kernel kmem_cache_alloc_bulk (spec slab 4.11)
 */
export function slabAllocBulk(
  cache: CacheState,
  gfp: number,
  addresses: number[] | Float64Array,
  cpu: number,
  undo: (count: number) => void,
): boolean {
  const allowed = (gfp & cache.state.gfpAllowedMask) >>> 0;
  const objects = new Int32Array(addresses.length);
  for (let i = 0; i < objects.length; i++) {
    const object = doCacheAlloc(cache, allowed, NIL, cpu);
    if (object === NIL) {
      // A free checks what an allocation marks.
      if (cache.state.debug) for (let k = 0; k < i; k++) debugAfterAlloc(cache, objects[k]);
      undo(i);
      return false;
    }
    objects[i] = object;
    setHeld(cache.slabs, object);
    addresses[i] = objectAddress(cache, object);
  }
  try {
    for (let i = 0; i < objects.length; i++) handOut(cache, objects[i], allowed);
  } catch (error) {
    for (let i = objects.length - 1; i >= 0; i--) takeBack(cache, objects[i], cpu);
    throw error;
  }
  return true;
}
