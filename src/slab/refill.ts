import { NIL } from '../lib/units.ts';
import { mayUseReserves } from '../mm/slab-gfp.ts';
import { type ArrayCache, BATCHREFILL_LIMIT, transferObjects } from './array-cache.ts';
import { type CacheNode, type CacheState, cacheNodeOf } from './cache-state.ts';
import { poisonFormerHosts } from './debug.ts';
import { copyFreeObjects, getFreeObj } from './freelist.ts';
import { cacheGrowBegin, cacheGrowEnd, gfpExactNode } from './grow.ts';
import { fixupSlabList, getFirstSlab } from './slab-lists.ts';
import { SLOT_SHIFT } from './slab-table.ts';

/**
 * Takes an object from the CPU's array, filling it first if it is empty.
 * @returns object number, NIL when there is no memory
 * @kernel ____cache_alloc (spec slab 4.6)
 */
export function cpuCacheAlloc(cache: CacheState, gfp: number, cpu: number): number {
  const { state } = cache;
  const ac = cache.cpuCache[cpu];
  state.trace?.functionEntry?.('____cache_alloc', {
    cachep: cache.name,
    flags: gfp,
    avail: ac.avail,
  });
  state.calls?.enter('____cache_alloc');
  state.calls?.enter('cpu_cache_get');
  if (ac.avail > 0) {
    ac.touched = 1;
    if (state.statistics) cache.statistics.allochit += 1;
    ac.avail -= 1;
    return ac.entries[ac.avail];
  }
  if (state.statistics) cache.statistics.allocmiss += 1;
  return cacheAllocRefill(cache, ac, gfp, cpu);
}

/**
 * Fills the CPU's empty array, from the shared one, from slabs of the node, or from a new slab, and
 * takes an object.
 * @returns object number, NIL when there is no memory
 * @kernel cache_alloc_refill (spec slab 4.7)
 */
function cacheAllocRefill(cache: CacheState, ac: ArrayCache, gfp: number, cpu: number): number {
  const { state } = cache;
  state.trace?.functionEntry?.('cache_alloc_refill', { cachep: cache.name, flags: gfp });
  state.calls?.enter('cache_alloc_refill');
  state.calls?.enter('cpu_cache_get');
  const node = state.cpuNode[cpu];
  const n = cacheNodeOf(cache, node);
  let batch = ac.batchcount;
  // An array that was idle since the last reap is not filled to the brim.
  if (ac.touched === 0 && batch > BATCHREFILL_LIMIT) batch = BATCHREFILL_LIMIT;
  const { shared } = n;
  if (n.freeObjects > 0 || (shared !== null && shared.avail > 0)) {
    if (shared !== null) state.calls?.enter('transfer_objects');
    if (shared !== null && transferObjects(ac, shared, batch) > 0) shared.touched = 1;
    else refillFromSlabs(cache, n, ac, batch);
  }
  if (ac.avail === 0) {
    const reserved = growForRefill(cache, n, ac, batch, gfp, cpu);
    if (reserved !== NIL) return reserved;
    if (ac.avail === 0) return NIL;
  }
  if (state.poisonHosts.length > 0) poisonFormerHosts(cache);
  ac.touched = 1;
  ac.avail -= 1;
  return ac.entries[ac.avail];
}

/** Reserves never get into an array here, whoever asks: others could have them from there. */
function refillFromSlabs(cache: CacheState, n: CacheNode, ac: ArrayCache, batch: number): void {
  for (let wanted = batch; wanted > 0; ) {
    const slot = getFirstSlab(cache, n, false);
    if (slot === NIL) return;
    const taken = takeCounted(cache, n, slot, ac, wanted);
    n.freeObjects -= taken;
    wanted -= taken;
    fixupSlabList(cache, n, slot);
  }
}

/** As `allocBlock`; a slab that cannot be read counts as free again if it was. */
function takeCounted(
  cache: CacheState,
  n: CacheNode,
  slot: number,
  ac: ArrayCache,
  wanted: number,
): number {
  try {
    return allocBlock(cache, ac, slot, wanted);
  } catch (error) {
    undoFirstSlab(cache, n, slot);
    throw error;
  }
}

/** Takes back what `getFirstSlab` counted, after its slab could not be read. */
export function undoFirstSlab(cache: CacheState, n: CacheNode, slot: number): void {
  if (cache.slabs.active[slot] === 0) n.freeSlabs += 1;
}

/**
 * Moves objects from a slab into an array.
 * @returns number moved: as many as wanted, or as the slab has
 * @kernel alloc_block (spec slab 4.7 step 4)
 */
function allocBlock(cache: CacheState, ac: ArrayCache, slot: number, wanted: number): number {
  const { state, slabs } = cache;
  const active = slabs.active[slot];
  const count = Math.min(wanted, cache.num - active);
  if (state.calls !== null) traceAllocBlock(cache);
  copyFreeObjects(cache, slot, active, ac.entries, ac.avail, count);
  slabs.active[slot] = active + count;
  ac.avail += count;
  if (state.statistics) countTaken(cache, count);
  return count;
}

function traceAllocBlock({ state }: CacheState): void {
  state.calls?.enter('alloc_block');
  traceGetObj(state.calls);
}

/** Reports the calls that take one object of a slab. */
export function traceGetObj(calls: CacheState['state']['calls']): void {
  calls?.enter('slab_get_obj');
  calls?.enter('get_free_obj');
  calls?.enter('index_to_obj');
}

function countTaken({ statistics }: CacheState, count: number): void {
  statistics.numAllocations += count;
  countActive(statistics, count);
}

/** Counts objects as active; the kernel looks for a new maximum after each one. */
export function countActive(statistics: CacheState['statistics'], count: number): void {
  for (let i = 0; i < count; i++) {
    statistics.numActive += 1;
    // As unsigned numbers: a count below zero is a huge one.
    const wrapped = statistics.numActive < 0 || statistics.highMark < 0;
    if (
      wrapped
        ? isAbove(statistics.numActive, statistics.highMark)
        : statistics.numActive > statistics.highMark
    ) {
      statistics.highMark = statistics.numActive;
    }
  }
}

function isAbove(value: number, mark: number): boolean {
  return BigInt.asUintN(64, BigInt(value)) > BigInt.asUintN(64, BigInt(mark));
}

/**
 * Makes a slab for an array that is still empty, and fills it from there.
 * @returns an object of the reserves that must be used at once, else NIL
 * @kernel cache_alloc_refill (spec slab 4.7 step 6)
 */
function growForRefill(
  cache: CacheState,
  n: CacheNode,
  ac: ArrayCache,
  batch: number,
  gfp: number,
  cpu: number,
): number {
  const { state } = cache;
  if (state.memallocSocks) {
    const reserved = cacheAllocPfmemalloc(cache, n, gfp);
    if (reserved !== NIL) return reserved;
  }
  const slot = cacheGrowBegin(cache, gfpExactNode(gfp, state.numa), n.node, cpu);
  // Waiting for the page may have filled the array: then the new slab stays whole.
  try {
    if (slot !== NIL && ac.avail === 0) allocBlock(cache, ac, slot, batch);
  } finally {
    cacheGrowEnd(cache, slot);
  }
  return NIL;
}

/** Whether the running task may have objects of reserved slabs with this mask. */
function mayUseReservesOf(cache: CacheState, gfp: number): boolean {
  const { task } = cache.state;
  return mayUseReserves(gfp, task.pfMemalloc || task.oomVictim);
}

/**
 * One object of the first slab, reserved or not, for a caller that may use reserves.
 * @kernel cache_alloc_pfmemalloc (spec slab 4.24)
 */
function cacheAllocPfmemalloc(cache: CacheState, n: CacheNode, gfp: number): number {
  if (!mayUseReservesOf(cache, gfp)) return NIL;
  cache.state.calls?.enter('cache_alloc_pfmemalloc');
  const slot = getFirstSlab(cache, n, true);
  if (slot === NIL) return NIL;
  const object = takeOne(cache, n, slot);
  n.freeObjects -= 1;
  fixupSlabList(cache, n, slot);
  if (cache.state.poisonHosts.length > 0) poisonFormerHosts(cache);
  return object;
}

/** Takes the next object of a slab that `getFirstSlab` gave. @kernel slab_get_obj */
export function takeOne(cache: CacheState, n: CacheNode, slot: number): number {
  const { slabs } = cache;
  try {
    const object = nextObject(cache, slot);
    slabs.active[slot] += 1;
    return object;
  } catch (error) {
    undoFirstSlab(cache, n, slot);
    throw error;
  }
}

/** The object that a slab hands out next. */
export function nextObject(cache: CacheState, slot: number): number {
  return (slot << SLOT_SHIFT) | getFreeObj(cache, slot, cache.slabs.active[slot]);
}
