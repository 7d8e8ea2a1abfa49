import { listAdd } from '../lib/list.ts';
import { PAGE_SIZE } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { PAGE_FLAGS_MASK, PageFlag, PageMark } from '../mm/page-flags.ts';
import { cachedMigratetype, type PageMap, setAllocatedOrder, setCompound } from '../mm/page-map.ts';
import { pagesetIndex, pcpListHead } from '../mm/pageset.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import { AllocFlag } from './alloc-flags.ts';
import { badNewPage } from './bad-page.ts';
import { FreePageFlag, freeOnePage } from './merge.ts';
import { zoneStatistics } from './numa-events.ts';
import { orderToPindex, pcpAllowedOrder } from './pcp-index.ts';
import { checkPoison } from './poison.ts';
import type { BuddyState } from './state.ts';

/** Flags and marks that a page must not have when it is handed out. @kernel PAGE_FLAGS_CHECK_AT_PREP */
const CHECK_AT_PREP: number = PAGE_FLAGS_MASK | PageMark.MAPPING;

/** Whether nothing speaks against handing out the pages of a range. */
export function arePagesNew(map: PageMap, start: number, end: number): boolean {
  const { refcount, flags, mapcount } = map;
  const mask = CHECK_AT_PREP;
  let used = 0;
  for (let page = start; page < end; page++) {
    used |= (flags[page] & mask) | refcount[page] | mapcount[page];
  }
  return used === 0;
}

/**
 * Whether all pages of a block are fit to be handed out; the first page that is not is reported.
 * @kernel check_new_pages (spec buddy 4.21)
 */
export function checkNewPages(state: BuddyState, pfn: number, order: number): boolean {
  const { map } = state;
  const end = pfn + (1 << order);
  if (arePagesNew(map, pfn, end)) return true;
  let page = pfn;
  while (arePagesNew(map, page, page + 1)) page++;
  badNewPage(state, page);
  return false;
}

/**
 * Makes a block that left the free lists an allocated one.
 * @param gfp the request's mask: zeroing, compound page
 * @param allocFlags how it was found
 * @kernel prep_new_page (spec buddy 4.21)
 */
export function prepNewPage(
  state: BuddyState,
  pfn: number,
  order: number,
  gfp: number,
  allocFlags: number,
): void {
  state.trace?.functionEntry?.('prep_new_page', {
    page: pfn,
    order,
    gfp_flags: gfp,
    alloc_flags: allocFlags,
  });
  const { map } = state;
  map.private[pfn] = 0;
  map.refcount[pfn] = 1;
  if (state.memory !== null) prepContents(state, pfn, order, gfp);
  if (order > 0 && (gfp & Gfp.__GFP_COMP) !== 0) {
    setCompound(map, pfn, order);
    map.flags[pfn] |= PageFlag.PG_head;
  } else {
    setAllocatedOrder(map, pfn, order);
  }
  if ((allocFlags & AllocFlag.ALLOC_NO_WATERMARKS) !== 0) map.flags[pfn] |= PageMark.PFMEMALLOC;
}

/**
 * `prepNewPage` of a block just taken from a zone. If the backend throws, the block goes back to the
 * list it came from, and nothing was counted.
 * @param migratetype type that was wanted
 */
export function prepTakenPage(
  state: BuddyState,
  preferred: Zone,
  zone: Zone,
  pfn: number,
  order: number,
  gfp: number,
  allocFlags: number,
  migratetype: number,
  cpu: number,
): void {
  try {
    prepNewPage(state, pfn, order, gfp, allocFlags);
  } catch (error) {
    countVmEvents(state.vmstat, cpu, VmEvent.pgalloc_dma + zone.index, -(1 << order));
    zoneStatistics(state, preferred, zone, cpu, -1);
    giveBack(state, zone, pfn, order, migratetype, cpu);
    throw error;
  }
}

/** Puts a block back to the head of the per-CPU list or to the free list that it came from. */
export function giveBack(
  state: BuddyState,
  zone: Zone,
  pfn: number,
  order: number,
  migratetype: number,
  cpu: number,
): void {
  const { map, pagesets } = state;
  const type = cachedMigratetype(map, pfn);
  map.refcount[pfn] = 0;
  if (!pcpAllowedOrder(state, order) || type !== migratetype) {
    freeOnePage(state, pfn, zone.id, order, type, FreePageFlag.FPI_NONE, cpu);
    return;
  }
  const cell = pagesetIndex(pagesets, cpu, zone.id);
  listAdd(map, pcpListHead(pagesets, cell, orderToPindex(type, order)), pfn);
  pagesets.count[cell] += 1 << order;
}

/** Checks poison and zeroes what must be zero. @kernel post_alloc_hook (spec buddy 4.21) */
function prepContents(state: BuddyState, pfn: number, order: number, gfp: number): void {
  const { memory } = state;
  if (memory === null) return;
  if (state.pagePoison) checkPoison(state, memory, pfn, order);
  const wanted = state.initOnAlloc || (gfp & Gfp.__GFP_ZERO) !== 0;
  if (wanted && !state.initOnFree) memory.fill(pfn * PAGE_SIZE, PAGE_SIZE * 2 ** order, 0);
}
