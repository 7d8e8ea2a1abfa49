import { listInit } from '../lib/list.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { lruvecDelFolio } from './lru.ts';
import type { ReclaimState } from './state.ts';

const LRU_STATE = PageFlag.PG_lru | PageFlag.PG_active | PageFlag.PG_unevictable;

/** Takes a page whose last reference is gone off the LRU. @kernel __page_cache_release */
function leaveLru(state: ReclaimState, pfn: number, cpu: number): void {
  const { map } = state;
  if ((map.flags[pfn] & PageFlag.PG_lru) === 0) return;
  lruvecDelFolio(state, pfn, cpu);
  map.flags[pfn] &= ~LRU_STATE;
}

/**
 * Drops one reference of a page; with the last one the page is freed.
 * @kernel folio_put (spec reclaim 4.14)
 */
export function folioPut(state: ReclaimState, pfn: number, cpu: number): void {
  if (--state.map.refcount[pfn] !== 0) return;
  leaveLru(state, pfn, cpu);
  state.allocator.freeUnrefPage(pfn, 0, cpu);
}

/**
 * Drops one reference of each page, in order. Pages without another one are freed together
 * afterwards, the last one first.
 * @param pages where the pages are
 * @param start index of the first one
 * @param count how many
 * @kernel release_pages (spec reclaim 4.14)
 */
export function releasePages(
  state: ReclaimState,
  pages: Int32Array,
  start: number,
  count: number,
  cpu: number,
): void {
  const { refcount } = state.map;
  const freeing = roomForFreeing(state, count);
  let first = count;
  for (let i = start; i < start + count; i++) {
    const pfn = pages[i];
    if (--refcount[pfn] !== 0) continue;
    leaveLru(state, pfn, cpu);
    freeing[--first] = pfn;
  }
  if (first < count) state.allocator.freeUnrefPageList(freeing.subarray(first, count), cpu);
}

/**
 * Frees the pages of a private list, from its head; none has a reference. The list is empty then.
 * @kernel free_unref_page_list
 */
export function freeFolioList(state: ReclaimState, head: number, cpu: number): void {
  const { map } = state;
  let count = 0;
  for (let pfn = map.next[head]; pfn !== head; pfn = map.next[pfn]) {
    const freeing = roomForFreeing(state, count + 1);
    freeing[count++] = pfn;
  }
  if (count === 0) return;
  listInit(map, head);
  state.allocator.freeUnrefPageList(state.freeing.subarray(0, count), cpu);
}

function roomForFreeing(state: ReclaimState, count: number): Int32Array {
  if (count > state.freeing.length) {
    const larger = new Int32Array(Math.max(count, state.freeing.length * 2));
    larger.set(state.freeing);
    state.freeing = larger;
  }
  return state.freeing;
}
