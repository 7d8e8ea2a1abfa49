import { PAGE_SIZE } from '../lib/units.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { type CacheState, hasFlag } from './cache-state.ts';
import { infoEnd, ORIG_SIZE_BYTES } from './layout.ts';
import {
  indexOfAddress,
  loadPointer,
  objectAddress,
  storeAddress,
  virtualHigh,
  virtualLow,
} from './pointer.ts';
import { FREELIST_BAD, FREELIST_END, LINK_ALLOCATED } from './slab-table.ts';
import { ContentMode, type SlubState } from './state.ts';
import { TRACK_BYTES, TRACK_BYTES_NO_DEPOT } from './track.ts';

/** Byte patterns of debug caches. (spec slub 3.2) */
export const DebugByte = {
  /** A whole new slab of a poisoned cache; so padding and waste. */
  POISON_INUSE: 0x5a,
  /** A free object, except its last byte. */
  POISON_FREE: 0x6b,
  /** The last byte of a free object. */
  POISON_END: 0xa5,
  /** Red zones of a free object. */
  SLUB_RED_INACTIVE: 0xbb,
  /** Red zones of an allocated object. */
  SLUB_RED_ACTIVE: 0xcc,
} as const;

/** Flags with which a free object has a pattern of its own. */
const PATTERNED = SlabFlag.SLAB_STORE_USER | SlabFlag.SLAB_RED_ZONE | SlabFlag.__OBJECT_POISON;

/** Bytes of one track in this build. */
export function trackBytes(state: SlubState): number {
  return state.config.stackDepot ? TRACK_BYTES : TRACK_BYTES_NO_DEPOT;
}

/** Offset from the object at which its tracks begin. */
export function tracksOffset(cache: CacheState): number {
  return infoEnd(cache.inuse, cache.offset);
}

/** Offset from the object at which its metadata ends. */
export function metadataEnd(state: SlubState, cache: CacheState): number {
  let end = tracksOffset(cache);
  if (!hasFlag(cache, SlabFlag.SLAB_STORE_USER)) return end;
  end += 2 * trackBytes(state);
  return hasFlag(cache, SlabFlag.SLAB_KMALLOC) ? end + ORIG_SIZE_BYTES : end;
}

/** Bytes from the object to the end of its slot. @kernel size_from_object */
export function sizeFromObject(cache: CacheState): number {
  return cache.size - cache.pad;
}

/** Fills a new slab of a poisoned cache. @kernel setup_slab_debug */
export function setupSlab(state: SlubState, cache: CacheState, slab: number): void {
  if (!hasFlag(cache, SlabFlag.SLAB_POISON)) return;
  const { slabs, memory } = state;
  const bytes = PAGE_SIZE * 2 ** slabs.order[slab];
  memory.fill(slabs.pfn[slab] * PAGE_SIZE, bytes, DebugByte.POISON_INUSE);
}

/** Gives an object of a new slab its pattern and runs the constructor. @kernel setup_object */
export function setupObject(
  state: SlubState,
  cache: CacheState,
  slab: number,
  index: number,
): void {
  if (cache.isDebug) {
    const { slabs } = state;
    slabs.links[slabs.linkBase[slab] + cache.objects + index] = FREELIST_END;
  }
  if (!hasFlag(cache, PATTERNED) && cache.ctor === null) return;
  const object = objectAddress(state, cache, slab, index);
  if (hasFlag(cache, PATTERNED)) {
    initObject(state, cache, object, DebugByte.SLUB_RED_INACTIVE);
    if (hasFlag(cache, SlabFlag.SLAB_STORE_USER)) {
      state.memory.fill(object + tracksOffset(cache), 2 * trackBytes(state), 0);
    }
  }
  cache.ctor?.(object);
}

/**
 * Writes the pattern of a free (SLUB_RED_INACTIVE) or allocated (SLUB_RED_ACTIVE) object.
 * @param object physical address
 * @kernel init_object
 */
export function initObject(
  state: SlubState,
  cache: CacheState,
  object: number,
  value: number,
): void {
  const { memory } = state;
  const redZone = hasFlag(cache, SlabFlag.SLAB_RED_ZONE);
  if (redZone) memory.fill(object - cache.pad, cache.pad, value);
  if (hasFlag(cache, SlabFlag.__OBJECT_POISON)) {
    memory.fill(object, cache.objectSize - 1, DebugByte.POISON_FREE);
    memory.writeU8(object + cache.objectSize - 1, DebugByte.POISON_END);
  }
  if (redZone) memory.fill(object + cache.objectSize, cache.inuse - cache.objectSize, value);
}

/** One recorded caller of an object. @kernel struct track */
export interface Track {
  /** High half of the caller's address. */
  readonly addressHigh: number;
  /** Low half of the caller's address. */
  readonly addressLow: number;
  /** Handle of the stack, 0 for none. */
  readonly handle: number;
  /** CPU of the call. */
  readonly cpu: number;
  /** Process id. */
  readonly pid: number;
  /** When, in jiffies. */
  readonly when: number;
}

function trackAddress(state: SlubState, cache: CacheState, object: number, item: number): number {
  return object + tracksOffset(cache) + item * trackBytes(state);
}

/** Records who allocates or frees an object. @kernel set_track (spec slub 4.5) */
export function setTrack(
  state: SlubState,
  cache: CacheState,
  object: number,
  item: number,
  cpu: number,
): void {
  const { memory } = state;
  const at = trackAddress(state, cache, object, item);
  const caller = state.tracks.current();
  const now = state.jiffies();
  let field = at + 8;
  memory.writeU32(at, caller.addressLow);
  memory.writeU32(at + 4, caller.addressHigh);
  if (state.config.stackDepot) {
    memory.writeU32(field, caller.handle);
    field += 4;
  }
  memory.writeU32(field, cpu);
  memory.writeU32(field + 4, caller.pid >>> 0);
  const when = state.config.stackDepot ? at + 24 : at + 16;
  memory.writeU32(when, now % 0x1_0000_0000);
  memory.writeU32(when + 4, Math.floor(now / 0x1_0000_0000));
}

/** Reads a track of an object. @kernel get_track */
export function readTrack(
  state: SlubState,
  cache: CacheState,
  object: number,
  item: number,
): Track {
  const { memory } = state;
  const at = trackAddress(state, cache, object, item);
  const depot = state.config.stackDepot;
  const field = depot ? at + 12 : at + 8;
  const when = depot ? at + 24 : at + 16;
  return {
    addressLow: memory.readU32(at),
    addressHigh: memory.readU32(at + 4),
    handle: depot ? memory.readU32(at + 8) : 0,
    cpu: memory.readU32(field),
    pid: memory.readU32(field + 4),
    when: memory.readU32(when) + memory.readU32(when + 4) * 0x1_0000_0000,
  };
}

function hasOrigSize(cache: CacheState): boolean {
  return hasFlag(cache, SlabFlag.SLAB_STORE_USER) && hasFlag(cache, SlabFlag.SLAB_KMALLOC);
}

/** Records the requested size of an object of a debug kmalloc cache. @kernel set_orig_size */
export function setOrigSize(
  state: SlubState,
  cache: CacheState,
  object: number,
  size: number,
): void {
  if (!hasOrigSize(cache)) return;
  state.memory.writeU32(object + tracksOffset(cache) + 2 * trackBytes(state), size);
}

/**
 * The free pointer of an object of a debug cache, whatever the address; its halves are left in
 * `state.pointerLow` and `state.pointerHigh`.
 * @returns physical address, 0 for NULL, POINTER_OUTSIDE
 * @kernel get_freepointer
 */
export function freePointerOf(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
): number {
  if (state.contentMode !== ContentMode.NONE) {
    return loadPointer(state, cache, object + cache.offset);
  }
  const { slabs } = state;
  const index = indexOfAddress(state, cache, slab, object);
  const next = index < 0 ? FREELIST_END : slabs.links[slabs.linkBase[slab] + index];
  const address = next < 0 ? 0 : objectAddress(state, cache, slab, next);
  state.pointerLow = address === 0 ? 0 : virtualLow(state, address);
  state.pointerHigh = address === 0 ? 0 : virtualHigh(state, address);
  return address;
}

/** Stores the free pointer of an object of a debug cache; `next` 0 is NULL. @kernel set_freepointer */
export function setFreePointer(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
  next: number,
): void {
  if (state.contentMode !== ContentMode.NONE) {
    storeAddress(state, cache, object + cache.offset, next);
    return;
  }
  const { slabs } = state;
  const index = indexOfAddress(state, cache, slab, object);
  if (index < 0) return;
  const link = next === 0 ? FREELIST_END : indexOfAddress(state, cache, slab, next);
  slabs.links[slabs.linkBase[slab] + index] = link;
}

/**
 * First object of the regular freelist of a debug slab; its halves are left in `state.pointerLow` and
 * `state.pointerHigh`.
 * @returns physical address, 0 for an empty list, POINTER_OUTSIDE for a pointer that is no object
 */
export function freelistOf(state: SlubState, cache: CacheState, slab: number): number {
  const head = state.slabs.freelist[slab];
  const bad = head === FREELIST_BAD ? state.badFreelists.get(slab) : undefined;
  const address = head < 0 ? 0 : objectAddress(state, cache, slab, head);
  state.pointerLow = bad?.[1] ?? (address === 0 ? 0 : virtualLow(state, address));
  state.pointerHigh = bad?.[0] ?? (address === 0 ? 0 : virtualHigh(state, address));
  return head === FREELIST_BAD ? -1 : address;
}

/**
 * Makes the pointer that was read last the regular freelist of a debug slab.
 * @param address what the reading function returned
 */
export function setFreelist(
  state: SlubState,
  cache: CacheState,
  slab: number,
  address: number,
): void {
  const index = address === 0 ? FREELIST_END : indexOfAddress(state, cache, slab, address);
  state.badFreelists.delete(slab);
  if (address === 0 || index >= 0) {
    state.slabs.freelist[slab] = index;
    return;
  }
  state.badFreelists.set(slab, [state.pointerHigh, state.pointerLow]);
  state.slabs.freelist[slab] = FREELIST_BAD;
}

/** Whether a caller owns an object of a debug cache, as far as the model knows. */
export function isMarkedInUse(
  state: SlubState,
  cache: CacheState,
  slab: number,
  index: number,
): boolean {
  const { slabs } = state;
  return slabs.links[slabs.linkBase[slab] + cache.objects + index] === LINK_ALLOCATED;
}

/** Notes whether a caller owns an object of a debug cache. */
export function markInUse(
  state: SlubState,
  cache: CacheState,
  slab: number,
  index: number,
  inUse: boolean,
): void {
  const { slabs } = state;
  const cell = slabs.linkBase[slab] + cache.objects + index;
  slabs.links[cell] = inUse ? LINK_ALLOCATED : FREELIST_END;
}
