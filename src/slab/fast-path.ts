import { NIL, PAGE_SIZE } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import type { CacheState } from './cache-state.ts';
import { INDEX_MASK, SLOT_SHIFT } from './slab-table.ts';
import type { SlabState } from './state.ts';

/**
 * The shortest way to an object: the top of the CPU's array, when nothing watches, checks or clears.
 * @returns its address, NIL when the long way must be taken
 * @kernel ____cache_alloc (spec slab 4.6)
 */
export function takeFast(cache: CacheState, gfp: number, cpu: number): number {
  const ac = cache.cpuCache[cpu];
  if (ac === undefined || ac.avail === 0) return NIL;
  if ((gfp & Gfp.__GFP_ZERO) !== 0 || cache.state.hooked || cache.refcount === 0) return NIL;
  const { slabs } = cache;
  ac.touched = 1;
  ac.avail -= 1;
  const object = ac.entries[ac.avail];
  slabs.held[object >> 5] |= 1 << (object & 31);
  return slabs.sMem[object >> SLOT_SHIFT] + (object & INDEX_MASK) * cache.size;
}

/**
 * Slot that the page map names for an address; it may be of another cache, or no slot at all.
 */
export function slotHint(state: SlabState, address: number): number {
  return state.map.private[Math.floor(address / PAGE_SIZE)];
}

/**
 * The shortest way back: onto the CPU's array, when it has room and the object is its caller's.
 * @param slot what `slotHint` gave, a slot of this cache
 * @returns false when the long way must be taken, which also says what is wrong
 * @kernel ___cache_free (spec slab 4.12)
 */
export function giveFast(cache: CacheState, slot: number, address: number, cpu: number): boolean {
  const { state, slabs } = cache;
  const ac = cache.cpuCache[cpu];
  if (ac === undefined || ac.avail >= ac.limit || state.hooked) return false;
  if (state.multiNode && slabs.node[slot] !== state.cpuNode[cpu]) return false;
  const offset = address - slabs.sMem[slot];
  const index = Math.round(offset * cache.sizeInverse);
  const object = (slot << SLOT_SHIFT) | index;
  const bit = 1 << (object & 31);
  if (index < 0 || index >= cache.num || index * cache.size !== offset) return false;
  if ((slabs.held[object >> 5] & bit) === 0) return false;
  slabs.held[object >> 5] &= ~bit;
  ac.entries[ac.avail] = object;
  ac.avail += 1;
  return true;
}
