import { listAddTail } from '../lib/list.ts';
import { NIL, pfnToAddr } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { fixSlabGfp, GFP_CONSTRAINT_MASK, GFP_RECLAIM_MASK } from '../mm/slab-gfp.ts';
import { type CacheNode, type CacheState, cacheNodeOf } from './cache-state.ts';
import { initObjectsDebug } from './debug.ts';
import {
  isObjfreelist,
  isOffSlab,
  objectAddress,
  onSlabFreelist,
  setFreeObj,
  setHost,
} from './freelist.ts';
import { warnOutOfMemory } from './oom-report.ts';
import { ownAlloc, ownFree } from './own-memory.ts';
import { kmemFreepages, kmemGetpages } from './pages.ts';
import { writeRandomFreelist } from './random-freelist.ts';
import { fixupSlabList } from './slab-lists.ts';
import { clearAllHeld, SLOT_SHIFT } from './slab-table.ts';

/** Bits that an attempt on exactly one node must not have. */
const NOT_EXACT = Gfp.__GFP_DIRECT_RECLAIM | Gfp.__GFP_KSWAPD_RECLAIM | Gfp.__GFP_NOFAIL;

/**
 * Mask of an attempt to get pages of exactly one node: it neither reclaims nor wakes kswapd.
 * @kernel gfp_exact_node (spec slab 4.7)
 */
export function gfpExactNode(gfp: number, numa: boolean): number {
  if (!numa) return (gfp & ~Gfp.__GFP_NOFAIL) >>> 0;
  return ((gfp | Gfp.__GFP_THISNODE | Gfp.__GFP_NOWARN) & ~NOT_EXACT) >>> 0;
}

/**
 * Makes a slab. It is on no list and counted nowhere until `cacheGrowEnd`.
 * @param gfp the caller's mask, or the exact-node form of it
 * @param node wanted node; without THISNODE the slab may be on another one
 * @returns slot, NIL when there is no memory
 * @kernel cache_grow_begin (spec slab 4.9)
 */
export function cacheGrowBegin(cache: CacheState, gfp: number, node: number, cpu: number): number {
  const { state, slabs } = cache;
  state.trace?.functionEntry?.('cache_grow_begin', {
    cachep: cache.name,
    flags: gfp,
    nodeid: node,
  });
  state.calls?.enter('cache_grow_begin');
  const flags = fixSlabGfp(gfp, state.log);
  warnZeroedConstructor(cache, flags);
  const local = flags & (GFP_CONSTRAINT_MASK | GFP_RECLAIM_MASK);
  const pfn = kmemGetpages(cache, local, node, cpu);
  if (pfn === NIL) {
    warnOutOfMemory(cache, local, node);
    return NIL;
  }
  const n = cacheNodeOf(cache, state.source.nodeOf(pfn));
  const colourBefore = n.colourNext;
  const slot = slabs.take();
  slabs.cache[slot] = cache.id;
  slabs.pfn[slot] = pfn;
  slabs.node[slot] = n.node;
  slabs.active[slot] = 0;
  slabs.freelist[slot] = NIL;
  clearAllHeld(slabs, slot);
  state.map.private.fill(slot, pfn, pfn + 2 ** cache.gfporder);
  slabs.sMem[slot] = pfnToAddr(pfn) + nextColour(cache, n) * cache.colourOff;
  try {
    if (placeFreelist(cache, slot, local, cpu)) {
      cacheInitObjs(cache, slot);
      return slot;
    }
  } catch (error) {
    n.colourNext = colourBefore;
    const index = isOffSlab(cache) ? slabs.freelist[slot] : NIL;
    kmemFreepages(cache, slot, cpu);
    ownFree(state, index, cpu);
    throw error;
  }
  kmemFreepages(cache, slot, cpu);
  return NIL;
}

function warnZeroedConstructor(cache: CacheState, gfp: number): void {
  const { warnedOnce, log } = cache.state;
  if (cache.ctor === null || (gfp & Gfp.__GFP_ZERO) === 0 || warnedOnce.has('ctor zero')) return;
  warnedOnce.add('ctor zero');
  log?.(`WARNING: ${cache.name} has a constructor and was asked for zeroed memory`);
}

/** Moves a node's colour on. @kernel cache_grow_begin (spec slab 4.9 step 5) */
function nextColour(cache: CacheState, n: CacheNode): number {
  n.colourNext += 1;
  if (n.colourNext >= cache.colour) n.colourNext = 0;
  return n.colourNext;
}

/**
 * Finds a place for the index array of a new slab.
 * @returns false when there is no memory for it
 * @kernel alloc_slabmgmt
 */
function placeFreelist(cache: CacheState, slot: number, local: number, cpu: number): boolean {
  const { state, slabs } = cache;
  state.calls?.enter('alloc_slabmgmt');
  if (isObjfreelist(cache)) return true;
  if (!isOffSlab(cache)) {
    slabs.freelist[slot] = onSlabFreelist(cache, slabs.pfn[slot]);
    return true;
  }
  const gfp = (local & ~GFP_CONSTRAINT_MASK) >>> 0;
  state.calls?.enter('kmalloc_node');
  slabs.freelist[slot] = ownAlloc(state, cache.freelistSize, gfp, slabs.node[slot], cpu);
  return slabs.freelist[slot] !== NIL;
}

/**
 * Constructs the objects of a new slab and fills its index array.
 * @kernel cache_init_objs (spec slab 4.9 step 8)
 */
function cacheInitObjs(cache: CacheState, slot: number): void {
  const { state, num, ctor } = cache;
  const first = slot << SLOT_SHIFT;
  state.calls?.enter('cache_init_objs');
  if (state.debug) initObjectsDebug(cache, slot);
  const shuffled = state.config.freelistRandom && num >= 2;
  if (shuffled) writeRandomFreelist(cache, slot);
  else if (isObjfreelist(cache)) setHost(cache, first | (num - 1));
  state.calls?.enter('set_free_obj');
  for (let i = 0; i < num; i++) {
    if (ctor !== null && !state.debug) ctor(objectAddress(cache, first | i));
    if (!shuffled) setFreeObj(cache, slot, i, i);
  }
}

/**
 * Links a new slab and counts it; objects may have been taken from it before.
 * @param slot what `cacheGrowBegin` returned, NIL for nothing to do
 * @kernel cache_grow_end (spec slab 4.9)
 */
export function cacheGrowEnd(cache: CacheState, slot: number): void {
  if (slot === NIL) return;
  const { state, slabs } = cache;
  const { map } = state;
  state.calls?.enter('cache_grow_end');
  const n = cacheNodeOf(cache, slabs.node[slot]);
  const pfn = slabs.pfn[slot];
  n.totalSlabs += 1;
  listAddTail(map, n.slabsFree, pfn);
  if (slabs.active[slot] === 0) n.freeSlabs += 1;
  else fixupSlabList(cache, n, slot);
  if (state.statistics) cache.statistics.grown += 1;
  n.freeObjects += cache.num - slabs.active[slot];
}
