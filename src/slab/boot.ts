import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { Kmalloc } from '../mm/kmalloc.ts';
import {
  KMALLOC_INDEX_COUNT,
  KMALLOC_TYPE_COUNT,
  type KmallocCacheInfo,
  KmallocType,
  kmallocCacheInfo,
  kmallocCacheList,
  kmallocIndexSlab,
} from '../mm/kmalloc-sizes.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import { bootCacheAlignment } from '../mm/slab-create.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { slabAllocNode } from './alloc.ts';
import type { SlabCache } from './cache.ts';
import { type CacheState, cacheNodeOf, KMEM_CACHE_NODE_BYTES } from './cache-state.ts';
import { makeCache } from './create.ts';
import { giveFast, slotHint, takeFast } from './fast-path.ts';
import { freeByAddress, usableSize } from './object-lookup.ts';
import { ownAlloc } from './own-memory.ts';
import { BootState, checkCpu, type SlabState } from './state.ts';
import { enableCpucache } from './tune.ts';

/** The CPU that boots. */
const BOOT_CPU = 0;
/** Bytes of a cache descriptor before its pointers to node structures. (spec slab 2.1) */
const DESCRIPTOR_BYTES = { plain: 120, random: 128, debug: 224 } as const;
const POINTER_BYTES = 8;

/** Size of a cache descriptor, bytes. @kernel offsetof(struct kmem_cache, node[nr_node_ids]) */
export function descriptorBytes(state: SlabState): number {
  const { debug, freelistRandom } = state.config;
  let base: number = DESCRIPTOR_BYTES.plain;
  if (freelistRandom) base = DESCRIPTOR_BYTES.random;
  if (debug) base = DESCRIPTOR_BYTES.debug;
  return base + POINTER_BYTES * state.nodeIds;
}

/** The kmalloc front end on top of this allocator. */
function newKmalloc(state: SlabState): Kmalloc<CacheState> {
  const kmalloc = new Kmalloc<CacheState>(
    {
      backend: {
        takeSized: (cache, gfp, node, _size, cpu) => {
          const address = node === NIL ? takeFast(cache, gfp, cpu) : NIL;
          if (address !== NIL) return address;
          checkCpu(state, cpu);
          state.calls?.enterOutermost('__kmalloc');
          state.calls?.enter('__do_kmalloc_node');
          state.calls?.enter('kmalloc_slab');
          state.calls?.enter('__kmem_cache_alloc_node');
          state.calls?.enter('slab_alloc_node');
          return slabAllocNode(cache, gfp, node, cpu);
        },
        giveBack: (address, cpu) => {
          const slot = slotHint(state, address);
          const cache = state.cacheById[state.slabs.cache[slot]] ?? null;
          if (cache !== null && giveFast(cache, slot, address, cpu)) return true;
          checkCpu(state, cpu);
          state.calls?.enter('__kmem_cache_free');
          return freeByAddress(state, address, cpu);
        },
        usableSize: (address) => usableSize(state, address),
        slotSize: (cache) => cache.size,
      },
      allocator: 'slab',
      memcg: state.config.memcg,
      source: state.source,
      map: state.map,
      memory: state.memory,
      topology: state.topology,
      vmstat: state.vmstat,
      log: state.log,
      initOnAlloc: state.parameters.initOnAlloc,
    },
    KMALLOC_TYPE_COUNT,
  );
  kmalloc.trace = state.trace;
  return kmalloc;
}

/**
 * Makes the first caches: `kmem_cache`, then the kmalloc caches, the one for node structures first.
 * @throws KmemError `PANIC` when there is no memory
 * @kernel kmem_cache_init, create_kmalloc_caches (spec slab 4.22)
 */
export function kmemCacheInit(state: SlabState): void {
  state.cpuOnline[BOOT_CPU] = 1;
  const kmalloc = newKmalloc(state);
  const { config } = state;
  const bytes = descriptorBytes(state);
  const boot = bootCache(state, 'kmem_cache', bytes, SlabFlag.SLAB_HWCACHE_ALIGN, 0, -1);
  boot.shared = 1;
  state.kmemCache = boot;
  state.kmalloc = kmalloc;
  state.bootState = BootState.PARTIAL;
  const nodeIndex = kmallocIndexSlab(KMEM_CACHE_NODE_BYTES);
  const nodeCache = kmallocCache(state, kmallocCacheInfo(KmallocType.NORMAL, nodeIndex));
  state.bootState = BootState.PARTIAL_NODE;
  for (const node of state.onlineNodes) {
    initList(boot, node);
    initList(nodeCache, node);
  }
  const { memcg, zoneDma } = config;
  for (const info of kmallocCacheList({ allocator: 'slab', memcg, zoneDma })) {
    if (kmalloc.caches[info.type * KMALLOC_INDEX_COUNT + info.index] === null) {
      kmallocCache(state, info);
    }
  }
  state.bootState = BootState.UP;
}

/** Moves a static node structure into one from kmalloc. @kernel init_list (spec slab 4.22 step 4) */
function initList(cache: CacheState, node: number): void {
  const { state } = cache;
  const address = ownAlloc(state, KMEM_CACHE_NODE_BYTES, Gfp.GFP_NOWAIT, node, BOOT_CPU);
  cacheNodeOf(cache, node).address = inBoot(cache.name, address);
}

function inBoot(name: string, address: number): number {
  if (address >= 0) return address;
  throw new KmemError('PANIC', `no memory for the boot cache ${name}`, { name });
}

function kmallocCache(state: SlabState, info: KmallocCacheInfo): SlabCache {
  const { name, size, type, index } = info;
  const flags = info.flags | SlabFlag.SLAB_HWCACHE_ALIGN;
  // Charged objects must not share a cache with others: then the plain ones are never merged.
  const refcount = state.config.memcg && type === KmallocType.NORMAL ? -1 : 1;
  const cache = bootCache(state, name, size, flags, size, refcount);
  const caches = state.kmalloc?.caches ?? [];
  caches[type * KMALLOC_INDEX_COUNT + index] = cache;
  // Without ZONE_DMA requests for it are served by the normal caches.
  if (!state.config.zoneDma && type === KmallocType.NORMAL) {
    caches[KmallocType.DMA * KMALLOC_INDEX_COUNT + index] = cache;
  }
  return cache;
}

/** @kernel create_boot_cache, create_kmalloc_cache */
function bootCache(
  state: SlabState,
  name: string,
  size: number,
  flags: number,
  usersize: number,
  refcount: number,
): SlabCache {
  const align = bootCacheAlignment(flags, size);
  const request = { name, size, align, flags, ctor: null, useroffset: 0, usersize, refcount };
  const cache = makeCache(state, request, BOOT_CPU);
  if (typeof cache !== 'number') return cache;
  throw new KmemError(
    'PANIC',
    `Creation of kmalloc slab ${name} size=${size} failed. Reason ${cache}`,
    {
      name,
      errno: cache,
    },
  );
}

/**
 * Gives all caches arrays of their final sizes.
 * @kernel kmem_cache_init_late (spec slab 4.22 step 7)
 */
export function kmemCacheInitLate(state: SlabState): void {
  for (const cache of [...state.caches]) {
    if (enableCpucache(cache, BOOT_CPU) === 0) continue;
    throw new KmemError('PANIC', `no memory for the arrays of ${cache.name}`, { name: cache.name });
  }
  state.bootState = BootState.FULL;
}
