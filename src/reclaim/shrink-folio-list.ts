import { Gfp } from '../mm/gfp.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import type { PageMap } from '../mm/page-map.ts';
import { NodeStatItem, VmEvent } from '../mm/vm-items.ts';
import { countVmEvents, modNodeState } from '../mm/vmstat.ts';
import { GUP_PIN_COUNTING_BIAS, PgdatFlag } from './constants.ts';
import { hasMapping, inSwapcache, isAnon, isEvictable, isFileLru } from './folio.ts';
import { PageoutResult, pageout } from './pageout.ts';
import { folioCheckReferences, PageReferences } from './references.ts';
import {
  addToSwap,
  countEvicted,
  detachPrivate,
  evictPlainPage,
  folioFreeSwap,
  removeMappingLocked,
} from './remove-mapping.ts';
import type { ScanControl } from './scan-control.ts';
import { type ReclaimState, ScratchList, scratchHead } from './state.ts';
import type { ReclaimStat } from './types.ts';

const { PG_active, PG_dirty, PG_locked, PG_mlocked, PG_private, PG_reclaim } = PageFlag;
const { PG_swapbacked, PG_writeback } = PageFlag;

/** Flags that a plain page of a file has not, apart from the mark of its mapping. */
const NOT_PLAIN =
  PageMark.MAPPING |
  PageMark.MAPPING_ANON |
  PageMark.MAPPING_UNEVICTABLE |
  PG_dirty |
  PG_locked |
  PG_mlocked |
  PG_private |
  PG_swapbacked |
  PG_writeback;

/** What becomes of a page. */
const Outcome = { FREE: 0, KEEP: 1, ACTIVATE: 2 } as const;

/**
 * Decides about every page of the ISOLATED list, oldest first: frees it, or keeps it on that list,
 * perhaps marked active. Counts go to `state.stat` and `state.isolation.freed`. If a host callback
 * throws, the pages not yet judged stay on the list, younger than the kept ones.
 * @param ignoreReferences reclaim pages whether they were used or not
 * @returns pages freed
 * @kernel shrink_folio_list (spec reclaim 4.23)
 */
export function shrinkFolioList(
  state: ReclaimState,
  node: number,
  sc: ScanControl,
  ignoreReferences: boolean,
  cpu: number,
): number {
  state.trace?.functionEntry?.('shrink_folio_list', { pgdat: node, folios: state.isolation.taken });
  const { isolation, map, stat, vm } = state;
  const { next, prev } = map;
  const isolated = scratchHead(state, ScratchList.ISOLATED);
  isolation.freed = 0;
  clearReclaimStat(stat);
  let pfn = prev[isolated];
  // Kept pages keep their order: the list is closed over the gaps that freed ones leave.
  let kept = isolated;
  const locksKnown = state.host.trylock === null;
  try {
    while (pfn !== isolated) {
      const before = prev[pfn];
      let outcome: number = Outcome.FREE;
      if (locksKnown && isPlain(map, pfn)) {
        sc.nrScanned++;
        evictPlainPage(state, pfn, node, cpu);
      } else {
        outcome = judgeFolio(state, node, sc, ignoreReferences, pfn, cpu);
      }
      if (outcome === Outcome.FREE) {
        collectFreed(state, pfn);
      } else {
        if (outcome === Outcome.ACTIVATE) activateLocked(state, pfn, cpu);
        next[pfn] = kept;
        prev[kept] = pfn;
        kept = pfn;
      }
      pfn = before;
    }
  } finally {
    next[pfn] = kept;
    prev[kept] = pfn;
    countEvicted(state, node, cpu);
    freeCollected(state, cpu);
    const activated = stat.nrActivateAnon + stat.nrActivateFile;
    if (activated > 0) countVmEvents(vm, cpu, VmEvent.pgactivate, activated);
  }
  return isolation.freed;
}

/**
 * Whether the table frees a page without a question: clean, unlocked, unmapped page cache that only
 * its cache and reclaim refer to. Most pages are like that.
 */
function isPlain({ flags, mapcount, refcount }: PageMap, pfn: number): boolean {
  if ((flags[pfn] & NOT_PLAIN) !== PageMark.MAPPING) return false;
  return mapcount[pfn] === 0 && refcount[pfn] === 2;
}

/** Notes a page that is going to be freed. */
function collectFreed(state: ReclaimState, pfn: number): void {
  const count = state.isolation.freed++;
  if (count === state.reclaimed.length) {
    const larger = new Int32Array(2 * count);
    larger.set(state.reclaimed);
    state.reclaimed = larger;
  }
  state.reclaimed[count] = pfn;
}

/** Gives the noted pages to the page allocator, the last one first. */
function freeCollected({ allocator, isolation, reclaimed }: ReclaimState, cpu: number): void {
  if (isolation.freed === 0) return;
  allocator.freeUnrefPageList(reclaimed.subarray(0, isolation.freed).reverse(), cpu);
}

/** Decides about one page, up to its mappings (rows 1 to 12 of the table). */
function judgeFolio(
  state: ReclaimState,
  node: number,
  sc: ScanControl,
  ignoreReferences: boolean,
  pfn: number,
  cpu: number,
): number {
  const { host, map, stat } = state;
  const flags = map.flags[pfn];
  const locked = host.trylock === null ? (flags & PG_locked) === 0 : host.trylock(pfn);
  if (!locked) return Outcome.KEEP;
  sc.nrScanned++;
  if (!isEvictable(flags)) return Outcome.ACTIVATE;
  if (!sc.mayUnmap && map.mapcount[pfn] !== 0) return Outcome.KEEP;
  if ((flags & (PG_dirty | PG_writeback | PG_private)) !== 0) countDirty(state, pfn, flags);
  if ((flags & PG_writeback) !== 0) return meetWriteback(state, node, pfn, flags);
  let onlyClean = false;
  if (!ignoreReferences) {
    const references = folioCheckReferences(state, pfn, cpu);
    if (references === PageReferences.PAGEREF_ACTIVATE) return Outcome.ACTIVATE;
    if (references === PageReferences.PAGEREF_KEEP) {
      stat.nrRefKeep++;
      return Outcome.KEEP;
    }
    onlyClean = references === PageReferences.PAGEREF_RECLAIM_CLEAN;
  }
  if (isAnon(flags) && (flags & PG_swapbacked) !== 0 && !inSwapcache(flags)) {
    if ((sc.gfpMask & Gfp.__GFP_IO) === 0) return Outcome.KEEP;
    if (map.refcount[pfn] >= GUP_PIN_COUNTING_BIAS) return Outcome.KEEP;
    if (!addToSwap(state, pfn, cpu)) return Outcome.ACTIVATE;
  }
  if (map.mapcount[pfn] !== 0 && !unmapFolio(state, pfn, cpu)) return Outcome.ACTIVATE;
  if (map.refcount[pfn] >= GUP_PIN_COUNTING_BIAS) return Outcome.ACTIVATE;
  if ((map.flags[pfn] & PG_dirty) !== 0) {
    const outcome = writeFolio(state, node, sc, onlyClean, pfn, cpu);
    if (outcome !== Outcome.FREE) return outcome;
  }
  return releaseFolio(state, sc, pfn, cpu);
}

/** Row 4: counts dirty file pages and pages in write-back. */
function countDirty(state: ReclaimState, pfn: number, flags: number): void {
  if (!isFileLru(flags) || isAnon(flags)) return;
  const { stat } = state;
  let dirty = (flags & PG_dirty) !== 0;
  let writeback = (flags & PG_writeback) !== 0;
  if ((flags & PG_private) !== 0 && hasMapping(flags)) {
    const answer = state.host.isDirtyWriteback(pfn);
    dirty = (answer & 1) !== 0;
    writeback = (answer & 2) !== 0;
  }
  if (dirty || writeback) stat.nrDirty++;
  if (dirty && !writeback) stat.nrUnqueuedDirty++;
  if (writeback && (flags & PG_reclaim) !== 0) stat.nrCongested++;
}

/** Rows 5 and 6: a page being written gets another round. */
function meetWriteback(state: ReclaimState, node: number, pfn: number, flags: number): number {
  const onlyWriteback = (state.pgdatFlags[node] & PgdatFlag.PGDAT_WRITEBACK) !== 0;
  if (state.task.pfKswapd && (flags & PG_reclaim) !== 0 && onlyWriteback) {
    state.stat.nrImmediate++;
  } else {
    state.map.flags[pfn] |= PG_reclaim;
    state.stat.nrWriteback++;
  }
  return Outcome.ACTIVATE;
}

/** Row 11. @returns whether the page has no mapping any more */
function unmapFolio(state: ReclaimState, pfn: number, cpu: number): boolean {
  const { host, map, stat } = state;
  const wasSwapbacked = (map.flags[pfn] & PG_swapbacked) !== 0;
  host.tryToUnmap(pfn, cpu);
  if (map.mapcount[pfn] === 0) return true;
  stat.nrUnmapFail++;
  if (!wasSwapbacked && (map.flags[pfn] & PG_swapbacked) !== 0) stat.nrLazyfreeFail++;
  return false;
}

/** Rows 13 to 17: a dirty page. @returns FREE when it is clean now and may go on */
function writeFolio(
  state: ReclaimState,
  node: number,
  sc: ScanControl,
  onlyClean: boolean,
  pfn: number,
  cpu: number,
): number {
  const { map, pgdatFlags, stat, task, vm } = state;
  const flags = map.flags[pfn];
  if (isFileLru(flags)) {
    const comesRoundAgain =
      (flags & PG_reclaim) !== 0 && (pgdatFlags[node] & PgdatFlag.PGDAT_DIRTY) !== 0;
    if (!task.pfKswapd || !comesRoundAgain) {
      modNodeState(vm, cpu, node, NodeStatItem.nr_vmscan_immediate_reclaim, 1);
      map.flags[pfn] |= PG_reclaim;
      return Outcome.ACTIVATE;
    }
  }
  if (onlyClean || !mayEnterFs(state, flags, sc.gfpMask) || !sc.mayWritepage) return Outcome.KEEP;
  const result = pageout(state, pfn, sc.gfpMask, cpu);
  if (result === PageoutResult.PAGE_KEEP) return Outcome.KEEP;
  if (result === PageoutResult.PAGE_ACTIVATE) return Outcome.ACTIVATE;
  if (result === PageoutResult.PAGE_CLEAN) return Outcome.FREE;
  stat.nrPageout++;
  // A synchronous write may be over already.
  return (map.flags[pfn] & (PG_writeback | PG_dirty)) !== 0 ? Outcome.KEEP : Outcome.FREE;
}

/** @kernel may_enter_fs */
function mayEnterFs(state: ReclaimState, flags: number, gfp: number): boolean {
  if ((gfp & Gfp.__GFP_FS) !== 0) return true;
  return inSwapcache(flags) && (gfp & Gfp.__GFP_IO) !== 0 && !state.swapOnFileSystem;
}

/** Rows 18 to 24: a clean page without mappings leaves its cache. */
function releaseFolio(state: ReclaimState, sc: ScanControl, pfn: number, cpu: number): number {
  const { host, map, vm } = state;
  if ((map.flags[pfn] & PG_private) !== 0) {
    if (!host.releaseFolio(pfn, sc.gfpMask)) return Outcome.ACTIVATE;
    detachPrivate(state, pfn);
    if (!hasMapping(map.flags[pfn]) && map.refcount[pfn] === 1) {
      map.refcount[pfn] = 0;
      return Outcome.FREE;
    }
  }
  const flags = map.flags[pfn];
  if (isAnon(flags) && (flags & PG_swapbacked) === 0) {
    if (map.refcount[pfn] !== 1) return Outcome.KEEP;
    map.refcount[pfn] = 0;
    countVmEvents(vm, cpu, VmEvent.pglazyfreed, 1);
    return Outcome.FREE;
  }
  if (!hasMapping(flags)) return Outcome.KEEP;
  return removeMappingLocked(state, pfn, true, cpu) ? Outcome.FREE : Outcome.KEEP;
}

/** A page that becomes active: it may give its swap slot up, because it will change again. */
function activateLocked(state: ReclaimState, pfn: number, cpu: number): void {
  const { map, stat, swap } = state;
  const mlocked = (map.flags[pfn] & PG_mlocked) !== 0;
  if (inSwapcache(map.flags[pfn]) && (swap.nrFree * 2 < swap.totalPages || mlocked)) {
    folioFreeSwap(state, pfn, cpu);
  }
  if ((map.flags[pfn] & PG_mlocked) !== 0) return;
  map.flags[pfn] |= PG_active;
  if (isFileLru(map.flags[pfn])) stat.nrActivateFile++;
  else stat.nrActivateAnon++;
}

function clearReclaimStat(stat: ReclaimStat): void {
  stat.nrDirty = 0;
  stat.nrUnqueuedDirty = 0;
  stat.nrCongested = 0;
  stat.nrWriteback = 0;
  stat.nrImmediate = 0;
  stat.nrPageout = 0;
  stat.nrActivateAnon = 0;
  stat.nrActivateFile = 0;
  stat.nrRefKeep = 0;
  stat.nrUnmapFail = 0;
  stat.nrLazyfreeFail = 0;
}
