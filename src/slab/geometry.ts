import { alignUp, PAGE_SIZE } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { SlabFlag } from '../mm/slab-flags.ts';

/** Flags that SLAB itself sets: where the index array of a slab lies (spec slab 2.5). */
export const FreelistFlag = {
  /** In the first bytes of a free object. */
  CFLGS_OBJFREELIST_SLAB: 0x40000000,
  /** In a kmalloc object of its own. */
  CFLGS_OFF_SLAB: 0x80000000,
} as const;

/** Most objects in a slab: an index is one byte. */
export const SLAB_OBJ_MAX_NUM = 255;
/** Smallest distance between objects, bytes. */
export const SLAB_OBJ_MIN_SIZE = 16;
/** Highest order that is tried for a slab. */
export const KMALLOC_MAX_ORDER = 10;
/** Highest order that is tried to save space on a machine with more than 32 MiB of RAM. */
export const SLAB_MAX_ORDER_HI = 1;
/** More pages of RAM than this raise the default order limit from 0 to 1. */
const SLAB_MAX_ORDER_RAM_PAGES = 8192;
/** Bytes of a red zone, and of the word for the last user. */
const DEBUG_WORD_BYTES = 8;

/** Size, order and layout of the slabs of a cache. */
export interface SlabGeometry {
  /** Distance between objects, bytes. */
  readonly size: number;
  /** Alignment of objects, bytes. */
  readonly align: number;
  /** Objects in a slab. */
  readonly num: number;
  /** log2 of the pages of a slab. */
  readonly gfporder: number;
  /** Number of different start offsets, 0 for no slack. */
  readonly colour: number;
  /** Bytes per colour step. */
  readonly colourOff: number;
  /** Bytes of the index array. */
  readonly freelistSize: number;
  /** Flags of the cache with those of `FreelistFlag`. */
  readonly flags: number;
  /** Bits forced on every page request. */
  readonly allocflags: number;
  /** Bytes from the start of a slot to the user's object; nonzero with red zones. */
  readonly objOffset: number;
}

/** What the geometry follows from. */
export interface GeometryRequest {
  /** Object size as asked for, bytes. */
  readonly objectSize: number;
  /** Alignment from `calculateAlignment`, bytes. */
  readonly align: number;
  /** Flags of the cache. */
  readonly flags: number;
  /** Whether it has a constructor. */
  readonly hasCtor: boolean;
}

/** A kmalloc cache that could hold an index array. */
export interface IndexArrayCache {
  /** Its distance between objects, bytes. */
  readonly size: number;
  /** Its flags. */
  readonly flags: number;
}

/** What the geometry depends on besides the request. */
export interface GeometryConfig {
  /** Order at which the search for less waste ends. */
  readonly slabMaxOrder: number;
  /** Cache line of the boot CPU, bytes. */
  readonly cacheLineSize: number;
  /** CONFIG_DEBUG_SLAB. */
  readonly debug: boolean;
  /** `init_on_free=1`. */
  readonly initOnFree: boolean;
  /** The kmalloc cache for so many bytes, null while it does not exist. */
  readonly kmallocCacheFor: (bytes: number) => IndexArrayCache | null;
}

/** Result of `calculateSlabOrder`: `num` is 0 when nothing fits. */
export interface SlabOrder {
  /** Objects in a slab. */
  readonly num: number;
  /** log2 of its pages. */
  readonly gfporder: number;
  /** Bytes that neither objects nor an index array on the slab use. */
  readonly leftBytes: number;
}

const NOTHING_FITS: SlabOrder = { num: 0, gfporder: 0, leftBytes: 0 };

/**
 * Order limit by the size of the machine.
 * @param totalRamPages pages handed to the page allocator when SLAB starts
 * @kernel kmem_cache_init (spec slab 3)
 */
export function defaultSlabMaxOrder(totalRamPages: number): number {
  return totalRamPages > SLAB_MAX_ORDER_RAM_PAGES ? SLAB_MAX_ORDER_HI : 0;
}

/**
 * Flags that DEBUG_SLAB adds to a cache before its geometry is computed.
 * @param flags flags of the cache
 * @param objectSize object size as asked for, bytes
 * @kernel __kmem_cache_create (spec slab 4.26)
 */
export function debugFlags(flags: number, objectSize: number): number {
  let result = flags;
  const grown = objectSize - 1 + 3 * DEBUG_WORD_BYTES;
  if (objectSize < PAGE_SIZE || bitLength(objectSize - 1) === bitLength(grown)) {
    result |= SlabFlag.SLAB_RED_ZONE | SlabFlag.SLAB_STORE_USER;
  }
  if ((result & SlabFlag.SLAB_TYPESAFE_BY_RCU) === 0) result |= SlabFlag.SLAB_POISON;
  return result >>> 0;
}

function bitLength(value: number): number {
  return value <= 0 ? 0 : Math.floor(Math.log2(value)) + 1;
}

/**
 * How many objects fit into a block of an order.
 * @param size distance between objects, bytes
 * @param flags `CFLGS_OBJFREELIST_SLAB` or `CFLGS_OFF_SLAB`; else each object takes an index byte
 * @returns objects, and bytes left over
 * @kernel cache_estimate (spec slab 4.3)
 */
export function cacheEstimate(
  order: number,
  size: number,
  flags: number,
): {
  /** Objects. */
  readonly num: number;
  /** Bytes left over. */
  readonly leftBytes: number;
} {
  const blockBytes = PAGE_SIZE * 2 ** order;
  const elsewhere = FreelistFlag.CFLGS_OBJFREELIST_SLAB | FreelistFlag.CFLGS_OFF_SLAB;
  const perObject = (flags & elsewhere) === 0 ? size + 1 : size;
  return { num: Math.floor(blockBytes / perObject), leftBytes: blockBytes % perObject };
}

/**
 * Chooses the order of the slabs of a cache.
 * @param objectSize object size as asked for, not rounded, bytes
 * @param size distance between objects, bytes
 * @param flags flags with the placement that is tried
 * @kernel calculate_slab_order (spec slab 4.3)
 */
export function calculateSlabOrder(
  objectSize: number,
  size: number,
  flags: number,
  config: GeometryConfig,
): SlabOrder {
  let best = NOTHING_FITS;
  for (let order = 0; order <= KMALLOC_MAX_ORDER; order++) {
    const { num, leftBytes } = cacheEstimate(order, size, flags);
    if (num === 0) continue;
    if (num > SLAB_OBJ_MAX_NUM) break;
    if (
      (flags & FreelistFlag.CFLGS_OFF_SLAB) !== 0 &&
      !indexArrayFits(num, objectSize, config.kmallocCacheFor(num))
    ) {
      continue;
    }
    best = { num, gfporder: order, leftBytes };
    if ((flags & SlabFlag.SLAB_RECLAIM_ACCOUNT) !== 0) break;
    if (order >= config.slabMaxOrder) break;
    if (leftBytes * 8 <= PAGE_SIZE * 2 ** order) break;
  }
  return best;
}

/** An index array of its own must be small against one object, and not need one of its own again. */
function indexArrayFits(num: number, objectSize: number, holder: IndexArrayCache | null): boolean {
  if (num === 0 || holder === null) return false;
  if ((holder.flags & FreelistFlag.CFLGS_OFF_SLAB) !== 0) return false;
  return holder.size <= Math.floor(objectSize / 2);
}

/** Distance between objects, with everything that rounding and debug words add. */
interface Stride {
  readonly size: number;
  readonly align: number;
  readonly flags: number;
  readonly objOffset: number;
}

function strideOf(request: GeometryRequest, config: GeometryConfig): Stride {
  const align = Math.max(DEBUG_WORD_BYTES, request.align);
  let size = alignUp(request.objectSize, DEBUG_WORD_BYTES);
  let { flags } = request;
  let objOffset = 0;
  if (config.debug) {
    flags = debugFlags(flags, request.objectSize);
    if (align > DEBUG_WORD_BYTES) flags &= ~(SlabFlag.SLAB_RED_ZONE | SlabFlag.SLAB_STORE_USER);
    if ((flags & SlabFlag.SLAB_RED_ZONE) !== 0) {
      objOffset = DEBUG_WORD_BYTES;
      size += 2 * DEBUG_WORD_BYTES;
    }
    if ((flags & SlabFlag.SLAB_STORE_USER) !== 0) size += DEBUG_WORD_BYTES;
  }
  size = alignUp(Math.max(alignUp(size, align), SLAB_OBJ_MIN_SIZE), align);
  return { size, align, flags: flags >>> 0, objOffset };
}

/**
 * Geometry of a cache: the first placement of the index array that works wins, in the order object,
 * off slab, on slab.
 * @returns null when the object is too large for any slab (-E2BIG)
 * @kernel __kmem_cache_create (spec slab 4.2, 4.26)
 */
export function calculateGeometry(
  request: GeometryRequest,
  config: GeometryConfig,
): SlabGeometry | null {
  const stride = strideOf(request, config);
  const placements = [FreelistFlag.CFLGS_OBJFREELIST_SLAB, FreelistFlag.CFLGS_OFF_SLAB, 0];
  for (const placement of placements) {
    const flags = (stride.flags | placement) >>> 0;
    const chosen = calculateSlabOrder(request.objectSize, stride.size, flags, config);
    if (!placementWorks(placement, chosen, request, config)) continue;
    const colourOff = Math.max(config.cacheLineSize, stride.align);
    return {
      size: stride.size,
      align: stride.align,
      num: chosen.num,
      gfporder: chosen.gfporder,
      colour: Math.floor(chosen.leftBytes / colourOff),
      colourOff,
      freelistSize: chosen.num,
      flags,
      allocflags: allocflagsOf(stride.flags),
      objOffset: stride.objOffset,
    };
  }
  return null;
}

function placementWorks(
  placement: number,
  { num, leftBytes }: SlabOrder,
  { objectSize, flags, hasCtor }: GeometryRequest,
  { initOnFree }: GeometryConfig,
): boolean {
  if (num === 0) return false;
  switch (placement) {
    case FreelistFlag.CFLGS_OBJFREELIST_SLAB:
      if (initOnFree || hasCtor) return false;
      return (flags & SlabFlag.SLAB_TYPESAFE_BY_RCU) === 0 && num <= objectSize;
    case FreelistFlag.CFLGS_OFF_SLAB:
      return (flags & SlabFlag.SLAB_NOLEAKTRACE) === 0 && leftBytes < num;
    default:
      return true;
  }
}

function allocflagsOf(flags: number): number {
  let mask: number = Gfp.__GFP_COMP;
  if ((flags & SlabFlag.SLAB_CACHE_DMA) !== 0) mask |= Gfp.GFP_DMA;
  if ((flags & SlabFlag.SLAB_CACHE_DMA32) !== 0) mask |= Gfp.GFP_DMA32;
  if ((flags & SlabFlag.SLAB_RECLAIM_ACCOUNT) !== 0) mask |= Gfp.__GFP_RECLAIMABLE;
  return mask;
}
