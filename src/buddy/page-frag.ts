import { addrToPfn, NIL, PAGE_SIZE } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { PageMark } from '../mm/page-flags.ts';
import { allocPages } from './alloc.ts';
import { freeThePage, putPageRefs } from './free.ts';
import { wipeFreed } from './free-prepare.ts';
import type { BuddyState } from './state.ts';

/** Bytes and order of the block that fragments are cut from. */
const PAGE_FRAG_CACHE_MAX_SIZE = 32768;
const PAGE_FRAG_CACHE_MAX_ORDER = 3;

/**
 * A block that is given out in fragments, from its end downwards.
 *
 * @kernel struct page_frag_cache (spec buddy 4.31)
 */
export class PageFragCache {
  /** First page frame of the block, -1 for none. */
  pfn: number = NIL;
  /** Bytes of the block that are left. */
  offset = 0;
  /** Bytes of the block. */
  sizeBytes = 0;
  /** References of the block that are not given out yet. */
  pagecntBias = 0;
  /** Whether the block came from the emergency reserve. */
  pfmemalloc = false;
}

/** Gets a new block. @returns whether there was one. @kernel __page_frag_cache_refill (spec buddy 4.31) */
function refill(state: BuddyState, cache: PageFragCache, gfp: number, cpu: number): boolean {
  const node = state.model.cpuNode[cpu];
  const large = gfp | Gfp.__GFP_COMP | Gfp.__GFP_NOWARN | Gfp.__GFP_NORETRY | Gfp.__GFP_NOMEMALLOC;
  let pfn = allocPages(state, large, PAGE_FRAG_CACHE_MAX_ORDER, node, null, cpu);
  cache.sizeBytes = PAGE_FRAG_CACHE_MAX_SIZE;
  if (pfn === NIL) {
    pfn = allocPages(state, gfp, 0, node, null, cpu);
    cache.sizeBytes = PAGE_SIZE;
  }
  cache.pfn = pfn;
  if (pfn === NIL) return false;
  // References are taken in advance, so that a fragment costs no update of the page.
  state.map.refcount[pfn] += PAGE_FRAG_CACHE_MAX_SIZE;
  cache.pagecntBias = PAGE_FRAG_CACHE_MAX_SIZE + 1;
  cache.offset = cache.sizeBytes;
  cache.pfmemalloc = (state.map.flags[pfn] & PageMark.PFMEMALLOC) !== 0;
  return true;
}

/**
 * Cuts a fragment off a cache's block, or of a new one.
 * @param sizeBytes bytes of the fragment
 * @param alignMask ANDed to the offset, e.g. -64 for a multiple of 64
 * @returns physical address in bytes, -1 for none
 * @kernel page_frag_alloc_align (spec buddy 4.31)
 */
export function pageFragAlloc(
  state: BuddyState,
  cache: PageFragCache,
  sizeBytes: number,
  gfp: number,
  alignMask: number,
  cpu: number,
): number {
  if (cache.pfn === NIL && !refill(state, cache, gfp, cpu)) return NIL;
  const { refcount } = state.map;
  let offset = cache.offset - sizeBytes;
  while (offset < 0) {
    const { pfn } = cache;
    refcount[pfn] -= cache.pagecntBias;
    if (refcount[pfn] === 0 && !cache.pfmemalloc) {
      // All fragments came back: the block begins anew.
      refcount[pfn] = PAGE_FRAG_CACHE_MAX_SIZE + 1;
      cache.pagecntBias = PAGE_FRAG_CACHE_MAX_SIZE + 1;
      offset = cache.sizeBytes - sizeBytes;
      if (offset < 0) return NIL;
      break;
    }
    if (refcount[pfn] === 0) {
      wipeFreed(state, pfn, 1 << blockOrder(cache));
      freeThePage(state, pfn, blockOrder(cache), cpu);
    }
    if (!refill(state, cache, gfp, cpu)) return NIL;
    // The kernel would try for ever where the reserve gives single pages only.
    if (cache.sizeBytes < sizeBytes) return NIL;
    offset = cache.offset - sizeBytes;
  }
  cache.pagecntBias--;
  cache.offset = offset & alignMask;
  return cache.pfn * PAGE_SIZE + cache.offset;
}

function blockOrder(cache: PageFragCache): number {
  return cache.sizeBytes === PAGE_SIZE ? 0 : PAGE_FRAG_CACHE_MAX_ORDER;
}

/**
 * Gives a fragment back; its block is freed with the last one.
 * @param addr any physical address in the fragment
 * @kernel page_frag_free (spec buddy 4.31)
 */
export function pageFragFree(state: BuddyState, addr: number, cpu: number): void {
  putPageRefs(state, addrToPfn(addr), 1, cpu);
}

/** Gives back what a cache has not given out and empties it. @kernel __page_frag_cache_drain (spec buddy 4.31) */
export function pageFragCacheDrain(state: BuddyState, cache: PageFragCache, cpu: number): void {
  if (cache.pfn === NIL) return;
  putPageRefs(state, cache.pfn, cache.pagecntBias, cpu);
  cache.pfn = NIL;
}
