import type { CacheState } from './cache-state.ts';
import { freelistOf, freePointerOf } from './debug-object.ts';
import { indexOfAddress } from './pointer.ts';
import type { SlubState } from './state.ts';

/**
 * Which objects of a slab are on its own freelist.
 * @returns one cell per object: 1 on the freelist, 0 not
 * @kernel __fill_map
 */
export function regularFreeMap(state: SlubState, cache: CacheState, slab: number): Uint8Array {
  const { slabs } = state;
  const map = new Uint8Array(slabs.objects[slab]);
  const { links } = slabs;
  if (!cache.isDebug) {
    const base = slabs.linkBase[slab];
    for (let at = slabs.freelist[slab]; at >= 0; at = links[base + at]) map[at] = 1;
    return map;
  }
  let object = freelistOf(state, cache, slab);
  for (let steps = 0; object > 0 && steps < map.length; steps++) {
    const index = indexOfAddress(state, cache, slab, object);
    if (index < 0) break;
    map[index] = 1;
    object = freePointerOf(state, cache, slab, object);
  }
  return map;
}
