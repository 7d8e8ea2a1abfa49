import { NIL } from '../lib/units.ts';
import { drainAlienCaches } from './alien.ts';
import { type ArrayCache, dropOldest } from './array-cache.ts';
import type { CacheState } from './cache-state.ts';
import { drainFreelist, freeBlock, slabsDestroy } from './free-block.ts';

/**
 * Gives entries of an array back to their slabs, the oldest first.
 * @param all whether all of them, or a fifth of the capacity and at most half of what is there
 * @returns chain of slabs to destroy
 * @kernel drain_array_locked (spec slab 4.17)
 */
export function drainArrayLocked(
  cache: CacheState,
  ac: ArrayCache,
  node: number,
  all: boolean,
): number {
  if (ac.avail === 0) return NIL;
  cache.state.calls?.enter('drain_array_locked');
  let count = all ? ac.avail : Math.floor((ac.limit + 4) / 5);
  if (count > ac.avail) count = Math.floor((ac.avail + 1) / 2);
  const doomed = freeBlock(cache, ac.entries, 0, count, node, NIL);
  dropOldest(ac, count);
  return doomed;
}

/**
 * What reaping does to an array: one that was used is spared this time.
 * @kernel drain_array (spec slab 4.17)
 */
export function drainArray(
  cache: CacheState,
  ac: ArrayCache | null,
  node: number,
  cpu: number,
): void {
  if (ac === null || ac.avail === 0) return;
  cache.state.calls?.enter('drain_array');
  if (ac.touched !== 0) {
    ac.touched = 0;
    return;
  }
  slabsDestroy(cache, drainArrayLocked(cache, ac, node, false), cpu);
}

/** Empties the array of one CPU, on that CPU. @kernel do_drain (spec slab 4.17) */
function doDrain(cache: CacheState, cpu: number): void {
  const { state } = cache;
  const ac = cache.cpuCache[cpu];
  state.calls?.enter('do_drain');
  state.calls?.enter('cpu_cache_get');
  const doomed = freeBlock(cache, ac.entries, 0, ac.avail, state.cpuNode[cpu], NIL);
  ac.avail = 0;
  slabsDestroy(cache, doomed, cpu);
}

/**
 * Empties all arrays of a cache.
 * @param order the order in which the CPUs do their part; the kernel has none
 * @kernel drain_cpu_caches (spec slab 4.17)
 */
export function drainCpuCaches(cache: CacheState, cpu: number, order: readonly number[]): void {
  const { state } = cache;
  state.calls?.enter('drain_cpu_caches');
  for (const k of order) if (state.cpuOnline[k] !== 0) doDrain(cache, k);
  for (const n of cache.nodes) {
    if (n !== null && n.alien !== null) drainAlienCaches(cache, n.alien, cpu);
  }
  for (const n of cache.nodes) {
    if (n === null || n.shared === null) continue;
    slabsDestroy(cache, drainArrayLocked(cache, n.shared, n.node, true), cpu);
  }
}

/**
 * Empties all arrays and gives up all slabs without objects.
 * @param order as for `drainCpuCaches`
 * @returns whether slabs are left
 * @kernel __kmem_cache_shrink (spec slab 4.19)
 */
export function kmemCacheShrink(cache: CacheState, cpu: number, order: readonly number[]): boolean {
  cache.state.calls?.enter('__kmem_cache_shrink');
  drainCpuCaches(cache, cpu, order);
  let left = false;
  for (const n of cache.nodes) {
    if (n === null) continue;
    drainFreelist(cache, n.node, Number.POSITIVE_INFINITY, cpu);
    if (n.totalSlabs > n.freeSlabs) left = true;
  }
  return left;
}

/** Whether no slab of a cache has an object out of it. @kernel __kmem_cache_empty (spec slab 4.19) */
export function kmemCacheEmpty(cache: CacheState): boolean {
  return cache.nodes.every((n) => n === null || n.totalSlabs === n.freeSlabs);
}

/** The CPUs of the machine in ascending order. */
export function ascendingCpus(cache: CacheState): number[] {
  return Array.from({ length: cache.state.cpuCount }, (_, cpu) => cpu);
}
