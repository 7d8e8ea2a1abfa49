import { Gfp } from './gfp.ts';
import { getOrder } from './slab-create.ts';
import { SlabFlag } from './slab-flags.ts';

/** Largest size of a kmalloc cache, bytes; larger requests are whole pages. */
export const KMALLOC_MAX_CACHE_SIZE = 8192;
/** Largest kmalloc request, bytes. */
export const KMALLOC_MAX_SIZE = 4194304;
/** What kmalloc(0) gives: an address that must not be used, only freed. */
export const ZERO_SIZE_PTR = 16;

/** Sizes of the kmalloc caches by index; index 0 is unused. @kernel kmalloc_info (spec slub 4.21) */
export const KMALLOC_SIZES: readonly number[] = [
  0, 96, 192, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192,
];

/** Endings of the names of the kmalloc caches by index. */
export const KMALLOC_SUFFIXES: readonly string[] = [
  '',
  '96',
  '192',
  '8',
  '16',
  '32',
  '64',
  '128',
  '256',
  '512',
  '1k',
  '2k',
  '4k',
  '8k',
];

/** Indices past the last kmalloc cache. */
export const KMALLOC_INDEX_COUNT = 14;
/** `KMALLOC_SHIFT_LOW` of SLUB: the smallest cache is kmalloc-8. */
export const KMALLOC_SHIFT_LOW_SLUB = 3;
/** `KMALLOC_SHIFT_LOW` of SLAB: the smallest cache is kmalloc-32. */
export const KMALLOC_SHIFT_LOW_SLAB = 5;

/**
 * Kinds of kmalloc caches. The numbers are the model's: with MEMCG_KMEM the kernel inserts CGROUP
 * after NORMAL.
 */
export const KmallocType = {
  /** `kmalloc-*`. */
  NORMAL: 0,
  /** `kmalloc-rcl-*`: for reclaimable objects. */
  RECLAIM: 1,
  /** `dma-kmalloc-*`: pages of ZONE_DMA. */
  DMA: 2,
  /** `kmalloc-cg-*`: charged to a memory cgroup; only with MEMCG_KMEM. */
  CGROUP: 3,
} as const;

/** Number of kmalloc types. */
export const KMALLOC_TYPE_COUNT = 4;

/** Beginnings of the names by type. */
export const KMALLOC_PREFIXES: readonly string[] = [
  'kmalloc',
  'kmalloc-rcl',
  'dma-kmalloc',
  'kmalloc-cg',
];

/** Which kmalloc caches a build of the kernel has. */
export interface KmallocConfig {
  /** The allocator: `slub` or `slab`. */
  readonly allocator: 'slub' | 'slab';
  /** MEMCG_KMEM. */
  readonly memcg: boolean;
  /** ZONE_DMA. */
  readonly zoneDma: boolean;
}

/** One kmalloc cache to be made at boot. */
export interface KmallocCacheInfo {
  /** Name, e.g. `kmalloc-rcl-128`. */
  readonly name: string;
  /** Type, one of `KmallocType`. */
  readonly type: number;
  /** Index in `KMALLOC_SIZES`. */
  readonly index: number;
  /** Object size in bytes. */
  readonly size: number;
  /** Flags that go with the type, and SLAB_KMALLOC. */
  readonly flags: number;
}

const TYPE_FLAGS: readonly number[] = [
  0,
  SlabFlag.SLAB_RECLAIM_ACCOUNT,
  SlabFlag.SLAB_CACHE_DMA,
  SlabFlag.SLAB_ACCOUNT,
];

/** Index by (size - 1) / 8 for sizes up to 192, as SLUB has it. */
const SMALL_INDEX_SLUB: Uint8Array = Uint8Array.from([
  3, 4, 5, 5, 6, 6, 6, 6, 1, 1, 1, 1, 7, 7, 7, 7, 2, 2, 2, 2, 2, 2, 2, 2,
]);
/** The same for SLAB, which has no cache below 32 bytes. */
const SMALL_INDEX_SLAB: Uint8Array = SMALL_INDEX_SLUB.map((index) =>
  index === 3 || index === 4 ? 5 : index,
);

/**
 * The kmalloc caches in the order in which boot makes them: by type, and in each type by size.
 * @kernel create_kmalloc_caches (spec slub 4.9 step 5)
 */
export function kmallocCacheList(config: KmallocConfig): KmallocCacheInfo[] {
  const types: number[] = [KmallocType.NORMAL];
  if (config.memcg) types.push(KmallocType.CGROUP);
  types.push(KmallocType.RECLAIM);
  if (config.zoneDma) types.push(KmallocType.DMA);
  const low = config.allocator === 'slub' ? KMALLOC_SHIFT_LOW_SLUB : KMALLOC_SHIFT_LOW_SLAB;
  const list: KmallocCacheInfo[] = [];
  for (const type of types) {
    for (const index of indicesBySize(low)) list.push(kmallocCacheInfo(type, index));
  }
  return list;
}

/** Name, size and flags of one kmalloc cache. @kernel new_kmalloc_cache */
export function kmallocCacheInfo(type: number, index: number): KmallocCacheInfo {
  return {
    name: `${KMALLOC_PREFIXES[type]}-${KMALLOC_SUFFIXES[index]}`,
    type,
    index,
    size: KMALLOC_SIZES[index],
    flags: SlabFlag.SLAB_KMALLOC | TYPE_FLAGS[type],
  };
}

function indicesBySize(low: number): number[] {
  const indices: number[] = [];
  for (let index = low; index < KMALLOC_INDEX_COUNT; index++) {
    indices.push(index);
    if (index === 6) indices.push(1);
    if (index === 7) indices.push(2);
  }
  return indices;
}

/**
 * Index of the kmalloc cache that serves a size.
 * @param size bytes, from 1 to `KMALLOC_MAX_CACHE_SIZE`
 * @returns index in `KMALLOC_SIZES`
 * @kernel kmalloc_slab (spec slub 4.21)
 */
export function kmallocIndexSlub(size: number): number {
  return size <= 192 ? SMALL_INDEX_SLUB[(size - 1) >> 3] : 32 - Math.clz32(size - 1);
}

/** As `kmallocIndexSlub`, for SLAB. @kernel kmalloc_slab (spec slab 4.1) */
export function kmallocIndexSlab(size: number): number {
  return size <= 192 ? SMALL_INDEX_SLAB[(size - 1) >> 3] : 32 - Math.clz32(size - 1);
}

/** Bits of a mask that choose a type other than NORMAL without MEMCG_KMEM. */
const NOT_NORMAL = Gfp.__GFP_RECLAIMABLE | Gfp.__GFP_DMA;
const NOT_NORMAL_MEMCG = NOT_NORMAL | Gfp.__GFP_ACCOUNT;

/** Bits of a mask that choose another type than NORMAL. @param memcg whether the build has MEMCG_KMEM */
export function kmallocTypeBits(memcg: boolean): number {
  return memcg ? NOT_NORMAL_MEMCG : NOT_NORMAL;
}

/**
 * Kind of kmalloc cache that serves a request.
 * @param gfp the request's mask
 * @param memcg whether the build has MEMCG_KMEM
 * @kernel kmalloc_type (spec slub 4.21)
 */
export function kmallocType(gfp: number, memcg: boolean): number {
  if ((gfp & kmallocTypeBits(memcg)) === 0) return KmallocType.NORMAL;
  if ((gfp & Gfp.__GFP_DMA) !== 0) return KmallocType.DMA;
  if (!memcg || (gfp & Gfp.__GFP_RECLAIMABLE) !== 0) return KmallocType.RECLAIM;
  return KmallocType.CGROUP;
}

/**
 * The bytes that a request really occupies: the size of its cache, or of its pages.
 * @param size bytes
 * @param allocator whose size classes
 * @returns 0 for 0
 * @kernel kmalloc_size_roundup (spec slub 4.21)
 */
export function kmallocSizeRoundup(size: number, allocator: 'slub' | 'slab'): number {
  if (size === 0) return 0;
  if (size > KMALLOC_MAX_CACHE_SIZE) return 4096 * 2 ** getOrder(size);
  return KMALLOC_SIZES[allocator === 'slub' ? kmallocIndexSlub(size) : kmallocIndexSlab(size)];
}
