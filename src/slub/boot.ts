import { Gfp } from '../mm/gfp.ts';
import {
  KMALLOC_INDEX_COUNT,
  type KmallocCacheInfo,
  KmallocType,
  kmallocCacheList,
} from '../mm/kmalloc-sizes.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import { bootCacheAlignment } from '../mm/slab-create.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { takeObject } from './alloc.ts';
import type { CacheState } from './cache-state.ts';
import { flushCpu } from './cpu-slab.ts';
import {
  addNode,
  createCache,
  initRandomSeq,
  makeCache,
  type OpenRequest,
  openCache,
} from './create.ts';
import { DebugByte, freePointerOf, initObject, markInUse, setFreelist } from './debug-object.ts';
import { newSlab } from './new-slab.ts';
import { addPartial, incSlabsNode } from './node-lists.ts';
import { objectAddress } from './pointer.ts';
import { LINK_ALLOCATED } from './slab-table.ts';
import { formatBootLine } from './slabinfo.ts';
import { SlabStage, type SlubState } from './state.ts';

/** `sizeof(struct kmem_cache_node)` with and without SLUB_DEBUG, bytes. */
const NODE_BYTES = 64;
const NODE_BYTES_NO_DEBUG = 32;
/** `offsetof(struct kmem_cache, node)` in the default configuration, bytes. */
const NODE_OFFSET = 200;
const WORD = 8;

/** Bytes of a cache descriptor. (spec slub 4.9) */
export function descriptorBytes(state: SlubState): number {
  const { config, topology } = state;
  let offset = NODE_OFFSET;
  if (config.freelistRandom) offset += WORD;
  if (config.freelistHardened) offset += WORD;
  if (!config.numa) offset -= WORD;
  return offset + WORD * topology.nodeIds;
}

/** A cache that the kernel makes itself. @kernel create_boot_cache (spec slub 4.9 step 1) */
function bootRequest(name: string, size: number, flags: number, usersize: number): OpenRequest {
  const align = bootCacheAlignment(flags, size);
  return { name, size, align, flags, ctor: null, useroffset: 0, usersize };
}

/** @throws KmemError `PANIC`: the kernel does not survive this */
function panic(name: string): never {
  throw new KmemError('PANIC', `there is no memory for the boot cache ${name}`, { cache: name });
}

/** Takes object 0 of a new slab for the node structure of its own cache. @kernel early_kmem_cache_node_alloc */
function earlyNode(state: SlubState, cache: CacheState, node: number, cpu: number): void {
  const { slabs } = state;
  const slab = newSlab(state, cache, Gfp.GFP_NOWAIT, node, cpu);
  if (slab < 0) panic(cache.name);
  const index = slabs.freelist[slab];
  const object = objectAddress(state, cache, slab, index);
  if (cache.isDebug) {
    setFreelist(state, cache, slab, freePointerOf(state, cache, slab, object));
    initObject(state, cache, object, DebugByte.SLUB_RED_ACTIVE);
    markInUse(state, cache, slab, index, true);
  } else {
    const cell = slabs.linkBase[slab] + index;
    slabs.freelist[slab] = slabs.links[cell];
    slabs.links[cell] = LINK_ALLOCATED;
  }
  slabs.inuse[slab] = 1;
  slabs.frozen[slab] = 0;
  addNode(state, cache, node, object);
  incSlabsNode(state, cache, slab);
  addPartial(state, cache, slab, false);
}

/** Moves the descriptor of a boot cache into an object. @kernel bootstrap (spec slub 4.9 step 4) */
function bootstrap(state: SlubState, from: CacheState, cache: CacheState, cpu: number): void {
  const gfp = Gfp.GFP_NOWAIT | Gfp.__GFP_ZERO;
  cache.descriptor = takeObject(state, from, gfp, -1, from.objectSize, cpu);
  if (cache.descriptor < 0) panic(cache.name);
  flushCpu(state, cache, cpu, cpu);
  state.caches.unshift(cache);
}

/** The caches of descriptors, whose own descriptors are among their objects. (spec slub 4.9 steps 1 to 4) */
function bootDescriptorCaches(state: SlubState, cpu: number): void {
  const nodeBytes = state.config.debug ? NODE_BYTES : NODE_BYTES_NO_DEBUG;
  const align = SlabFlag.SLAB_HWCACHE_ALIGN;
  const nodes = openCache(state, bootRequest('kmem_cache_node', nodeBytes, align, 0));
  if (nodes === null) panic('kmem_cache_node');
  nodes.refcount = -1;
  state.cacheById[nodes.id] = nodes;
  for (const node of state.memoryNodes) earlyNode(state, nodes, node, cpu);
  state.kmemCacheNode = nodes;
  state.stage = SlabStage.PARTIAL;
  const caches = makeCache(state, bootRequest('kmem_cache', descriptorBytes(state), align, 0), cpu);
  if (typeof caches === 'number') panic('kmem_cache');
  caches.refcount = -1;
  state.cacheById[caches.id] = caches;
  bootstrap(state, caches, caches, cpu);
  bootstrap(state, caches, nodes, cpu);
  state.kmemCache = caches;
}

/** One kmalloc cache. @kernel create_kmalloc_cache (spec slub 4.9 step 5) */
function bootKmallocCache(state: SlubState, info: KmallocCacheInfo, cpu: number): void {
  const request = bootRequest(info.name, info.size, info.flags, info.size);
  const cache = createCache(state, request, Gfp.GFP_NOWAIT, cpu);
  if (typeof cache === 'number') panic(info.name);
  if (state.config.memcg && info.type === KmallocType.NORMAL) cache.refcount = -1;
  const { kmalloc } = state;
  if (kmalloc === null) return;
  kmalloc.caches[info.type * KMALLOC_INDEX_COUNT + info.index] = cache;
  // Without ZONE_DMA requests for it are served by the normal caches.
  if (state.config.zoneDma || info.type !== KmallocType.NORMAL) return;
  kmalloc.caches[KmallocType.DMA * KMALLOC_INDEX_COUNT + info.index] = cache;
}

/**
 * The boot of the allocator up to the last kmalloc cache.
 * @param bare descriptors cost nothing: no boot caches
 * @throws KmemError `PANIC` when there is no memory
 * @kernel kmem_cache_init (spec slub 4.9)
 */
export function bootSlub(state: SlubState, bare: boolean, cpu: number): void {
  const { config, parameters, topology } = state;
  const allowed = state.gfpAllowedMask;
  state.gfpAllowedMask = Gfp.GFP_BOOT_MASK;
  if (!bare) bootDescriptorCaches(state, cpu);
  const list = kmallocCacheList({
    allocator: 'slub',
    memcg: config.memcg,
    zoneDma: config.zoneDma,
  });
  for (const info of list) bootKmallocCache(state, info, cpu);
  state.stage = SlabStage.UP;
  for (const cache of state.caches) initRandomSeq(state, cache, cpu);
  state.gfpAllowedMask = allowed;
  const { nodeIds: nodes } = topology;
  state.log?.(formatBootLine({ parameters, cpus: state.cpus, nodes }));
  state.stage = SlabStage.FULL;
}
