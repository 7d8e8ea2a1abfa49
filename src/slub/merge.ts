import { alignUp } from '../lib/units.ts';
import type { CheckedCreation } from '../mm/slab-create.ts';
import { findMergeable } from '../mm/slab-merge.ts';
import type { CacheState } from './cache-state.ts';
import { kmemCacheFlags } from './debug-flags.ts';
import type { SlubState } from './state.ts';

/**
 * The existing cache that a creation joins; it is changed to serve both.
 * @returns null when a new cache must be made
 * @kernel __kmem_cache_alias (spec slub 4.4)
 */
export function joinCache(
  state: SlubState,
  name: string,
  creation: CheckedCreation,
): CacheState | null {
  const { size, align, flags, ctor } = creation;
  if (state.parameters.nomerge) return null;
  const finalFlags = kmemCacheFlags(state.debug, flags, name);
  const cache = findMergeable(state.caches, { size, align, flags, finalFlags, ctor }, 'slub');
  if (cache === null) return null;
  cache.aliases.push(name);
  cache.refcount++;
  cache.objectSize = Math.max(cache.objectSize, size);
  cache.inuse = Math.max(cache.inuse, alignUp(size, 8));
  return cache;
}
