import { NIL } from '../lib/units.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { type CacheState, cacheNodeOf } from './cache-state.ts';
import { checkNotInFreelist, debugBeforeDestroy } from './debug.ts';
import { isObjfreelist, isOffSlab, setFreeObj, setHost } from './freelist.ts';
import { ownFree } from './own-memory.ts';
import { kmemFreepages } from './pages.ts';
import { relinkAfterFree, takeLastFreeSlab } from './slab-lists.ts';
import { clearHeld, INDEX_MASK, SLOT_SHIFT, SlotState } from './slab-table.ts';

/**
 * Gives objects back to their slabs, and takes slabs off the node that are too many.
 * @param objects object numbers, all of slabs on `node`
 * @param start index of the first one
 * @param count number of objects
 * @param doomed chain of slabs to destroy, what an earlier call returned; NIL for none
 * @returns the chain, with the slabs taken now in front
 * @kernel free_block (spec slab 4.15)
 */
export function freeBlock(
  cache: CacheState,
  objects: Int32Array,
  start: number,
  count: number,
  node: number,
  doomed: number,
): number {
  const { state, slabs } = cache;
  state.calls?.enter('free_block');
  state.trace?.functionEntry?.('free_block', { cachep: cache.name, nr_objects: count, node });
  if (!state.contentless) writeIndexes(cache, objects, start, count);
  const n = cacheNodeOf(cache, node);
  n.freeObjects += count;
  for (let i = start; i < start + count; i++) {
    const object = objects[i];
    const slot = object >> SLOT_SHIFT;
    if (state.calls !== null) tracePutObj(cache);
    if (slabs.freelist[slot] === NIL) setHost(cache, object);
    slabs.active[slot] -= 1;
    if (state.contentless) setFreeObj(cache, slot, slabs.active[slot], object & INDEX_MASK);
    relinkAfterFree(cache, n, slot);
  }
  if (state.statistics) cache.statistics.numActive -= count;
  let chain = doomed;
  while (n.freeObjects > n.freeLimit) {
    const pfn = takeLastFreeSlab(cache, n);
    if (pfn === NIL) break;
    state.map.next[pfn] = chain;
    chain = pfn;
  }
  return chain;
}

/** Gives one object straight back to its slab; its caller no longer owns it. */
export function freeOne(cache: CacheState, object: number, cpu: number): void {
  const node = cache.slabs.node[object >> SLOT_SHIFT];
  const doomed = freeBlock(cache, Int32Array.of(object), 0, 1, node, NIL);
  clearHeld(cache.slabs, object);
  slabsDestroy(cache, doomed, cpu);
}

function tracePutObj({ state }: CacheState): void {
  state.calls?.enter('slab_put_obj');
  state.calls?.enter('obj_to_index');
  state.calls?.enter('set_free_obj');
}

/**
 * Writes the indexes that `freeBlock` gives back, ahead of it, and leaves no trace but these bytes:
 * a memory that throws must leave the allocator as it was.
 */
function writeIndexes(cache: CacheState, objects: Int32Array, start: number, count: number): void {
  const { slabs, state } = cache;
  let done = start;
  try {
    for (; done < start + count; done++) {
      const object = objects[done];
      const slot = object >> SLOT_SHIFT;
      if (state.debug && slabs.freelist[slot] !== NIL) checkNotInFreelist(cache, object);
      if (slabs.freelist[slot] === NIL) setHost(cache, object);
      setFreeObj(cache, slot, slabs.active[slot] - 1, object & INDEX_MASK);
      slabs.active[slot] -= 1;
    }
  } finally {
    for (let i = start; i < done; i++) slabs.active[objects[i] >> SLOT_SHIFT] += 1;
    for (let i = start; i <= done && i < start + count; i++) {
      const slot = objects[i] >> SLOT_SHIFT;
      if (slabs.active[slot] === cache.num && isObjfreelist(cache)) slabs.freelist[slot] = NIL;
    }
  }
}

/**
 * Destroys the slabs of a chain from its front.
 * @param chain what `freeBlock` returned
 * @kernel slabs_destroy (spec slab 4.16)
 */
export function slabsDestroy(cache: CacheState, chain: number, cpu: number): void {
  if (chain === NIL) return;
  const { next } = cache.state.map;
  cache.state.calls?.enter('slabs_destroy');
  for (let pfn = chain; pfn !== NIL; ) {
    // Its link is lost with the page.
    const following = next[pfn];
    slabDestroy(cache, pfn, cpu);
    pfn = following;
  }
}

/**
 * Gives up a slab that is on no list: first its pages, then an index array of its own.
 * @kernel slab_destroy (spec slab 4.16)
 */
export function slabDestroy(cache: CacheState, pfn: number, cpu: number): void {
  const { state, slabs } = cache;
  const slot = state.map.private[pfn];
  state.calls?.enter('slab_destroy');
  state.trace?.functionEntry?.('slab_destroy', { cachep: cache.name, slab: pfn });
  if (state.debug) debugBeforeDestroy(cache, slot);
  const index = isOffSlab(cache) ? slabs.freelist[slot] : NIL;
  if ((cache.flags & SlabFlag.SLAB_TYPESAFE_BY_RCU) !== 0) {
    slabs.cache[slot] = SlotState.RCU;
    state.rcuSlabs.push({ cache, slot, cpu });
  } else {
    kmemFreepages(cache, slot, cpu);
  }
  if (index === NIL) return;
  if (state.calls !== null && index !== 0) state.calls.enter('kfree');
  ownFree(state, index, cpu);
}

/**
 * Destroys free slabs of a node, the one that lay longest first.
 * @param max most slabs to destroy
 * @returns number destroyed
 * @kernel drain_freelist (spec slab 4.17)
 */
export function drainFreelist(cache: CacheState, node: number, max: number, cpu: number): number {
  const n = cacheNodeOf(cache, node);
  cache.state.calls?.enter('drain_freelist');
  let destroyed = 0;
  while (destroyed < max) {
    const pfn = takeLastFreeSlab(cache, n);
    if (pfn === NIL) break;
    slabDestroy(cache, pfn, cpu);
    destroyed++;
  }
  return destroyed;
}
