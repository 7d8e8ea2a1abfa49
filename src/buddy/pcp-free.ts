import { listAdd, listDel } from '../lib/list.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { cachedMigratetype, pageblockMigratetype } from '../mm/page-map.ts';
import { NR_PCP_LISTS, PCP_BATCH_SCALE_MAX } from '../mm/pageset.ts';
import { NR_VM_EVENT_ITEMS, VmEvent, ZoneStatItem } from '../mm/vm-items.ts';
import { modZoneStateByOne } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import { ZoneFlag } from '../mm/zone-types.ts';
import { arePagesFreeable, badFreePage, isFreeable } from './bad-page.ts';
import { FreePageFlag, freeOnePage, mergeBlock } from './merge.ts';
import { orderToPindex, PAGE_ALLOC_COSTLY_ORDER, pindexToOrder } from './pcp-index.ts';
import type { BuddyState } from './state.ts';

const PGFREE: number = VmEvent.pgfree;

/** Longest run of pages that is merged as one block: below a pageblock, where no type is looked at. */
const LARGEST_RUN = 256;

/**
 * Moves pages from the lists of a page set to the free lists: list after list from `start` on, each
 * from its tail.
 * @param count pages to move at least, if there are so many
 * @param cell cell of the page set
 * @param start first list
 * @param cpu CPU whose counters move, not always the set's own
 * @kernel free_pcppages_bulk (spec buddy 4.27)
 */
export function freePcppagesBulk(
  state: BuddyState,
  zone: Zone,
  count: number,
  cell: number,
  start: number,
  cpu: number,
): void {
  const { pagesets, map } = state;
  const firstHead = pagesets.firstHead + cell * NR_PCP_LISTS;
  // Nobody may look in between, and no block may change its type or owner on the way.
  const inRuns =
    state.trace === null && state.captureControl === null && zone.nrIsolatePageblock === 0;
  let left = Math.min(count, pagesets.count[cell]);
  let list = start;
  while (left > 0) {
    const head = firstHead + list;
    const order = pindexToOrder(state, list);
    while (left > 0 && map.prev[head] !== head) {
      const freed =
        inRuns && order === 0
          ? freeRun(state, zone.id, head, left, cpu)
          : freeBlock(state, zone, head, order, cpu);
      left -= freed;
      pagesets.count[cell] -= freed;
    }
    list = list === NR_PCP_LISTS - 1 ? 0 : list + 1;
  }
}

/** Moves the last block of a per-CPU list to the free lists. @returns its pages */
function freeBlock(
  state: BuddyState,
  zone: Zone,
  head: number,
  order: number,
  cpu: number,
): number {
  const { map } = state;
  const pfn = map.prev[head];
  listDel(map, pfn);
  if (!isFreeable(map, pfn)) {
    badFreePage(state, pfn);
    map.blockState[pfn] = 0;
    return 1 << order;
  }
  const isolated = zone.nrIsolatePageblock > 0;
  const migratetype = isolated ? pageblockMigratetype(map, pfn) : cachedMigratetype(map, pfn);
  freeOnePage(state, pfn, zone.id, order, migratetype, FreePageFlag.FPI_NONE, cpu);
  if (state.trace !== null) state.trace.mmPagePcpuDrain?.(pfn, order, migratetype);
  return 1 << order;
}

/**
 * Moves the last page of a per-CPU list to the free lists, together with those before it that
 * continue it to an aligned block of one type. Freed one by one these pages would merge with each
 * other only, until the block is whole; so it is merged as a block, and only counted page by page.
 * @param most pages to move at most
 * @returns pages moved
 */
function freeRun(state: BuddyState, zone: number, head: number, most: number, cpu: number): number {
  const { map, vmstat } = state;
  const { prev, next, blockState } = map;
  const pfn = prev[head];
  const type = blockState[pfn];
  const whole = Math.min(most, LARGEST_RUN, pfn === 0 ? LARGEST_RUN : pfn & -pfn);
  let length = 1;
  while (length < whole && prev[pfn + length - 1] === pfn + length) {
    if (blockState[pfn + length] !== type) break;
    length++;
  }
  const order = 31 - Math.clz32(length);
  length = 1 << order;
  if (!arePagesFreeable(map, pfn, pfn + length)) {
    return freeBlock(state, state.zones[zone], head, 0, cpu);
  }
  const before = prev[pfn + length - 1];
  prev[head] = before;
  next[before] = head;
  for (let page = pfn + 1; page < pfn + length; page++) blockState[page] = 0;
  modZoneStateByOne(vmstat, cpu, zone, ZoneStatItem.NR_FREE_PAGES, length);
  mergeBlock(state, pfn, zone, order, (type >> 4) & 7, FreePageFlag.FPI_NONE, cpu);
  return length;
}

/** Pages to flush; a flush also widens the next one. @kernel nr_pcp_free (spec buddy 4.26) */
function flushSize(state: BuddyState, cell: number, high: number, freeHigh: boolean): number {
  const { pagesets } = state;
  if (freeHigh) return pagesets.count[cell];
  const batch = pagesets.batch[cell];
  if (high < batch) return 1;
  const most = high - batch;
  const factor = pagesets.freeFactor[cell];
  const wanted = batch << factor;
  if (wanted < most && factor < PCP_BATCH_SCALE_MAX) pagesets.freeFactor[cell] = factor + 1;
  return Math.min(Math.max(wanted, batch), most);
}

/**
 * Puts a freed block on a per-CPU list and flushes the set if it is full.
 * @param migratetype list to use, 0 to 2
 * @kernel free_unref_page_commit (spec buddy 4.26 step 5)
 */
export function freeUnrefPageCommit(
  state: BuddyState,
  zone: Zone,
  pfn: number,
  order: number,
  migratetype: number,
  cpu: number,
): void {
  const { pagesets, map } = state;
  const cell = cpu * pagesets.zoneCount + zone.id;
  const pindex = orderToPindex(migratetype, order);
  state.vmstat.events[cpu * NR_VM_EVENT_ITEMS + PGFREE] += 1 << order;
  listAdd(map, pagesets.firstHead + cell * NR_PCP_LISTS + pindex, pfn);
  pagesets.count[cell] += 1 << order;
  flushPageset(state, zone, cell, order, pindex, cpu);
}

/**
 * Moves pages of a page set to the free lists if a free made it too large.
 * @param order order of the block just freed
 * @param pindex list that it went to
 * @kernel free_unref_page_commit (spec buddy 4.26 steps 5b to 5d)
 */
export function flushPageset(
  state: BuddyState,
  zone: Zone,
  cell: number,
  order: number,
  pindex: number,
  cpu: number,
): void {
  const { pagesets } = state;
  let high = pagesets.high[cell];
  if ((zone.flags & ZoneFlag.ZONE_RECLAIM_ACTIVE) !== 0) {
    high = Math.min(4 * pagesets.batch[cell], high);
  }
  // Blocks of order 1 to 3 are flushed at once, with all others, while flushes are growing.
  const freeHigh = order > 0 && order <= PAGE_ALLOC_COSTLY_ORDER && pagesets.freeFactor[cell] > 0;
  if (pagesets.count[cell] < high && !freeHigh) return;
  const size = flushSize(state, cell, freeHigh ? 0 : high, freeHigh);
  freePcppagesBulk(state, zone, size, cell, pindex, cpu);
}

/** List of a per-CPU page set for pages of a pageblock type that is not ISOLATE. */
export function pcpMigratetype(migratetype: number): number {
  return migratetype < Migratetype.MIGRATE_HIGHATOMIC ? migratetype : Migratetype.MIGRATE_MOVABLE;
}
