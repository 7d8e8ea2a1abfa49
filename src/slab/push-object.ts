import type { ArrayCache } from './array-cache.ts';
import type { CacheState } from './cache-state.ts';
import { clearHeld } from './slab-table.ts';

/**
 * Puts an object on top of an array that has room; its caller no longer owns it.
 * @kernel __free_one (spec slab 4.12)
 */
export function pushObject(cache: CacheState, ac: ArrayCache, object: number): void {
  cache.state.calls?.enter('__free_one');
  ac.entries[ac.avail] = object;
  ac.avail += 1;
  clearHeld(cache.slabs, object);
}
