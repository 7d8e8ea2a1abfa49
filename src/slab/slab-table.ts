import { PageframeError } from '../lib/errors.ts';
import { NIL } from '../lib/units.ts';

/** Object numbers are `slot << SLOT_SHIFT | index`: an index is below 255. */
export const SLOT_SHIFT = 8;
/** Mask of the index in an object number. */
export const INDEX_MASK = 0xff;
/** Bits of `held` per slab, in 32-bit words. */
const HELD_WORDS = 8;
/** One past the highest slot, so that object numbers stay below 2^31. */
const SLOT_MAX = 0x80_0000;
const FIRST_CAPACITY = 64;

/** Values of `SlabTable.cache` of slots that are no slab of a cache. */
export const SlotState = {
  /** Not in use. */
  FREE: -1,
  /** Given up, but its pages wait for the end of an RCU grace period. */
  RCU: -2,
} as const;

/**
 * The model's `struct slab`: one slot per slab, as structure of arrays. A page frame of a slab finds
 * its slot in the page map's `private`; the lists of a node link the slab's first page frame. Slot
 * 0 is never used, so that an untouched page is in no slab.
 *
 * An *object number* names an object in 31 bits: slot and index. `held` has one bit per object: set
 * while a caller owns it. The kernel has no such bits; they are what makes a double free visible.
 *
 * @kernel struct slab (spec slab 2.4)
 */
export class SlabTable {
  /** Cache id, or one of `SlotState`. */
  cache: Int32Array = new Int32Array(FIRST_CAPACITY).fill(SlotState.FREE);
  /** First page frame. */
  pfn: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Node of the pages. */
  node: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Address of the first object's slot: the page plus the colour. */
  sMem: Float64Array = new Float64Array(FIRST_CAPACITY);
  /** Objects handed out, those in arrays included. */
  active: Int32Array = new Int32Array(FIRST_CAPACITY);
  /** Address of the index array, NIL for none; 0 when it is kept outside of memory. */
  freelist: Float64Array = new Float64Array(FIRST_CAPACITY).fill(NIL);
  /** Bits of the objects that callers own, 256 per slot. */
  held: Int32Array = new Int32Array(FIRST_CAPACITY * HELD_WORDS);
  /** The index arrays themselves, 256 bytes per slot, when memory does not keep them. */
  index: Uint8Array;
  /** Whether index arrays are in `index` rather than in memory. */
  readonly sideIndex: boolean;
  /** Slots used so far, slot 0 included. */
  count = 1;
  /** Slots that were given back, last one on top. */
  freeSlots: number[] = [];

  constructor(sideIndex: boolean) {
    this.sideIndex = sideIndex;
    this.index = new Uint8Array(sideIndex ? FIRST_CAPACITY << SLOT_SHIFT : 0);
  }

  /**
   * Takes a slot for a slab.
   * @throws PageframeError `SLAB_SLOTS_EXHAUSTED` beyond 2^23 slabs
   */
  take(): number {
    const reused = this.freeSlots.pop();
    if (reused !== undefined) return reused;
    if (this.count === this.cache.length) this.reserve(this.count * 2);
    this.count += 1;
    return this.count - 1;
  }

  /** Gives a slot back. */
  release(slot: number): void {
    this.cache[slot] = SlotState.FREE;
    this.freelist[slot] = NIL;
    this.freeSlots.push(slot);
  }

  /** Makes room for slots below `capacity`. */
  reserve(capacity: number): void {
    if (capacity > SLOT_MAX) {
      throw new PageframeError('SLAB_SLOTS_EXHAUSTED', 'more slabs than the model can number', {
        capacity,
      });
    }
    const grow = <A extends Int32Array | Float64Array | Uint8Array>(to: A, from: A): A => {
      to.set(from);
      return to;
    };
    this.cache = grow(new Int32Array(capacity).fill(SlotState.FREE), this.cache);
    this.pfn = grow(new Int32Array(capacity), this.pfn);
    this.node = grow(new Int32Array(capacity), this.node);
    this.sMem = grow(new Float64Array(capacity), this.sMem);
    this.active = grow(new Int32Array(capacity), this.active);
    this.freelist = grow(new Float64Array(capacity).fill(NIL), this.freelist);
    this.held = grow(new Int32Array(capacity * HELD_WORDS), this.held);
    if (this.sideIndex) this.index = grow(new Uint8Array(capacity << SLOT_SHIFT), this.index);
  }
}

/** Whether a caller owns the object. */
export function isHeld(slabs: SlabTable, object: number): boolean {
  return (slabs.held[object >> 5] & (1 << (object & 31))) !== 0;
}

/** Marks an object as owned by a caller. */
export function setHeld(slabs: SlabTable, object: number): void {
  slabs.held[object >> 5] |= 1 << (object & 31);
}

/** Marks an object as not owned by a caller. */
export function clearHeld(slabs: SlabTable, object: number): void {
  slabs.held[object >> 5] &= ~(1 << (object & 31));
}

/** Marks all objects of a slot as not owned. */
export function clearAllHeld(slabs: SlabTable, slot: number): void {
  slabs.held.fill(0, slot * HELD_WORDS, (slot + 1) * HELD_WORDS);
}

/** Number of objects of a slot that callers own. */
export function heldCount(slabs: SlabTable, slot: number): number {
  let count = 0;
  for (let i = slot * HELD_WORDS; i < (slot + 1) * HELD_WORDS; i++) {
    for (let word = slabs.held[i]; word !== 0; word &= word - 1) count++;
  }
  return count;
}
