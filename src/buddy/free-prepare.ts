import { PAGE_SIZE } from '../lib/units.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { clearCompound, isCompound } from '../mm/page-map.ts';
import { VmEvent, ZoneStatItem } from '../mm/vm-items.ts';
import { countVmEvents, modZoneState } from '../mm/vmstat.ts';
import { badFreePage, isFreeable } from './bad-page.ts';
import { poisonPages } from './poison.ts';
import type { BuddyState } from './state.ts';

const MAPPING_MARKS = PageMark.MAPPING | PageMark.MAPPING_ANON | PageMark.MAPPING_MOVABLE;

/**
 * Makes an allocated block ready for a free list: checks its pages and clears what their users left.
 * Their contents are the matter of `wipeFreed`.
 * @param checkHead whether the first page is checked as well; blocks on their way to a per-CPU list
 * are checked when they leave it
 * @returns false for a block that must not be used any more: it is leaked
 * @kernel free_pages_prepare (spec buddy 4.24)
 */
export function freePagesPrepare(
  state: BuddyState,
  pfn: number,
  order: number,
  checkHead: boolean,
  cpu: number,
): boolean {
  const { map } = state;
  if (state.trace !== null) state.trace.mmPageFree?.(pfn, order);
  const flags = map.flags[pfn];
  if ((flags & (PageFlag.PG_mlocked | PageFlag.PG_hwpoison)) !== 0) {
    if ((flags & PageFlag.PG_mlocked) !== 0) clearMlocked(state, pfn, order, cpu);
    if ((flags & PageFlag.PG_hwpoison) !== 0 && order === 0) return leak(state, pfn);
  }
  let good = order === 0 || prepareTails(state, pfn, order);
  if ((flags & (PageMark.MAPPING_ANON | PageMark.MAPPING_MOVABLE)) !== 0) {
    map.flags[pfn] &= ~MAPPING_MARKS;
  }
  if (checkHead && !isFreeable(map, pfn)) {
    badFreePage(state, pfn);
    good = false;
  }
  if (!good) return leak(state, pfn);
  if (flags !== 0) map.flags[pfn] &= PageFlag.PG_hwpoison | PageMark.MAPPING;
  map.private[pfn] = 0;
  return true;
}

/** A leaked block is on no list and never handed out again. */
function leak(state: BuddyState, pfn: number): boolean {
  state.map.blockState[pfn] = 0;
  return false;
}

function clearMlocked(state: BuddyState, pfn: number, order: number, cpu: number): void {
  const { map, vmstat } = state;
  map.flags[pfn] &= ~PageFlag.PG_mlocked;
  modZoneState(vmstat, cpu, map.zone[pfn] - 1, ZoneStatItem.NR_MLOCK, -(1 << order));
  countVmEvents(vmstat, cpu, VmEvent.unevictable_pgs_cleared, 1 << order);
}

/** Checks and wipes the pages after the first. @returns whether all of them are good */
function prepareTails(state: BuddyState, pfn: number, order: number): boolean {
  const { map } = state;
  const { flags } = map;
  let good = true;
  if (isCompound(map, pfn)) {
    map.flags[pfn] &= ~PageFlag.PG_head;
    clearCompound(map, pfn, order);
    for (let page = pfn + 1; page < pfn + (1 << order); page++) {
      if (flags[page] !== 0) flags[page] &= ~MAPPING_MARKS;
    }
  }
  for (let page = pfn + 1; page < pfn + (1 << order); page++) {
    if (!isFreeable(map, page)) {
      badFreePage(state, page);
      good = false;
    } else if (flags[page] !== 0) {
      flags[page] = 0;
    }
  }
  return good;
}

/**
 * Writes what freed pages hold: poison, zeroes, or what they held. To be called before anything else
 * of a free, because the backend may throw; then nothing has changed.
 */
export function wipeFreed(state: BuddyState, pfn: number, pages: number): void {
  const { memory } = state;
  if (memory === null || (state.map.flags[pfn] & PageFlag.PG_hwpoison) !== 0) return;
  if (state.pagePoison) poisonPages(memory, pfn, pages);
  if (state.initOnFree) memory.fill(pfn * PAGE_SIZE, PAGE_SIZE * pages, 0);
}
