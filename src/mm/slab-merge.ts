import { alignUp } from '../lib/units.ts';
import { calculateAlignment } from './slab-create.ts';
import { SLAB_MERGE_SAME, SLAB_NEVER_MERGE } from './slab-flags.ts';

/** What merging looks at in an existing cache. */
export interface MergeCandidate {
  /** Slot size in bytes. */
  readonly size: number;
  /** Final alignment in bytes. */
  readonly align: number;
  /** Flags, internal ones included. */
  readonly flags: number;
  /** Constructor, null for none. */
  readonly ctor: ((address: number) => void) | null;
  /** Length of the user copy window, bytes. */
  readonly usersize: number;
  /** Users; negative for a cache that is never merged. */
  readonly refcount: number;
}

/** What a creation asks for, with the debug flags of its name already added. */
export interface MergeRequest {
  /** Requested object size in bytes. */
  readonly size: number;
  /** Requested alignment in bytes. */
  readonly align: number;
  /** Reduced flags of the request, which decide the alignment. */
  readonly flags: number;
  /** Flags after `kmem_cache_flags`: those of the request and of `slub_debug=`. */
  readonly finalFlags: number;
  /** Constructor, null for none. */
  readonly ctor: ((address: number) => void) | null;
}

/** Slot sizes may exceed the request by less than this, bytes (`sizeof(void *)`). */
const SIZE_SLACK = 8;

/** Whether no creation may join this cache. @kernel slab_unmergeable (spec slub 4.4) */
export function slabUnmergeable(cache: MergeCandidate): boolean {
  return (
    (cache.flags & SLAB_NEVER_MERGE) !== 0 ||
    cache.ctor !== null ||
    cache.usersize !== 0 ||
    cache.refcount < 0
  );
}

/**
 * The existing cache that a creation joins: the oldest one that fits.
 * @param caches all caches, newest first (the order of `slab_caches`)
 * @param request what is asked for
 * @param allocator `slab` asks in addition that the alignments fit
 * @returns the cache, null when a new one must be made
 * @kernel find_mergeable (spec slub 4.4, slab 4.1)
 */
export function findMergeable<C extends MergeCandidate>(
  caches: readonly C[],
  request: MergeRequest,
  allocator: 'slub' | 'slab',
): C | null {
  if (request.ctor !== null) return null;
  const rounded = alignUp(request.size, 8);
  const align = calculateAlignment(request.flags, request.align, rounded);
  const size = alignUp(rounded, align);
  if ((request.finalFlags & SLAB_NEVER_MERGE) !== 0) return null;
  for (let i = caches.length - 1; i >= 0; i--) {
    const cache = caches[i];
    if (slabUnmergeable(cache)) continue;
    if (size > cache.size || cache.size - size >= SIZE_SLACK) continue;
    if (((request.finalFlags ^ cache.flags) & SLAB_MERGE_SAME) !== 0) continue;
    if (cache.size % align !== 0) continue;
    if (allocator === 'slab' && cache.align % align !== 0) continue;
    return cache;
  }
  return null;
}
