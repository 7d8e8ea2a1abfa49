import { NIL, type PhysAddr } from '../lib/units.ts';
import type { ObjectLocation } from '../mm/kmem-cache.ts';
import type { ArrayCache } from './array-cache.ts';
import { type CacheState, cacheNodeOf } from './cache-state.ts';
import { objectAddress, slotOfAddress } from './freelist.ts';
import { cacheOfObject } from './object-lookup.ts';
import { isHeld, SLOT_SHIFT } from './slab-table.ts';
import type { SlabState } from './state.ts';

function holds(ac: ArrayCache, object: number): boolean {
  return ac.entries.subarray(0, ac.avail).includes(object);
}

/** The list that a slab is on. */
function listOf(cache: CacheState, slot: number): string {
  const active = cache.slabs.active[slot];
  if (active === cache.num) return 'slabs_full';
  return active === 0 ? 'slabs_free' : 'slabs_partial';
}

/** Where an object that nobody owns waits, and on which CPU. */
function placeOfFree(cache: CacheState, object: number): { place: string; cpu: number } {
  const slot = object >> SLOT_SHIFT;
  const cpu = cache.cpuCache.findIndex((ac) => holds(ac, object));
  if (cpu >= 0) return { place: 'CPU array', cpu };
  const { shared } = cacheNodeOf(cache, cache.slabs.node[slot]);
  if (shared !== null && holds(shared, object)) return { place: 'shared array', cpu: NIL };
  for (const n of cache.nodes) {
    const alien = n?.alien?.caches[cache.slabs.node[slot]] ?? null;
    if (alien !== null && holds(alien, object)) {
      return { place: `alien array of node ${n?.node}`, cpu: NIL };
    }
  }
  return { place: `${listOf(cache, slot)}, free`, cpu: NIL };
}

/**
 * The object that an address is in.
 * @returns null for an address in no object: outside of slabs, in the colour or in the slack
 * @kernel virt_to_slab, obj_to_index
 */
export function locateObject(state: SlabState, address: number): ObjectLocation | null {
  const slot = slotOfAddress(state, address);
  if (slot === NIL) return null;
  const { slabs } = state;
  const cache = cacheOfObject(state, slot << SLOT_SHIFT);
  const index = Math.floor((address - slabs.sMem[slot]) / cache.size);
  if (index < 0 || index >= cache.num) return null;
  const object = (slot << SLOT_SHIFT) | index;
  const inUse = isHeld(slabs, object);
  return {
    cache: cache.name,
    pfn: slabs.pfn[slot],
    index,
    address: objectAddress(cache, object) as PhysAddr,
    inUse,
    ...(inUse ? { place: listOf(cache, slot), cpu: NIL } : placeOfFree(cache, object)),
    node: slabs.node[slot],
  };
}
