import { alignDown, alignUp } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { getOrder } from '../mm/slab-create.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { calculateOrder, type OrderParameters, orderObjects } from './order.ts';

/** Bytes of a free pointer, of a guard word, and of the smallest red zone. */
const WORD = 8;
/** Bytes of the recorded request size of a debug kmalloc cache. */
export const ORIG_SIZE_BYTES = 4;

/** What the layout of objects is calculated from. */
export interface LayoutInput {
  /** Usable bytes. */
  readonly objectSize: number;
  /** Final alignment in bytes. */
  readonly align: number;
  /** Flags of the cache. */
  readonly flags: number;
  /** Whether there is a constructor. */
  readonly hasCtor: boolean;
  /** Bytes of one track: 32 with the stack depot, else 24. */
  readonly trackSize: number;
  /** What the order depends on. */
  readonly order: OrderParameters;
}

/** Where everything is in a slot, and how many slots a slab has. Bytes, from the object address. */
export interface Layout {
  /** Flags, with `__OBJECT_POISON` as it results. */
  readonly flags: number;
  /** Where the metadata begins. */
  readonly inuse: number;
  /** Where the free pointer is. */
  readonly offset: number;
  /** Bytes of the left red zone, before the object. */
  readonly redLeftPad: number;
  /** Slot size. */
  readonly size: number;
  /** Usual order of a slab. */
  readonly order: number;
  /** Objects in a slab of the usual order. */
  readonly objects: number;
  /** Smallest order that holds an object. */
  readonly minOrder: number;
  /** Objects in a slab of that order. */
  readonly minObjects: number;
  /** Bits that every page request has. */
  readonly allocflags: number;
}

/** Whether the free pointer must not overwrite the object. */
function freePointerOutside({ flags, objectSize, hasCtor }: LayoutInput): boolean {
  if ((flags & (SlabFlag.SLAB_TYPESAFE_BY_RCU | SlabFlag.SLAB_POISON)) !== 0) return true;
  return hasCtor || ((flags & SlabFlag.SLAB_RED_ZONE) !== 0 && objectSize < WORD);
}

function withObjectPoison({ flags, hasCtor }: LayoutInput): number {
  const poisons =
    (flags & SlabFlag.SLAB_POISON) !== 0 &&
    (flags & SlabFlag.SLAB_TYPESAFE_BY_RCU) === 0 &&
    !hasCtor;
  const without = flags & ~SlabFlag.__OBJECT_POISON;
  return (poisons ? without | SlabFlag.__OBJECT_POISON : without) >>> 0;
}

function pageRequestBits(flags: number, order: number): number {
  let bits = order > 0 ? Gfp.__GFP_COMP : 0;
  if ((flags & SlabFlag.SLAB_CACHE_DMA) !== 0) bits |= Gfp.__GFP_DMA;
  if ((flags & SlabFlag.SLAB_CACHE_DMA32) !== 0) bits |= Gfp.__GFP_DMA32;
  if ((flags & SlabFlag.SLAB_RECLAIM_ACCOUNT) !== 0) bits |= Gfp.__GFP_RECLAIMABLE;
  return bits;
}

/**
 * Lays an object out and chooses the order of its slabs.
 * @returns the layout, null when no order can hold an object
 * @kernel calculate_sizes (spec slub 4.5)
 */
export function calculateSizes(input: LayoutInput): Layout | null {
  const { objectSize, align, flags } = input;
  const redZone = (flags & SlabFlag.SLAB_RED_ZONE) !== 0;
  let end = alignUp(objectSize, WORD);
  if (redZone && end === objectSize) end += WORD;
  const inuse = end;
  let offset = alignDown(Math.floor(objectSize / 2), WORD);
  if (freePointerOutside(input)) {
    offset = end;
    end += WORD;
  }
  if ((flags & SlabFlag.SLAB_STORE_USER) !== 0) {
    end += 2 * input.trackSize;
    if ((flags & SlabFlag.SLAB_KMALLOC) !== 0) end += ORIG_SIZE_BYTES;
  }
  const redLeftPad = redZone ? alignUp(WORD, align) : 0;
  if (redZone) end += WORD + redLeftPad;
  const size = alignUp(end, align);
  const order = calculateOrder(size, input.order);
  if (order < 0) return null;
  const objects = orderObjects(order, size);
  if (objects === 0) return null;
  const minOrder = getOrder(size);
  return {
    flags: withObjectPoison(input),
    inuse,
    offset,
    redLeftPad,
    size,
    order,
    objects,
    minOrder,
    minObjects: orderObjects(minOrder, size),
    allocflags: pageRequestBits(flags, order),
  };
}

/** Debug flags that `slub_debug=O` removes where they would raise the order. */
const ORDER_RAISING = SlabFlag.SLAB_RED_ZONE | SlabFlag.SLAB_POISON | SlabFlag.SLAB_STORE_USER;

/**
 * The layout of a cache; with `slub_debug=O` once more without the debug flags that raised the order
 * of a single object. The left red zone then keeps its size, unused.
 * @returns the layout, null when no order can hold an object
 * @kernel kmem_cache_open (spec slub 4.7)
 */
export function openLayout(input: LayoutInput, disableHigherOrderDebug: boolean): Layout | null {
  const layout = calculateSizes(input);
  if (layout === null || !disableHigherOrderDebug) return layout;
  if (getOrder(layout.size) <= getOrder(input.objectSize)) return layout;
  const plain = calculateSizes({ ...input, flags: input.flags & ~ORDER_RAISING });
  return plain === null ? null : { ...plain, redLeftPad: layout.redLeftPad };
}

/** Offset from the object at which its tracks begin. @kernel get_info_end (spec slub 4.5) */
export function infoEnd(inuse: number, offset: number): number {
  return offset >= inuse ? inuse + WORD : inuse;
}
