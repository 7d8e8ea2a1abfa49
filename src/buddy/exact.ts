import { NIL, PAGE_SIZE } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { setAllocatedOrder } from '../mm/page-map.ts';
import { allocPages } from './alloc.ts';
import { freePagesOk, freeThePage } from './free.ts';
import { wipeFreed } from './free-prepare.ts';
import { FreePageFlag } from './merge.ts';
import type { BuddyState } from './state.ts';

/** Order that `get_order` gives for size 0, past any that exists. */
const ORDER_OF_NOTHING = 52;

/** Smallest order whose block holds so many bytes. @kernel get_order */
export function getOrder(sizeBytes: number): number {
  if (sizeBytes === 0) return ORDER_OF_NOTHING;
  let order = 0;
  while (PAGE_SIZE * 2 ** order < sizeBytes) order++;
  return order;
}

/**
 * Makes single pages of a block: each can be freed on its own.
 * @kernel split_page (spec buddy 4.23)
 */
export function splitPage(state: BuddyState, pfn: number, order: number): void {
  for (let page = pfn; page < pfn + (1 << order); page++) {
    if (page > pfn) state.map.refcount[page] = 1;
    setAllocatedOrder(state.map, page, 0);
  }
}

/**
 * Allocates just as many pages as some bytes take; the rest of the block is freed at once, straight
 * to the tails of the free lists.
 * @returns first page frame of single pages in a row, -1 for none
 * @kernel alloc_pages_exact (spec buddy 4.23)
 */
export function allocPagesExact(
  state: BuddyState,
  sizeBytes: number,
  gfp: number,
  node: number,
  cpu: number,
): number {
  const mask = gfp & ~(Gfp.__GFP_COMP | Gfp.__GFP_HIGHMEM);
  const order = getOrder(sizeBytes);
  const pfn = allocPages(state, mask, order, node, null, cpu);
  if (pfn === NIL) return NIL;
  const pages = Math.ceil(sizeBytes / PAGE_SIZE);
  wipeRest(state, pfn, order, pages, cpu);
  for (let page = pfn; page < pfn + pages; page++) {
    state.map.refcount[page] = 1;
    setAllocatedOrder(state.map, page, 0);
  }
  for (let page = pfn + pages; page < pfn + (1 << order); page++) {
    freePagesOk(state, page, 0, FreePageFlag.FPI_TO_TAIL, cpu);
  }
  return pfn;
}

/** Contents of the part that is not needed; if that fails, the block is free again. */
function wipeRest(state: BuddyState, pfn: number, order: number, pages: number, cpu: number): void {
  try {
    wipeFreed(state, pfn + pages, (1 << order) - pages);
  } catch (error) {
    state.map.refcount[pfn] = 0;
    freeThePage(state, pfn, order, cpu);
    throw error;
  }
}
