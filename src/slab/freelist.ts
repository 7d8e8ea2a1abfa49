import { NIL, PAGE_SIZE } from '../lib/units.ts';
import type { CacheState } from './cache-state.ts';
import { FreelistFlag } from './geometry.ts';
import { INDEX_MASK, SLOT_SHIFT } from './slab-table.ts';

/** Whether the index arrays of a cache lie in free objects. @kernel OBJFREELIST_SLAB */
export function isObjfreelist(cache: CacheState): boolean {
  return (cache.flags & FreelistFlag.CFLGS_OBJFREELIST_SLAB) !== 0;
}

/** Whether the index arrays of a cache are kmalloc objects. @kernel OFF_SLAB */
export function isOffSlab(cache: CacheState): boolean {
  return (cache.flags & FreelistFlag.CFLGS_OFF_SLAB) !== 0;
}

/** Address of an object's slot; the user's object begins `objOffset` bytes later. @kernel index_to_obj */
export function slotAddress(cache: CacheState, object: number): number {
  return cache.slabs.sMem[object >> SLOT_SHIFT] + (object & INDEX_MASK) * cache.size;
}

/** Address that users of an object see. */
export function objectAddress(cache: CacheState, object: number): number {
  return slotAddress(cache, object) + cache.objOffset;
}

/**
 * One byte of a slab's index array.
 * @param position from `active` on these are the free objects, the next one to hand out first
 * @kernel get_free_obj (spec slab 2.5)
 */
export function getFreeObj(cache: CacheState, slot: number, position: number): number {
  const { slabs, state } = cache;
  const at = slabs.freelist[slot];
  if (at === 0 || state.contentless) return slabs.index[(slot << SLOT_SHIFT) + position];
  return state.memory.readU8(at + position);
}

/**
 * Copies the next free objects of a slab, as object numbers.
 * @param position where the first one stands in the index array
 * @param into receives them
 * @param at index of the first one in `into`
 */
export function copyFreeObjects(
  cache: CacheState,
  slot: number,
  position: number,
  into: Int32Array,
  at: number,
  count: number,
): void {
  const { slabs, state } = cache;
  const first = slot << SLOT_SHIFT;
  if (state.contentless) {
    const { index } = slabs;
    for (let i = 0; i < count; i++) into[at + i] = first | index[first + position + i];
    return;
  }
  for (let i = 0; i < count; i++) into[at + i] = first | getFreeObj(cache, slot, position + i);
}

/** Writes one byte of a slab's index array. @kernel set_free_obj (spec slab 2.5) */
export function setFreeObj(cache: CacheState, slot: number, position: number, index: number): void {
  const { slabs, state } = cache;
  const at = slabs.freelist[slot];
  if (at === 0 || state.contentless) slabs.index[(slot << SLOT_SHIFT) + position] = index;
  else state.memory.writeU8(at + position, index);
}

/** Makes a free object the host of its slab's index array. */
export function setHost(cache: CacheState, object: number): void {
  cache.slabs.freelist[object >> SLOT_SHIFT] = objectAddress(cache, object);
}

/** Address of an index array at the end of a slab. */
export function onSlabFreelist(cache: CacheState, pfn: number): number {
  return (pfn + 2 ** cache.gfporder) * PAGE_SIZE - cache.freelistSize;
}

/** The object whose slot holds the index array of an OBJFREELIST slab, NIL for a full one. */
export function hostObject(cache: CacheState, slot: number): number {
  const { slabs } = cache;
  if (slabs.freelist[slot] === NIL) return NIL;
  const offset = slabs.freelist[slot] - cache.objOffset - slabs.sMem[slot];
  return (slot << SLOT_SHIFT) | Math.round(offset / cache.size);
}

/**
 * The object at an address.
 * @param slot slot of the slab that the address is in
 * @returns object number, NIL when no object of the slab begins there
 * @kernel obj_to_index
 */
export function objectAt(cache: CacheState, slot: number, address: number): number {
  const offset = address - cache.objOffset - cache.slabs.sMem[slot];
  const index = Math.round(offset * cache.sizeInverse);
  if (index < 0 || index >= cache.num || index * cache.size !== offset) return NIL;
  return (slot << SLOT_SHIFT) | index;
}

/**
 * Slot of the slab that an address is in.
 * @returns NIL when it is in no slab of this allocator
 * @kernel virt_to_slab
 */
export function slotOfAddress(cache: CacheState['state'], address: number): number {
  const { map, slabs, cacheById } = cache;
  const pfn = Math.floor(address / PAGE_SIZE);
  if (!(pfn >= 0 && pfn < map.endPfn)) return NIL;
  const slot = map.private[pfn];
  if (slot <= 0 || slot >= slabs.count) return NIL;
  const owner = cacheById[slabs.cache[slot]];
  if (owner === undefined || owner === null) return NIL;
  const first = slabs.pfn[slot];
  return pfn >= first && pfn < first + 2 ** owner.gfporder ? slot : NIL;
}
