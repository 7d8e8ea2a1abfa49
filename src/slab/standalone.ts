import { KmemError } from '../mm/kmem-cache.ts';
import type { KmemCacheOptions } from '../mm/slab-create.ts';
import { SlabAllocator } from './allocator.ts';
import type { SlabCache } from './cache.ts';
import type { SlabOptions } from './types.ts';

/** What a cache of its own is made of: the options of the allocator, and of the cache. */
export interface KmemCacheStandaloneOptions extends SlabOptions, KmemCacheOptions {
  /** Display name. Default `object`. */
  readonly name?: string;
}

/**
 * Makes one cache of objects over a page source, without a kernel around it: its descriptors cost no
 * memory, and every page that it takes holds objects.
 *
 * @example
 * ```ts
 * const cache = createKmemCache({ source: buddy.pageSource(), size: 64 });
 * const object = cache.alloc();
 * ```
 *
 * @throws KmemError `BAD_CACHE` for flags or a size that cannot work
 */
export function createKmemCache(options: KmemCacheStandaloneOptions): SlabCache {
  const { name = 'object', ...rest } = options;
  const cache = new SlabAllocator({ boot: 'bare', ...rest }).createCache(name, rest);
  if (cache !== null) return cache;
  throw new KmemError('BAD_CACHE', 'there is no memory for the cache', { cache: name });
}
