import { NIL } from '../lib/units.ts';
import { Gfp, gfpZone } from '../mm/gfp.ts';
import { zoneRefIndex, zoneRefNode } from '../mm/slab-topology.ts';
import { type CacheState, cacheNodeOf } from './cache-state.ts';
import { poisonFormerHosts } from './debug.ts';
import { cacheGrowBegin, cacheGrowEnd, gfpExactNode } from './grow.ts';
import { mempolicySlabNode } from './policy.ts';
import { countActive, nextObject, takeOne, traceGetObj } from './refill.ts';
import { fixupSlabList, getFirstSlab } from './slab-lists.ts';

/**
 * Takes one object from a slab of a node, past all arrays.
 * @returns object number, NIL when there is no memory
 * @kernel ____cache_alloc_node (spec slab 4.10)
 */
export function cacheAllocNode(cache: CacheState, gfp: number, node: number, cpu: number): number {
  const object = cacheAllocExactNode(cache, gfp, node, cpu);
  if (object !== NIL) return object;
  return fallbackAlloc(cache, gfp, cpu);
}

/** `____cache_alloc_node` without the fallback to other nodes. */
function cacheAllocExactNode(cache: CacheState, gfp: number, node: number, cpu: number): number {
  const { state, slabs } = cache;
  state.calls?.enter('____cache_alloc_node');
  const n = cacheNodeOf(cache, node);
  const first = getFirstSlab(cache, n, false);
  if (first !== NIL) {
    traceGetObj(state.calls);
    const object = takeOne(cache, n, first);
    if (state.statistics) {
      cache.statistics.nodeAllocs += 1;
      countActive(cache.statistics, 1);
    }
    n.freeObjects -= 1;
    fixupSlabList(cache, n, first);
    if (state.poisonHosts.length > 0) poisonFormerHosts(cache);
    return object;
  }
  const slot = cacheGrowBegin(cache, gfpExactNode(gfp, true), node, cpu);
  if (slot === NIL) return NIL;
  let object = NIL;
  try {
    traceGetObj(state.calls);
    object = nextObject(cache, slot);
    slabs.active[slot] += 1;
  } finally {
    cacheGrowEnd(cache, slot);
  }
  if (state.poisonHosts.length > 0) poisonFormerHosts(cache);
  return object;
}

/**
 * Takes an object from whatever node has one or can make one.
 * @returns object number, NIL when there is no memory
 * @kernel fallback_alloc (spec slab 4.10)
 */
export function fallbackAlloc(cache: CacheState, gfp: number, cpu: number): number {
  const { state } = cache;
  state.calls?.enter('fallback_alloc');
  if ((gfp & Gfp.__GFP_THISNODE) !== 0) return NIL;
  const home = mempolicySlabNode(state, cpu);
  const exact = gfpExactNode(gfp, true);
  for (;;) {
    const object = fromZonelist(cache, gfp, home, exact, cpu);
    if (object !== NIL) return object;
    const slot = cacheGrowBegin(cache, gfp, state.cpuNode[cpu], cpu);
    cacheGrowEnd(cache, slot);
    if (slot === NIL) return NIL;
    const fresh = cacheAllocExactNode(cache, exact, cache.slabs.node[slot], cpu);
    if (fresh !== NIL) return fresh;
  }
}

/** Tries the nodes of a zonelist that have free objects, once per zone. */
function fromZonelist(
  cache: CacheState,
  gfp: number,
  home: number,
  exact: number,
  cpu: number,
): number {
  const { state } = cache;
  const highest = gfpZone(gfp);
  const allowed = state.policy?.memsAllowed ?? null;
  for (const zone of state.topology.zonelists[home]) {
    if (zoneRefIndex(zone) > highest) continue;
    const node = zoneRefNode(zone);
    if (allowed !== null && !allowed.includes(node)) continue;
    const n = cache.nodes[node];
    if (n === null || n === undefined || n.freeObjects === 0) continue;
    const object = cacheAllocExactNode(cache, exact, node, cpu);
    if (object !== NIL) return object;
  }
  return NIL;
}
