import { NIL, PAGE_SIZE } from '../lib/units.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { modNodeState } from '../mm/vmstat.ts';
import type { CacheState } from './cache-state.ts';
import type { SlabState } from './state.ts';

/**
 * Takes the pages of a slab.
 * @param gfp mask of the request, without what the cache forces on it
 * @returns first page frame, NIL when there is no memory
 * @throws KmemError `BAD_PAGE` for a page that cannot be used
 * @kernel kmem_getpages (spec slab 4.9)
 */
export function kmemGetpages(cache: CacheState, gfp: number, node: number, cpu: number): number {
  const { state, gfporder } = cache;
  state.trace?.functionEntry?.('kmem_getpages', { cachep: cache.name, flags: gfp, nodeid: node });
  state.calls?.enter('kmem_getpages');
  state.calls?.enter('__alloc_pages_node');
  const pfn = state.source.allocPages((gfp | cache.allocflags) >>> 0, gfporder, node, cpu);
  if (pfn === NIL) return NIL;
  checkPages(state, pfn, gfporder, cpu);
  accountSlab(cache, pfn, 1, cpu);
  const { flags } = state.map;
  flags[pfn] |= PageFlag.PG_slab;
  if (state.memallocSocks && (flags[pfn] & PageMark.PFMEMALLOC) !== 0) {
    flags[pfn] |= PageFlag.PG_active;
  }
  return pfn;
}

/**
 * @throws KmemError `BAD_PAGE` for a block that the allocator cannot use; it has been given back, but
 * for one that is a slab already
 */
function checkPages(state: SlabState, pfn: number, order: number, cpu: number): void {
  const pages = 2 ** order;
  const fits = Number.isInteger(pfn) && pfn > 0 && pfn + pages <= state.map.endPfn;
  const aligned = pfn % pages === 0;
  const inMemory = (pfn + pages) * PAGE_SIZE <= state.memory.sizeBytes;
  const isSlab = fits && (state.map.flags[pfn] & PageFlag.PG_slab) !== 0;
  if (fits && aligned && inMemory && !isSlab) return;
  if (!isSlab) state.source.freePages(pfn, order, cpu);
  const why = pfn === 0 ? ': address 0 means no object' : '';
  const message = `the page source gave page frame ${pfn} for order ${order}${why}`;
  throw new KmemError('BAD_PAGE', message, { pfn, order });
}

function accountSlab(cache: CacheState, pfn: number, sign: number, cpu: number): void {
  const reclaimable = (cache.flags & SlabFlag.SLAB_RECLAIM_ACCOUNT) !== 0;
  accountPages(cache.state, pfn, cache.gfporder, sign, reclaimable, cpu);
}

/**
 * Counts the pages of a slab or of a large block.
 * @param sign 1 to add, -1 to subtract
 * @kernel account_slab, mod_lruvec_page_state
 */
export function accountPages(
  state: SlabState,
  pfn: number,
  order: number,
  sign: number,
  reclaimable: boolean,
  cpu: number,
): void {
  const node = state.source.nodeOf(pfn);
  state.slabBytes[node * 2 + (reclaimable ? 1 : 0)] += sign * PAGE_SIZE * 2 ** order;
  if (state.vmstat === null) return;
  const item = reclaimable ? NodeStatItem.nr_slab_reclaimable : NodeStatItem.nr_slab_unreclaimable;
  modNodeState(state.vmstat, cpu, node, item, sign * 2 ** order);
}

/**
 * Gives the pages of a slab back.
 * @kernel kmem_freepages (spec slab 4.16)
 */
export function kmemFreepages(cache: CacheState, slot: number, cpu: number): void {
  const { state, slabs, gfporder } = cache;
  const { map } = state;
  state.calls?.enter('kmem_freepages');
  const pfn = slabs.pfn[slot];
  map.flags[pfn] &= ~(PageFlag.PG_slab | PageFlag.PG_active);
  map.private.fill(0, pfn, pfn + 2 ** gfporder);
  slabs.release(slot);
  if (state.reclaimState !== null) state.reclaimState.reclaimedSlab += 2 ** gfporder;
  accountSlab(cache, pfn, -1, cpu);
  state.calls?.enter('__free_pages');
  state.source.freePages(pfn, gfporder, cpu);
}
