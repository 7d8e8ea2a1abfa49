import { listInit } from '../lib/list.ts';
import { Gfp } from '../mm/gfp.ts';
import { type CheckedCreation, EINVAL, ENOMEM } from '../mm/slab-create.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { takeObject } from './alloc.ts';
import { CacheState, hasFlag, ZeroRule } from './cache-state.ts';
import { kmemCacheFlags } from './debug-flags.ts';
import { freeToCache } from './free.ts';
import { openLayout } from './layout.ts';
import { shuffledSequence } from './random-freelist.ts';
import { SlabStage, type SlubState } from './state.ts';
import { TRACK_BYTES, TRACK_BYTES_NO_DEPOT } from './track.ts';
import { initialCpuPartial, initialMinPartial, withCmpxchgDouble } from './tunables.ts';

/** What a cache is opened with: a checked creation, whose alignment is final. */
export interface OpenRequest extends Omit<CheckedCreation, 'windowDropped'> {
  /** Display name. */
  readonly name: string;
}

/** Whether free objects have content that must stay: for RCU readers, or poison. */
function keepsContent(cache: CacheState): boolean {
  return hasFlag(cache, SlabFlag.SLAB_TYPESAFE_BY_RCU | SlabFlag.SLAB_POISON);
}

/** When the objects of a cache are cleared. (spec slub 4.26) */
function zeroRuleOf(state: SlubState, cache: CacheState): number {
  if (!state.parameters.initOnAlloc) return ZeroRule.ON_REQUEST;
  if (cache.ctor !== null) return ZeroRule.NEVER;
  return keepsContent(cache) ? ZeroRule.ON_REQUEST : ZeroRule.ALWAYS;
}

/**
 * Calculates everything about a cache; takes no memory.
 * @returns the cache, null when no order can hold an object
 * @kernel kmem_cache_open, first part (spec slub 4.1 step 8)
 */
export function openCache(state: SlubState, request: OpenRequest): CacheState | null {
  const { config, parameters, topology } = state;
  const cpus = topology.cpuNode.length;
  const layout = openLayout(
    {
      objectSize: request.size,
      align: request.align,
      flags: kmemCacheFlags(state.debug, request.flags, request.name),
      hasCtor: request.ctor !== null,
      trackSize: config.stackDepot ? TRACK_BYTES : TRACK_BYTES_NO_DEPOT,
      order: { ...parameters, presentCpus: cpus, cpuIds: cpus },
    },
    state.debug.disableHigherOrder,
  );
  if (layout === null) return null;
  const cache = new CacheState({
    id: state.nextCacheId++,
    name: request.name,
    objectSize: request.size,
    align: request.align,
    ctor: request.ctor,
    useroffset: request.useroffset,
    usersize: request.usersize,
    layout,
    flags: withCmpxchgDouble(layout.flags),
    minPartial: initialMinPartial(layout.size),
    cpuPartial: initialCpuPartial(layout.size, layout.flags, config.cpuPartial),
    cpus,
    nodeIds: topology.nodeIds,
    stats: config.stats,
  });
  cache.zeroRule = zeroRuleOf(state, cache);
  cache.zeroOnFree = parameters.initOnFree && cache.ctor === null && !keepsContent(cache);
  if (config.freelistHardened) {
    cache.randomLow = state.random.nextU32();
    cache.randomHigh = state.random.nextU32();
  }
  return cache;
}

function takeListHead(state: SlubState): number {
  const used = state.freeListHeads.pop();
  if (used === undefined) return state.map.addListHeads(1);
  listInit(state.map, used);
  return used;
}

/**
 * Gives a cache the structures of a node.
 * @param object address of the structure, -1 if it costs nothing
 * @kernel init_kmem_cache_node
 */
export function addNode(state: SlubState, cache: CacheState, node: number, object: number): void {
  cache.hasNode[node] = 1;
  cache.nodeObject[node] = object;
  cache.partialHead[node] = takeListHead(state);
  cache.fullHead[node] = takeListHead(state);
}

/** Takes the structures of all nodes away again, ascending. @kernel free_kmem_cache_nodes */
function dropNodes(state: SlubState, cache: CacheState, cpu: number): void {
  for (let node = 0; node < cache.hasNode.length; node++) {
    if (cache.hasNode[node] === 0) continue;
    const object = cache.nodeObject[node];
    state.freeListHeads.push(cache.fullHead[node], cache.partialHead[node]);
    cache.hasNode[node] = 0;
    cache.nodeObject[node] = -1;
    cache.partialHead[node] = -1;
    cache.fullHead[node] = -1;
    const from = state.kmemCacheNode;
    if (object >= 0 && from !== null) freeToCache(state, from, object, cpu);
  }
}

/**
 * Gives a cache the structures of all nodes with memory, ascending.
 * @returns false when there is no memory for them; those made so far are gone again
 * @kernel init_kmem_cache_nodes (spec slub 4.1 step 9)
 */
function addNodes(state: SlubState, cache: CacheState, cpu: number): boolean {
  for (const node of state.memoryNodes) {
    const from = state.kmemCacheNode;
    const object =
      from === null ? -1 : takeObject(state, from, Gfp.GFP_KERNEL, node, from.objectSize, cpu);
    if (from !== null && object < 0) {
      dropNodes(state, cache, cpu);
      return false;
    }
    addNode(state, cache, node, object);
  }
  return true;
}

/**
 * Makes the shuffled sequence of a cache; without memory for it the cache stays as it is.
 * @returns false when there is no memory for it
 * @kernel init_cache_random_seq (spec slub 4.10)
 */
export function initRandomSeq(state: SlubState, cache: CacheState, cpu: number): boolean {
  if (!state.config.freelistRandom || cache.objects < 2 || cache.randomSeq !== null) return true;
  if (state.kmemCache !== null && state.kmalloc !== null) {
    const address = state.kmalloc.alloc(
      4 * cache.objects,
      Gfp.GFP_KERNEL | Gfp.__GFP_ZERO,
      -1,
      cpu,
    );
    if (address < 0) return false;
    cache.randomSeqAddress = address;
  }
  cache.randomSeq = shuffledSequence(state.random, cache.objects, cache.size);
  return true;
}

function dropRandomSeq(state: SlubState, cache: CacheState, cpu: number): void {
  const address = cache.randomSeqAddress;
  cache.randomSeq = null;
  cache.randomSeqAddress = -1;
  if (address >= 0) state.kmalloc?.free(address, cpu);
}

/**
 * Opens a cache and gives it its structures: everything but the descriptor and the list.
 * @returns the cache, or the error number: negative if it is for want of memory
 * @kernel __kmem_cache_create (spec slub 4.1 steps 8 and 9)
 */
export function makeCache(
  state: SlubState,
  request: OpenRequest,
  cpu: number,
): CacheState | number {
  const cache = openCache(state, request);
  if (cache === null) return EINVAL;
  if (state.stage >= SlabStage.UP && !initRandomSeq(state, cache, cpu)) return -EINVAL;
  if (!addNodes(state, cache, cpu)) {
    dropRandomSeq(state, cache, cpu);
    return -EINVAL;
  }
  return cache;
}

/** Puts a finished cache at the head of the list of caches. (spec slub 4.1 step 11) */
export function listCache(state: SlubState, cache: CacheState): void {
  state.cacheById[cache.id] = cache;
  state.caches.unshift(cache);
}

/**
 * Makes a cache with its descriptor and puts it on the list.
 * @param gfp mask of the request for the descriptor
 * @returns the cache, or the error number: negative if it is for want of memory
 * @kernel create_cache (spec slub 4.1 steps 6 to 11)
 */
export function createCache(
  state: SlubState,
  request: OpenRequest,
  gfp: number,
  cpu: number,
): CacheState | number {
  const from = state.kmemCache;
  let descriptor = -1;
  if (from !== null) {
    descriptor = takeObject(state, from, gfp | Gfp.__GFP_ZERO, -1, from.objectSize, cpu);
    if (descriptor < 0) return -ENOMEM;
  }
  const cache = makeCache(state, request, cpu);
  if (typeof cache === 'number') {
    if (from !== null) freeToCache(state, from, descriptor, cpu);
    return cache;
  }
  cache.descriptor = descriptor;
  listCache(state, cache);
  return cache;
}

/**
 * Frees everything that a cache consists of; it has no slabs any more.
 * @kernel slab_kmem_cache_release (spec slub 4.8 step 4)
 */
export function releaseCache(state: SlubState, cache: CacheState, cpu: number): void {
  state.cacheById[cache.id] = null;
  dropRandomSeq(state, cache, cpu);
  dropNodes(state, cache, cpu);
  const { descriptor } = cache;
  cache.descriptor = -1;
  if (descriptor >= 0 && state.kmemCache !== null) {
    freeToCache(state, state.kmemCache, descriptor, cpu);
  }
}
