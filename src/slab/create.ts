import { checkInteger } from '../lib/errors.ts';
import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { KMALLOC_MAX_CACHE_SIZE, kmallocIndexSlab } from '../mm/kmalloc-sizes.ts';
import { KmemError, type ObjectConstructor } from '../mm/kmem-cache.ts';
import {
  type CheckedCreation,
  calculateAlignment,
  checkCreation,
  creationFailure,
  EINVAL,
  ENOMEM,
  type KmemCacheOptions,
} from '../mm/slab-create.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { findMergeable } from '../mm/slab-merge.ts';
import { slabAllocNode } from './alloc.ts';
import { BOOT_CPUCACHE_ENTRIES } from './array-cache.ts';
import { SlabCache } from './cache.ts';
import { type CacheState, cacheNodeOf, KMEM_CACHE_NODE_BYTES } from './cache-state.ts';
import { releaseCache } from './destroy.ts';
import { calculateGeometry, type IndexArrayCache } from './geometry.ts';
import { ownAlloc, ownGfp } from './own-memory.ts';
import { BootState, type SlabState } from './state.ts';
import { enableCpucache, firstReap, newCacheNode, newCpuCaches } from './tune.ts';

/** Error number of "argument too big": no slab can hold such an object. */
export const E2BIG = 7;

/** Names and sizes of a cache that is to be made. */
export interface CacheRequest {
  /** Display name. */
  readonly name: string;
  /** Object size, bytes. */
  readonly size: number;
  /** Alignment from `calculateAlignment`, bytes. */
  readonly align: number;
  /** Flags. */
  readonly flags: number;
  /** Constructor, null for none. */
  readonly ctor: ObjectConstructor | null;
  /** Start of the user copy window, bytes. */
  readonly useroffset: number;
  /** Length of the user copy window, bytes. */
  readonly usersize: number;
  /** Users of the new cache; -1 for one that is never merged. */
  readonly refcount: number;
}

/**
 * Makes a cache, or joins an existing one that fits.
 * @returns null when there is no memory
 * @throws KmemError `BAD_CACHE`, `PANIC`
 * @kernel kmem_cache_create_usercopy (spec slub 4.1, slab 4.1)
 */
export function kmemCacheCreate(
  state: SlabState,
  name: string,
  options: KmemCacheOptions,
  cpu: number,
): SlabCache | null {
  checkInteger('size', options.size, 1, Number.MAX_SAFE_INTEGER);
  checkInteger('align', options.align ?? 0, 0, 0x40000000);
  checkInteger('flags', options.flags ?? 0, 0, 0xffffffff);
  const { debug, memcg } = state.config;
  const creation = checkCreation(options, { allocator: 'slab', debug, memcg });
  if (creation === null) throw creationError(state, name, EINVAL, options.flags ?? 0);
  const existing = creation.usersize === 0 ? mergeTarget(state, creation) : null;
  if (existing !== null) {
    existing.refcount += 1;
    existing.objectSize = Math.max(existing.objectSize, creation.size);
    return existing as SlabCache;
  }
  const made = makeCache(state, cacheRequestOf(name, creation), cpu);
  if (typeof made !== 'number') return made;
  const failure = creationError(state, name, -made, creation.flags);
  if (made === -ENOMEM && failure.code !== 'PANIC') return null;
  throw failure;
}

function cacheRequestOf(name: string, creation: CheckedCreation): CacheRequest {
  const { size, flags } = creation;
  const align = calculateAlignment(flags, creation.align, size);
  return { ...creation, name, align, refcount: 1 };
}

/** The report of a failed creation goes to the log, where the kernel prints it. */
function creationError(state: SlabState, name: string, errno: number, flags: number): KmemError {
  const panic = (flags & SlabFlag.SLAB_PANIC) !== 0;
  const message = creationFailure(name, errno, panic);
  state.log?.(message);
  return new KmemError(panic ? 'PANIC' : 'BAD_CACHE', message, { name, errno: -errno, flags });
}

function mergeTarget(state: SlabState, creation: CheckedCreation): CacheState | null {
  if (state.parameters.nomerge) return null;
  return findMergeable(state.caches, { ...creation, finalFlags: creation.flags }, 'slab');
}

/**
 * Makes a cache for sure.
 * @returns the cache, or a negative error number
 * @kernel create_cache, create_boot_cache
 */
export function makeCache(
  state: SlabState,
  request: CacheRequest,
  cpu: number,
): SlabCache | number {
  const address = allocDescriptor(state, cpu);
  if (address === NIL) return -ENOMEM;
  const cache = new SlabCache(state, state.cacheById.length, request.name, request.ctor);
  state.cacheById.push(cache);
  cache.address = address;
  cache.useroffset = request.useroffset;
  cache.usersize = request.usersize;
  const error = openCache(cache, request, cpu);
  if (error !== 0) {
    releaseCache(cache, cpu);
    return error;
  }
  cache.refcount = request.refcount;
  state.caches.unshift(cache);
  return cache;
}

/** The descriptor is an object of the cache `kmem_cache`, which has a static one itself. */
function allocDescriptor(state: SlabState, cpu: number): number {
  const { kmemCache } = state;
  if (!state.ownKmalloc || kmemCache === null) return 0;
  const gfp = ownGfp(state) | Gfp.__GFP_ZERO;
  const address = slabAllocNode(kmemCache, gfp, NIL, cpu);
  const { objectSize, size } = kmemCache;
  state.trace?.kmemCacheAlloc?.(address, objectSize, size, gfp, NIL);
  return address;
}

/**
 * Geometry and arrays of a new cache.
 * @returns 0 or a negative error number
 * @kernel __kmem_cache_create (spec slab 4.2)
 */
function openCache(cache: CacheState, request: CacheRequest, cpu: number): number {
  const { state } = cache;
  const geometry = calculateGeometry(
    {
      objectSize: request.size,
      align: request.align,
      flags: request.flags,
      hasCtor: request.ctor !== null,
    },
    {
      slabMaxOrder: state.slabMaxOrder,
      cacheLineSize: state.cacheLineSize,
      debug: state.debug,
      initOnFree: state.parameters.initOnFree,
      kmallocCacheFor: (bytes) => kmallocCacheFor(state, bytes),
    },
  );
  if (geometry === null) return -E2BIG;
  cache.objectSize = request.size;
  Object.assign(cache, geometry);
  cache.sizeInverse = 1 / cache.size;
  return setupCpuCache(cache, cpu);
}

function kmallocCacheFor({ kmalloc }: SlabState, bytes: number): IndexArrayCache | null {
  if (bytes > KMALLOC_MAX_CACHE_SIZE) return null;
  return kmalloc?.caches[kmallocIndexSlab(bytes)] ?? null;
}

/**
 * Arrays of a new cache, as far as this stage of boot can make them.
 * @returns 0 or a negative error number
 * @kernel setup_cpu_cache (spec slab 4.4, 4.22)
 */
function setupCpuCache(cache: CacheState, cpu: number): number {
  const { state } = cache;
  cache.nodes = new Array(state.nodeIds).fill(null);
  if (state.bootState >= BootState.FULL) return enableCpucache(cache, cpu);
  cache.cpuCache = newCpuCaches(state, BOOT_CPUCACHE_ENTRIES, 1);
  cache.batchcount = 1;
  cache.limit = BOOT_CPUCACHE_ENTRIES;
  for (const node of state.onlineNodes) {
    const n = newCacheNode(cache, node);
    // The first two caches have static structures until kmalloc-128 works.
    if (state.bootState >= BootState.PARTIAL_NODE) {
      n.address = ownAlloc(state, KMEM_CACHE_NODE_BYTES, ownGfp(state), node, cpu);
    }
    cache.nodes[node] = n;
    if (n.address !== NIL) continue;
    n.address = 0;
    return -ENOMEM;
  }
  cacheNodeOf(cache, state.cpuNode[cpu]).nextReap = firstReap(cache);
  return 0;
}
