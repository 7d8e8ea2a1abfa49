import { PAGE_SIZE } from '../lib/units.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import type { CacheState } from './cache-state.ts';
import { FREELIST_END } from './slab-table.ts';
import { ContentMode, type SlubState } from './state.ts';

/** Size of the lower half of an address. */
const HALF = 0x1_0000_0000;

/** 32-bit words in a page. */
export const WORDS_PER_PAGE = 1024;

/** No page map reaches this address: page frame numbers have 31 bits. */
const ADDRESS_END = 0x8000_0000 * PAGE_SIZE;

/** A pointer that is not in the direct map of the model's memory. */
export const POINTER_OUTSIDE = -1;

/** High half of the virtual address of a physical address. */
export function virtualHigh(state: SlubState, address: number): number {
  return (Math.floor((state.pageOffsetLow + address) / HALF) + state.pageOffsetHigh) >>> 0;
}

/** Low half of the virtual address of a physical address. */
export function virtualLow(state: SlubState, address: number): number {
  return (state.pageOffsetLow + address) % HALF;
}

/** The bytes of a 32-bit word in reverse order. @kernel swab32 */
function reverseBytes(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}

/**
 * High half of a hardened pointer, both ways: pointer XOR secret XOR byte-reversed field address.
 * @param field physical address of the 8 bytes that hold the pointer
 * @kernel freelist_ptr (spec slub 4.10)
 */
function obfuscateHigh(state: SlubState, cache: CacheState, field: number, high: number): number {
  return (high ^ cache.randomHigh ^ reverseBytes(virtualLow(state, field))) >>> 0;
}

/** Low half of a hardened pointer, both ways. @kernel freelist_ptr */
function obfuscateLow(state: SlubState, cache: CacheState, field: number, low: number): number {
  return (low ^ cache.randomLow ^ reverseBytes(virtualHigh(state, field))) >>> 0;
}

/** Stores a 64-bit word in two halves. */
export function writeWord(
  memory: PhysicalMemory,
  address: number,
  low: number,
  high: number,
): void {
  memory.writeU32(address, low);
  memory.writeU32(address + 4, high);
}

/**
 * Stores a free pointer, given as its two halves, at a field. Fields need not be aligned: a wrong
 * address may be about to be freed.
 * @kernel set_freepointer
 */
export function storePointer(
  state: SlubState,
  cache: CacheState,
  field: number,
  low: number,
  high: number,
): void {
  const { memory } = state;
  if (state.contentMode === ContentMode.NONE) return;
  const hardened = state.contentMode === ContentMode.HARDENED;
  const storedLow = hardened ? obfuscateLow(state, cache, field, low) : low;
  const storedHigh = hardened ? obfuscateHigh(state, cache, field, high) : high;
  if (field % 4 === 0) {
    writeWord(memory, field, storedLow, storedHigh);
    return;
  }
  for (let byte = 0; byte < 4; byte++) {
    memory.writeU8(field + byte, (storedLow >>> (8 * byte)) & 0xff);
    memory.writeU8(field + 4 + byte, (storedHigh >>> (8 * byte)) & 0xff);
  }
}

/** Stores the pointer to a physical address, or NULL for 0. */
export function storeAddress(
  state: SlubState,
  cache: CacheState,
  field: number,
  address: number,
): void {
  if (address === 0) storePointer(state, cache, field, 0, 0);
  else storePointer(state, cache, field, virtualLow(state, address), virtualHigh(state, address));
}

/**
 * Reads a free pointer; its halves are left in `state.pointerLow` and `state.pointerHigh`.
 * @param field physical address of the 8 bytes
 * @returns the physical address it stands for, 0 for NULL, POINTER_OUTSIDE
 * @kernel get_freepointer
 */
export function loadPointer(state: SlubState, cache: CacheState, field: number): number {
  const { memory } = state;
  let low = memory.readU32(field);
  let high = memory.readU32(field + 4);
  if (state.contentMode === ContentMode.HARDENED) {
    low = obfuscateLow(state, cache, field, low);
    high = obfuscateHigh(state, cache, field, high);
  }
  state.pointerLow = low;
  state.pointerHigh = high;
  return physicalOf(state, low, high);
}

/** Physical address of a virtual one, 0 for NULL, POINTER_OUTSIDE if the memory does not hold it. */
export function physicalOf(state: SlubState, low: number, high: number): number {
  if (low === 0 && high === 0) return 0;
  const address = (high - state.pageOffsetHigh) * HALF + low - state.pageOffsetLow;
  return address > 0 && address < state.memory.sizeBytes ? address : POINTER_OUTSIDE;
}

/** Stores a pointer, given as its two halves, at a word of the memory. */
export function writePointerWord(state: SlubState, word: number, low: number, high: number): void {
  const { words } = state;
  // The length is 0 when the storage is gone: then the memory must say so.
  if (words !== null && word < words.length) {
    words[word] = low;
    words[word + 1] = high;
  } else {
    writeWord(state.memory, word * 4, low, high);
  }
}

/** Whether a pointer, given as its two halves, stands at a word of the memory. */
export function hasPointerWord(state: SlubState, word: number, low: number, high: number): boolean {
  const { words } = state;
  if (words !== null) return words[word] === low && words[word + 1] === high;
  const { memory } = state;
  return memory.readU32(word * 4) === low && memory.readU32(word * 4 + 4) === high;
}

/** Low half of the pointer that object `index` of a slab has as its successor. */
function linkLow(state: SlubState, cache: CacheState, slab: number, next: number): number {
  if (next === FREELIST_END) return 0;
  return state.slabs.virtLow[slab] + next * cache.size + cache.pad;
}

/** High half of it; a slab lies in one 4 GiB piece. */
function linkHigh(state: SlubState, slab: number, next: number): number {
  return next === FREELIST_END ? 0 : state.slabs.virtHigh[slab];
}

/** Physical address of an object of a slab. */
export function objectAddress(
  state: SlubState,
  cache: CacheState,
  slab: number,
  index: number,
): number {
  return state.slabs.pfn[slab] * PAGE_SIZE + index * cache.size + cache.pad;
}

/**
 * Makes `next` the successor of an object on a freelist, in the table and in memory.
 * @param next index of an object of the slab, or FREELIST_END
 */
export function setNext(
  state: SlubState,
  cache: CacheState,
  slab: number,
  index: number,
  next: number,
): void {
  const { slabs } = state;
  if (state.contentMode !== ContentMode.NONE) {
    const low = linkLow(state, cache, slab, next);
    const high = linkHigh(state, slab, next);
    const word = slabs.pfn[slab] * WORDS_PER_PAGE + index * cache.slotWords + cache.pointerWord;
    if (state.contentMode === ContentMode.PLAIN) writePointerWord(state, word, low, high);
    else storePointer(state, cache, word * 4, low, high);
  }
  slabs.links[slabs.linkBase[slab] + index] = next;
}

/**
 * Checks that the pointer stored in a free object of a normal cache is still the one that was stored.
 * The kernel would follow whatever stands there.
 * @param next what the table says
 * @throws KmemError `FREELIST_CORRUPT`
 */
export function checkStoredNext(
  state: SlubState,
  cache: CacheState,
  slab: number,
  index: number,
  next: number,
): void {
  const field = objectAddress(state, cache, slab, index) + cache.offset;
  const low = linkLow(state, cache, slab, next);
  const high = linkHigh(state, slab, next);
  const address = loadPointer(state, cache, field);
  if (state.pointerLow === low && state.pointerHigh === high) return;
  throw new KmemError('FREELIST_CORRUPT', 'the pointer to the next free object was overwritten', {
    cache: cache.name,
    object: field - cache.offset,
    pointsTo: address,
    pointerLow: state.pointerLow,
    pointerHigh: state.pointerHigh,
  });
}

/**
 * Index of the object of a slab at an address, -1 if none starts there.
 * @kernel check_valid_pointer
 */
export function indexOfAddress(
  state: SlubState,
  cache: CacheState,
  slab: number,
  address: number,
): number {
  const from = address - cache.pad - state.slabs.pfn[slab] * PAGE_SIZE;
  if (!(from >= 0 && from < state.slabs.objects[slab] * cache.size)) return -1;
  const index = Math.floor(from * cache.sizeInverse + 0.5);
  return index * cache.size === from ? index : -1;
}

/** The slab that a page frame belongs to, -1 if it is in none. */
export function slabOfPfn(state: SlubState, pfn: number): number {
  const { slabs } = state;
  // Outside of the map the cell is undefined, and so is everything read with it.
  const slab = state.map.private[pfn];
  const first = slabs.pfn[slab];
  return first >= 0 && (pfn - first) >>> slabs.order[slab] === 0 ? slab : -1;
}

/** The slab that a physical address is in, -1 if none. @kernel virt_to_slab */
export function slabOfAddress(state: SlubState, address: number): number {
  // Truncation is cheaper than `Math.floor`, and as good below this address.
  return address < ADDRESS_END ? slabOfPfn(state, (address / PAGE_SIZE) | 0) : -1;
}
