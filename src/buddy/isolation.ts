import { MAX_ORDER, MAX_ORDER_NR_PAGES } from '../lib/units.ts';
import { Migratetype } from '../mm/migratetype.ts';
import {
  buddyOrder,
  compoundHead,
  compoundOrder,
  isBuddyOfOrder,
  isCompound,
  pageblockMigratetype,
} from '../mm/page-map.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { modZoneState } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import { changePageblockMigratetype } from '../mm/zonelist.ts';
import { moveFreepagesBlock } from './fallback.ts';
import { delPageFromFreeList } from './free-list.ts';
import { isolateFreePage, putbackIsolatedPage } from './isolate-free-page.ts';
import { FreePageFlag, freeOnePage } from './merge.ts';
import type { BuddyState } from './state.ts';
import { unmovablePage } from './unmovable.ts';

const { MIGRATE_ISOLATE } = Migratetype;

/** Results of the operations on ranges: 0, or one of these. */
export const RangeErrno = {
  /** Something in the range is in use and stays. */
  EBUSY: -16,
  /** No such free block. */
  ENOENT: -2,
} as const;

function isIsolated(state: BuddyState, pfn: number): boolean {
  return pageblockMigratetype(state.map, pfn) === MIGRATE_ISOLATE;
}

function zoneOf(state: BuddyState, pfn: number): Zone | undefined {
  return state.zones[state.map.zone[pfn] - 1];
}

/**
 * Takes a pageblock out of use: its free blocks are no longer handed out and do not count as free.
 * @param block first page frame of the pageblock
 * @param flags bits of `IsolateFlag`
 * @returns 0, or EBUSY if it is isolated already or has a page that cannot be moved
 * @kernel set_migratetype_isolate (spec buddy 4.34)
 */
export function setMigratetypeIsolate(
  state: BuddyState,
  block: number,
  flags: number,
  cpu: number,
): number {
  const zone = zoneOf(state, block);
  if (zone === undefined || isIsolated(state, block)) return RangeErrno.EBUSY;
  const end = block + (1 << state.pageblockOrder);
  if (unmovablePage(state, zone, block, end, flags) >= 0) return RangeErrno.EBUSY;
  state.isReserveInexact = true;
  changePageblockMigratetype(state.model, block, MIGRATE_ISOLATE);
  zone.nrIsolatePageblock++;
  const moved = moveFreepagesBlock(state, zone, block, MIGRATE_ISOLATE);
  modZoneState(state.vmstat, cpu, zone.id, ZoneStatItem.NR_FREE_PAGES, -moved);
  return 0;
}

/**
 * Puts an isolated pageblock back into use; of any other nothing changes.
 * @param migratetype type that it gets
 * @kernel unset_migratetype_isolate (spec buddy 4.34)
 */
export function unsetMigratetypeIsolate(
  state: BuddyState,
  block: number,
  migratetype: number,
  cpu: number,
): void {
  const zone = zoneOf(state, block);
  if (zone === undefined || !isIsolated(state, block)) return;
  const { map } = state;
  const order = buddyOrder(map, block);
  const buddy = block ^ (1 << order);
  const mayMerge =
    order >= state.pageblockOrder &&
    order < MAX_ORDER - 1 &&
    isBuddyOfOrder(map, buddy, order) &&
    map.zone[buddy] === map.zone[block] &&
    !isIsolated(state, buddy);
  if (mayMerge && isolateFreePage(state, block, order, cpu) > 0) {
    changePageblockMigratetype(state.model, block, migratetype);
    putbackIsolatedPage(state, block, order, migratetype, cpu);
  } else {
    const moved = moveFreepagesBlock(state, zone, block, migratetype);
    modZoneState(state.vmstat, cpu, zone.id, ZoneStatItem.NR_FREE_PAGES, moved);
    changePageblockMigratetype(state.model, block, migratetype);
  }
  zone.nrIsolatePageblock--;
}

/**
 * Splits a free block in two parts, each of which goes to the lists of its own pageblocks.
 * @param offset pages in the lower part; 0 splits nothing
 * @returns 0, or ENOENT if there is no such free block
 * @kernel split_free_page (spec buddy 4.34)
 */
export function splitFreePage(
  state: BuddyState,
  pfn: number,
  order: number,
  offset: number,
  cpu: number,
): number {
  if (offset === 0) return 0;
  const { map } = state;
  if (!isBuddyOfOrder(map, pfn, order)) return RangeErrno.ENOENT;
  const zone = map.zone[pfn] - 1;
  if (!isIsolated(state, pfn)) {
    modZoneState(state.vmstat, cpu, zone, ZoneStatItem.NR_FREE_PAGES, -(1 << order));
  }
  delPageFromFreeList(state.areas, pfn, zone, order);
  const end = pfn + (1 << order);
  freeAligned(state, zone, pfn, pfn + offset, order, cpu);
  freeAligned(state, zone, pfn + offset, end, order, cpu);
  return 0;
}

/** Frees a range in pieces as large as their position and what remains allow. */
function freeAligned(
  state: BuddyState,
  zone: number,
  start: number,
  end: number,
  most: number,
  cpu: number,
): void {
  for (let pfn = start; pfn < end; ) {
    const position = pfn === 0 ? most : 31 - Math.clz32(pfn & -pfn);
    const order = Math.min(position, 31 - Math.clz32(end - pfn));
    const migratetype = pageblockMigratetype(state.map, pfn);
    freeOnePage(state, pfn, zone, order, migratetype, FreePageFlag.FPI_NONE, cpu);
    pfn += 1 << order;
  }
}

/**
 * Splits what lies across a boundary of isolated pageblocks.
 * @param block pageblock next to the boundary: where the search begins
 * @returns 0, or EBUSY for a compound page that cannot be moved
 * @kernel isolate_single_pageblock (spec buddy 4.34)
 */
function splitAtBoundary(state: BuddyState, block: number, boundary: number, cpu: number): number {
  const { map } = state;
  const zone = zoneOf(state, block);
  let pfn = Math.max(block & -MAX_ORDER_NR_PAGES, zone?.startPfn ?? 0);
  while (pfn < boundary) {
    const order = buddyOrder(map, pfn);
    if (order >= 0) {
      const crosses = pfn + (1 << order) > boundary;
      if (crosses) splitFreePage(state, pfn, order, boundary - pfn, cpu);
      else pfn += 1 << order;
      // Only with pageblocks far smaller than the kernel's can the parts merge again at once.
      if (crosses && isBuddyOfOrder(map, pfn, order)) return RangeErrno.EBUSY;
    } else if (isCompound(map, pfn)) {
      const head = compoundHead(map, pfn);
      const size = 1 << compoundOrder(map, pfn);
      const crosses = head + size > boundary;
      if (crosses && !migrateCompound(state, head, cpu)) return RangeErrno.EBUSY;
      // A page that was moved away left free pages behind, which are looked at again.
      pfn = crosses ? head : head + size;
    } else {
      pfn++;
    }
  }
  return 0;
}

function migrateCompound(state: BuddyState, head: number, cpu: number): boolean {
  const migrate = state.hooks.migratePages;
  const end = head + (1 << compoundOrder(state.map, head));
  return migrate !== undefined && migrate(head, end, cpu) === 0 && !isCompound(state.map, head);
}

/**
 * Takes the pageblocks that a range touches out of use, and splits what lies across their outer
 * borders.
 * @param migratetype type that they get back when it fails
 * @param flags bits of `IsolateFlag`
 * @returns 0, or EBUSY; then nothing is isolated
 * @kernel start_isolate_page_range (spec buddy 4.34)
 */
export function startIsolatePageRange(
  state: BuddyState,
  start: number,
  end: number,
  migratetype: number,
  flags: number,
  cpu: number,
): number {
  const size = 1 << state.pageblockOrder;
  const first = start & -size;
  const last = (end - 1) & -size;
  let error = setMigratetypeIsolate(state, first, flags, cpu);
  if (error !== 0) return error;
  error = splitAtBoundary(state, first, first, cpu);
  if (error === 0 && last !== first) error = setMigratetypeIsolate(state, last, flags, cpu);
  const lastDone = error === 0;
  if (error === 0) error = splitAtBoundary(state, last, last + size, cpu);
  let block = first + size;
  for (; error === 0 && block < last; block += size) {
    error = setMigratetypeIsolate(state, block, flags, cpu);
    if (error !== 0) break;
  }
  if (error === 0) return 0;
  for (let undo = first; undo < block && undo < last; undo += size) {
    unsetMigratetypeIsolate(state, undo, migratetype, cpu);
  }
  if (lastDone) unsetMigratetypeIsolate(state, last, migratetype, cpu);
  if (last === first) unsetMigratetypeIsolate(state, first, migratetype, cpu);
  return error;
}

/**
 * Puts all isolated pageblocks that a range touches back into use, in ascending order.
 * @param migratetype type that they get
 * @kernel undo_isolate_page_range (spec buddy 4.34)
 */
export function undoIsolatePageRange(
  state: BuddyState,
  start: number,
  end: number,
  migratetype: number,
  cpu: number,
): void {
  const size = 1 << state.pageblockOrder;
  for (let block = start & -size; block < end; block += size) {
    unsetMigratetypeIsolate(state, block, migratetype, cpu);
  }
}
