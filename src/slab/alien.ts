import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { ALIEN_LIMIT, ArrayCache, alienCacheBytes, transferObjects } from './array-cache.ts';
import { type AlienCaches, type CacheState, cacheNodeOf } from './cache-state.ts';
import { freeBlock, freeOne, slabsDestroy } from './free-block.ts';
import { ownAlloc, ownFree } from './own-memory.ts';
import { pushObject } from './push-object.ts';
import { SLOT_SHIFT } from './slab-table.ts';

const POINTER_BYTES = 8;

/**
 * Makes the arrays of a node for the objects of all other nodes that are online.
 * @returns null when there is no memory: nothing is left
 * @kernel alloc_alien_cache (spec slab 4.4)
 */
export function allocAlienCaches(
  cache: CacheState,
  node: number,
  gfp: number,
  cpu: number,
): AlienCaches | null {
  const { state } = cache;
  const limit = cache.limit > 1 ? ALIEN_LIMIT : cache.limit;
  const pointers = state.nodeIds * POINTER_BYTES;
  const address = ownAlloc(state, pointers, gfp | Gfp.__GFP_ZERO, node, cpu);
  if (address === NIL) return null;
  const caches: (ArrayCache | null)[] = new Array(state.nodeIds).fill(null);
  for (let other = 0; other < state.nodeIds; other++) {
    if (other === node || !state.onlineNodes.includes(other)) continue;
    const at = ownAlloc(state, alienCacheBytes(limit), gfp, node, cpu);
    if (at === NIL) {
      for (let made = other - 1; made >= 0; made--) {
        ownFree(state, caches[made]?.address ?? NIL, cpu);
      }
      ownFree(state, address, cpu);
      return null;
    }
    const alien = new ArrayCache(limit, 0);
    alien.address = at;
    caches[other] = alien;
  }
  return { address, caches };
}

/** Gives a set of arrays back; they are empty. @kernel free_alien_cache */
export function freeAlienCaches(cache: CacheState, alien: AlienCaches | null, cpu: number): void {
  if (alien === null) return;
  for (const ac of alien.caches) if (ac !== null) ownFree(cache.state, ac.address, cpu);
  ownFree(cache.state, alien.address, cpu);
}

/**
 * Empties an array of another node's objects: as much as fits goes to the shared array of that node,
 * the rest into its slabs.
 * @param node the other node
 * @param doomed chain of slabs to destroy, NIL for none
 * @returns the chain, longer perhaps
 * @kernel __drain_alien_cache (spec slab 4.13)
 */
export function drainAlienArray(
  cache: CacheState,
  ac: ArrayCache,
  node: number,
  doomed: number,
): number {
  if (ac.avail === 0) return doomed;
  const { state } = cache;
  state.calls?.enter('__drain_alien_cache');
  const { shared } = cacheNodeOf(cache, node);
  if (shared !== null) {
    state.calls?.enter('transfer_objects');
    transferObjects(shared, ac, ac.limit);
  }
  const chain = freeBlock(cache, ac.entries, 0, ac.avail, node, doomed);
  ac.avail = 0;
  return chain;
}

/** Empties all arrays of a set. @kernel drain_alien_cache (spec slab 4.17) */
export function drainAlienCaches(cache: CacheState, alien: AlienCaches, cpu: number): void {
  const { state } = cache;
  state.calls?.enter('drain_alien_cache');
  for (const node of state.onlineNodes) {
    const ac = alien.caches[node];
    if (ac === null || ac === undefined) continue;
    slabsDestroy(cache, drainAlienArray(cache, ac, node, NIL), cpu);
  }
}

/**
 * Frees an object of another node than the CPU's.
 * @kernel __cache_free_alien (spec slab 4.13)
 */
export function cacheFreeAlien(cache: CacheState, object: number, cpu: number): void {
  const { state, slabs } = cache;
  const node = slabs.node[object >> SLOT_SHIFT];
  state.calls?.enter('cache_free_alien');
  state.calls?.enter('__cache_free_alien');
  if (state.statistics) cache.statistics.nodeFrees += 1;
  const alien = cacheNodeOf(cache, state.cpuNode[cpu]).alien?.caches[node] ?? null;
  if (alien === null) {
    freeOne(cache, object, cpu);
    return;
  }
  let doomed = NIL;
  if (alien.avail === alien.limit) {
    if (state.statistics) cache.statistics.nodeOverflow += 1;
    doomed = drainAlienArray(cache, alien, node, NIL);
  }
  pushObject(cache, alien, object);
  slabsDestroy(cache, doomed, cpu);
}
