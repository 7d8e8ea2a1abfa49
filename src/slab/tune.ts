import { listInit } from '../lib/list.ts';
import { NIL } from '../lib/units.ts';
import { ENOMEM } from '../mm/slab-create.ts';
import { allocAlienCaches, freeAlienCaches } from './alien.ts';
import { ARRAY_LIMIT_MAX, ArrayCache, arrayCacheBytes } from './array-cache.ts';
import { CacheNode, type CacheState, cacheNodeOf, KMEM_CACHE_NODE_BYTES } from './cache-state.ts';
import { freeBlock, slabsDestroy } from './free-block.ts';
import { ownAlloc, ownFree, ownGfp } from './own-memory.ts';
import { createRandomSequence } from './random-freelist.ts';
import { type SlabState, virtualAddress } from './state.ts';

/** Period of the per-node part of reaping, in units of HZ. */
export const REAPTIMEOUT_NODE_SECONDS = 4;
/** Entries of a CPU's array at most with DEBUG_SLAB. */
const DEBUG_LIMIT_MAX = 32;
/** Batches in a shared array by default. */
const SHARED_DEFAULT = 8;
const HEADS_PER_NODE = 3;

/** The three numbers that `/proc/slabinfo` lets a user set. */
export interface SlabTunables {
  /** Entries of a CPU's array. */
  readonly limit: number;
  /** Entries moved at once. */
  readonly batchcount: number;
  /** Capacity of the shared array in batches, 0 for no shared array. */
  readonly shared: number;
}

/**
 * Tunables of a new cache.
 * @param size distance between objects, bytes
 * @param cpus number of possible CPUs
 * @param debug whether it is a DEBUG_SLAB build
 * @kernel enable_cpucache (spec slab 4.4)
 */
export function defaultTunables(size: number, cpus: number, debug: boolean): SlabTunables {
  let limit = 120;
  if (size > 131072) limit = 1;
  else if (size > 4096) limit = 8;
  else if (size > 1024) limit = 24;
  else if (size > 256) limit = 54;
  if (debug) limit = Math.min(limit, DEBUG_LIMIT_MAX);
  const shared = size <= 4096 && cpus > 1 ? SHARED_DEFAULT : 0;
  return { limit, batchcount: Math.floor((limit + 1) / 2), shared };
}

/**
 * Gives a cache arrays of the default sizes.
 * @returns 0 or -ENOMEM
 * @kernel enable_cpucache (spec slab 4.4)
 */
export function enableCpucache(cache: CacheState, cpu: number): number {
  const { state } = cache;
  let error = createRandomSequence(cache, cpu) ? 0 : -ENOMEM;
  if (error === 0) {
    const tunables = defaultTunables(cache.size, state.cpuCount, state.debug);
    error = doTuneCpucache(cache, tunables, cpu);
  }
  if (error !== 0) state.log?.(`enable_cpucache failed for ${cache.name}, error ${-error}`);
  return error;
}

/** One empty array for every possible CPU. @kernel alloc_kmem_cache_cpus */
export function newCpuCaches(state: SlabState, limit: number, batchcount: number): ArrayCache[] {
  return Array.from({ length: state.cpuCount }, () => new ArrayCache(limit, batchcount));
}

/**
 * Gives a cache new arrays; what was in the old ones goes into the slabs.
 * @param cpu the CPU that does it: all side effects are its own
 * @returns 0 or -ENOMEM
 * @kernel do_tune_cpucache (spec slab 4.4)
 */
export function doTuneCpucache(cache: CacheState, tunables: SlabTunables, cpu: number): number {
  const { state } = cache;
  const { limit, batchcount, shared } = tunables;
  if (limit > ARRAY_LIMIT_MAX) {
    const bytes = arrayCacheBytes(limit);
    state.log?.(`illegal size (${bytes}) or align (8) for percpu allocation`);
    return -ENOMEM;
  }
  const old = cache.cpuCache;
  cache.cpuCache = newCpuCaches(state, limit, batchcount);
  cache.batchcount = batchcount;
  cache.limit = limit;
  cache.shared = shared;
  for (let k = 0; k < old.length; k++) {
    if (state.cpuOnline[k] === 0) continue;
    const { entries, avail } = old[k];
    const doomed = freeBlock(cache, entries, 0, avail, state.cpuNode[k], NIL);
    slabsDestroy(cache, doomed, cpu);
  }
  return setupKmemCacheNodes(cache, ownGfp(state), cpu);
}

/** @kernel setup_kmem_cache_nodes (spec slab 4.4) */
function setupKmemCacheNodes(cache: CacheState, gfp: number, cpu: number): number {
  const { state } = cache;
  for (const node of state.onlineNodes) {
    if (setupKmemCacheNode(cache, node, gfp, true, cpu)) continue;
    if (!state.caches.includes(cache)) {
      for (let done = node - 1; done >= 0; done--) releaseNode(cache, done, cpu);
    }
    return -ENOMEM;
  }
  return 0;
}

/**
 * Gives a node of a cache its structure, its shared array and its alien arrays.
 * @param force whether arrays that exist are replaced
 * @returns false when there is no memory
 * @kernel setup_kmem_cache_node (spec slab 4.4)
 */
export function setupKmemCacheNode(
  cache: CacheState,
  node: number,
  gfp: number,
  force: boolean,
  cpu: number,
): boolean {
  const { state } = cache;
  let alien = null;
  if (state.useAlienCaches) {
    alien = allocAlienCaches(cache, node, gfp, cpu);
    if (alien === null) return false;
  }
  let shared: ArrayCache | null = null;
  let works = true;
  if (cache.shared > 0) {
    shared = allocSharedArray(cache, node, gfp, cpu);
    works = shared !== null;
  }
  works = works && initCacheNode(cache, node, gfp, cpu);
  let old: ArrayCache | null = null;
  if (works) {
    const n = cacheNodeOf(cache, node);
    let doomed = NIL;
    if (n.shared !== null && force) {
      doomed = freeBlock(cache, n.shared.entries, 0, n.shared.avail, node, NIL);
      n.shared.avail = 0;
    }
    if (n.shared === null || force) {
      old = n.shared;
      n.shared = shared;
      shared = null;
    }
    if (n.alien === null) {
      n.alien = alien;
      alien = null;
    }
    slabsDestroy(cache, doomed, cpu);
  }
  ownFree(state, old?.address ?? NIL, cpu);
  ownFree(state, shared?.address ?? NIL, cpu);
  freeAlienCaches(cache, alien, cpu);
  return works;
}

/** @kernel alloc_arraycache */
function allocSharedArray(
  cache: CacheState,
  node: number,
  gfp: number,
  cpu: number,
): ArrayCache | null {
  const entries = cache.shared * cache.batchcount;
  const address = ownAlloc(cache.state, arrayCacheBytes(entries), gfp, node, cpu);
  if (address === NIL) return null;
  const shared = new ArrayCache(entries, 0);
  shared.address = address;
  return shared;
}

/** Free objects that a node may keep. @kernel init_cache_node (spec slab 4.4) */
export function freeLimitOf(cache: CacheState, node: number): number {
  const { state } = cache;
  const cpus = state.numa
    ? state.nodeCpus[node].length
    : state.cpuOnline.reduce((sum, online) => sum + online, 0);
  return (1 + cpus) * cache.batchcount + cache.num;
}

/**
 * Gives a node of a cache its structure, or a new limit of free objects if it has one.
 * @returns false when there is no memory
 * @kernel init_cache_node (spec slab 4.4)
 */
export function initCacheNode(cache: CacheState, node: number, gfp: number, cpu: number): boolean {
  const { state } = cache;
  const known = cache.nodes[node] ?? null;
  if (known !== null) {
    known.freeLimit = freeLimitOf(cache, node);
    return true;
  }
  const address = ownAlloc(state, KMEM_CACHE_NODE_BYTES, gfp, node, cpu);
  if (address === NIL) return false;
  const n = newCacheNode(cache, node);
  n.address = address;
  n.nextReap = firstReap(cache);
  n.freeLimit = freeLimitOf(cache, node);
  cache.nodes[node] = n;
  return true;
}

/** When a new node structure is reaped first: spread by the address of the descriptor. */
export function firstReap(cache: CacheState): number {
  const { state } = cache;
  const period = REAPTIMEOUT_NODE_SECONDS * state.hz;
  const spread = Number(virtualAddress(state, cache.address) % BigInt(period));
  return state.jiffies() + period + spread;
}

/** An empty node structure. @kernel kmem_cache_node_init (spec slab 2.3) */
export function newCacheNode(cache: CacheState, node: number): CacheNode {
  const { map, freeHeads } = cache.state;
  const heads = freeHeads.pop() ?? map.addListHeads(HEADS_PER_NODE);
  for (let i = 0; i < HEADS_PER_NODE; i++) listInit(map, heads + i);
  return new CacheNode(node, heads);
}

/** Gives up what a cache has on a node; its slabs are gone. @kernel __kmem_cache_release */
export function releaseNode(cache: CacheState, node: number, cpu: number): void {
  const n = cache.nodes[node] ?? null;
  if (n === null) return;
  const { state } = cache;
  ownFree(state, n.shared?.address ?? NIL, cpu);
  freeAlienCaches(cache, n.alien, cpu);
  ownFree(state, n.address, cpu);
  state.freeHeads.push(n.slabsPartial);
  cache.nodes[node] = null;
}
