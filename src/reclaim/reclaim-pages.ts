import { listAdd, listToArray } from '../lib/list.ts';
import { Gfp } from '../mm/gfp.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { modNodeState } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import { NR_ISOLATED_ANON } from './constants.ts';
import { doTryToFreePages } from './direct.ts';
import { isFileLru } from './folio.ts';
import { folioPutbackLru } from './isolate-lru.ts';
import { nodeOf } from './lru.ts';
import { ScanControl } from './scan-control.ts';
import { shrinkFolioList } from './shrink-folio-list.ts';
import {
  beginIsolation,
  endIsolation,
  type ReclaimState,
  ScratchList,
  scratchHead,
} from './state.ts';

const { PG_active, PG_dirty, PG_unevictable } = PageFlag;

/**
 * Reclaims given pages at once, as MADV_PAGEOUT does; what cannot be freed goes back to the LRU.
 * @param pfns isolated pages (`folioIsolateLru`), list order from the head; the last one comes first
 * @returns pages freed
 * @kernel reclaim_pages (spec reclaim 4.30)
 */
export function reclaimPages(state: ReclaimState, pfns: readonly number[], cpu: number): number {
  let freed = 0;
  let end = pfns.length;
  while (end > 0) {
    const node = nodeOf(state, pfns[end - 1]);
    let start = end - 1;
    while (start > 0 && nodeOf(state, pfns[start - 1]) === node) start--;
    freed += reclaimFolioList(state, node, pfns.slice(start, end), cpu);
    end = start;
  }
  return freed;
}

/** Reclaims isolated pages of one node. @kernel reclaim_folio_list */
function reclaimFolioList(
  state: ReclaimState,
  node: number,
  pfns: readonly number[],
  cpu: number,
): number {
  const { map } = state;
  const sc = new ScanControl();
  sc.gfpMask = Gfp.GFP_KERNEL;
  sc.priority = 0;
  sc.mayWritepage = true;
  sc.mayUnmap = true;
  sc.maySwap = true;
  beginIsolation(state);
  const isolated = scratchHead(state, ScratchList.ISOLATED);
  for (let i = pfns.length - 1; i >= 0; i--) {
    map.flags[pfns[i]] &= ~PG_active;
    listAdd(map, isolated, pfns[i]);
  }
  try {
    return shrinkFolioList(state, node, sc, false, cpu);
  } finally {
    const left = listToArray(map, isolated);
    endIsolation(state);
    for (let i = left.length - 1; i >= 0; i--) folioPutbackLru(state, left[i], cpu);
  }
}

/**
 * Frees the clean file pages among isolated pages of a node, used or not, so that a contiguous range
 * becomes free without copying them.
 * @param pfns isolated pages, list order from the head, counted in NR_ISOLATED_ANON and _FILE
 * @returns the pages left, in list order; still isolated
 * @kernel reclaim_clean_pages_from_list (spec reclaim 4.30)
 */
export function reclaimCleanPagesFromList(
  state: ReclaimState,
  node: number,
  pfns: readonly number[],
  cpu: number,
): number[] {
  const { isolation, map, stat, vm } = state;
  const sc = new ScanControl();
  sc.gfpMask = Gfp.GFP_KERNEL;
  sc.mayUnmap = true;
  const others: number[] = [];
  beginIsolation(state);
  const isolated = scratchHead(state, ScratchList.ISOLATED);
  for (const pfn of pfns) {
    const flags = map.flags[pfn];
    if (!isFileLru(flags) || (flags & (PG_dirty | PG_unevictable)) !== 0) {
      others.push(pfn);
      continue;
    }
    map.flags[pfn] = flags & ~PG_active;
    listAdd(map, isolated, pfn);
  }
  try {
    shrinkFolioList(state, node, sc, true, cpu);
    return [...listToArray(map, isolated), ...others];
  } finally {
    endIsolation(state);
    // A droppable page that was written to again is an anonymous page from now on.
    const turned = stat.nrLazyfreeFail;
    modNodeState(vm, cpu, node, NR_ISOLATED_ANON, turned);
    modNodeState(vm, cpu, node, NR_ISOLATED_ANON + 1, -isolation.freed - turned);
  }
}

/**
 * Frees memory for a hibernation image.
 * @param nrToReclaim pages wanted
 * @param zonelist zones in order of preference
 * @returns pages freed
 * @kernel shrink_all_memory (spec reclaim 4.30)
 */
export function shrinkAllMemory(
  state: ReclaimState,
  nrToReclaim: number,
  zonelist: readonly Zone[],
  cpu: number,
): number {
  const { task } = state;
  const sc = new ScanControl();
  sc.nrToReclaim = nrToReclaim;
  sc.gfpMask = Gfp.GFP_HIGHUSER_MOVABLE;
  sc.mayWritepage = true;
  sc.mayUnmap = true;
  sc.maySwap = true;
  sc.hibernationMode = true;
  const hadMemalloc = task.pfMemalloc;
  task.pfMemalloc = true;
  try {
    return doTryToFreePages(state, zonelist, sc, cpu);
  } finally {
    task.pfMemalloc = hadMemalloc;
  }
}
