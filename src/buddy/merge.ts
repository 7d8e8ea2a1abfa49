import { MAX_ORDER } from '../lib/units.ts';
import { MIGRATE_TYPES, Migratetype, migratetypeIsMergeable } from '../mm/migratetype.ts';
import { type PageMap, pageblockMigratetype } from '../mm/page-map.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { modZoneState } from '../mm/vmstat.ts';
import type { BuddyState } from './state.ts';
import type { CaptureControl } from './types.ts';

const LARGEST_ORDER = MAX_ORDER - 1;

/** How a block is put on its list. @kernel fpi_t (spec buddy 3.3) */
export const FreePageFlag = {
  /** Nothing special. */
  FPI_NONE: 0,
  /** No notice to free page reporting; no effect here. */
  FPI_SKIP_REPORT_NOTIFY: 1,
  /** To the tail of the list, always. */
  FPI_TO_TAIL: 2,
} as const;

/**
 * Whether the block next to a freed one could merge with it once more if it were freed too; then the
 * freed block goes to the tail, to stay free a little longer.
 * @kernel buddy_merge_likely (spec buddy 4.3)
 */
export function buddyMergeLikely(map: PageMap, pfn: number, order: number): boolean {
  if (order >= MAX_ORDER - 2) return false;
  const parent = pfn & (pfn ^ (1 << order));
  const parentBuddy = parent ^ (1 << (order + 1));
  return map.blockState[parentBuddy] === order + 2 && map.zone[parentBuddy] === map.zone[parent];
}

/** Whether direct compaction takes a block that is being freed. @kernel compaction_capture (spec buddy 4.3) */
function capture(
  state: BuddyState,
  control: CaptureControl,
  pfn: number,
  zone: number,
  order: number,
  migratetype: number,
  cpu: number,
): boolean {
  if (state.task.pfKthread || control.page >= 0 || control.zone !== zone) return false;
  if (control.order !== order || migratetype === Migratetype.MIGRATE_ISOLATE) return false;
  if (order < state.pageblockOrder && migratetype === Migratetype.MIGRATE_MOVABLE) return false;
  modZoneState(state.vmstat, cpu, zone, ZoneStatItem.NR_FREE_PAGES, -(1 << order));
  control.page = pfn;
  return true;
}

/**
 * Puts a block back on the free lists of its zone, merged with its free buddies as far as possible,
 * and counts its pages as free.
 * @param pfn first page frame, a multiple of 2^order
 * @param zone id of the page's zone
 * @param migratetype list to put it on, which need not be the type of its pageblock
 * @param fpi bits of `FreePageFlag`
 * @param cpu CPU whose counters move
 * @kernel __free_one_page (spec buddy 4.3)
 */
export function freeOnePage(
  state: BuddyState,
  pfn: number,
  zone: number,
  order: number,
  migratetype: number,
  fpi: number,
  cpu: number,
): void {
  if (migratetype !== Migratetype.MIGRATE_ISOLATE) {
    modZoneState(state.vmstat, cpu, zone, ZoneStatItem.NR_FREE_PAGES, 1 << order);
  }
  mergeBlock(state, pfn, zone, order, migratetype, fpi, cpu);
}

/**
 * `freeOnePage` without the counter.
 * @kernel __free_one_page, add_to_free_list_tail (spec buddy 4.1, 4.3 steps 2 to 5)
 */
export function mergeBlock(
  state: BuddyState,
  pfn: number,
  zone: number,
  order: number,
  migratetype: number,
  fpi: number,
  cpu: number,
): void {
  const { map, areas, captureControl, pageblockOrder } = state;
  const { blockState, next, prev } = map;
  const zones = map.zone;
  const { nrFree } = areas;
  const tag = zone + 1;
  const firstArea = zone * MAX_ORDER;
  blockState[pfn] = 0;
  let block = pfn;
  let current = order;
  for (; current < LARGEST_ORDER; current++) {
    if (captureControl !== null) {
      if (capture(state, captureControl, block, zone, current, migratetype, cpu)) return;
    }
    const buddy = block ^ (1 << current);
    if (blockState[buddy] !== current + 1 || zones[buddy] !== tag) break;
    if (current >= pageblockOrder && !mayMerge(map, buddy, migratetype)) break;
    // delPageFromFreeList, written out: this loop is most of what a flush costs.
    const before = prev[buddy];
    const after = next[buddy];
    next[before] = after;
    prev[after] = before;
    blockState[buddy] = 0;
    nrFree[firstArea + current]--;
    block &= buddy;
  }
  blockState[block] = current + 1;
  const head = areas.firstHead + (firstArea + current) * MIGRATE_TYPES + migratetype;
  nrFree[firstArea + current]++;
  if (goesToTail(state, block, current, fpi)) {
    const last = prev[head];
    prev[head] = block;
    next[block] = head;
    prev[block] = last;
    next[last] = block;
  } else {
    const first = next[head];
    next[head] = block;
    prev[block] = head;
    next[block] = first;
    prev[first] = block;
  }
}

/** From the pageblock order up, blocks of unlike pageblocks merge only if both types are mergeable. */
function mayMerge(map: PageMap, buddy: number, migratetype: number): boolean {
  const buddyType = pageblockMigratetype(map, buddy);
  if (buddyType === migratetype) return true;
  return migratetypeIsMergeable(migratetype) && migratetypeIsMergeable(buddyType);
}

function goesToTail(state: BuddyState, pfn: number, order: number, fpi: number): boolean {
  if ((fpi & FreePageFlag.FPI_TO_TAIL) !== 0) return true;
  if (state.shuffle !== null && order === MAX_ORDER - 1) {
    return (state.shuffle.nextU32() & 1) !== 0;
  }
  return buddyMergeLikely(state.map, pfn, order);
}
