import { listAdd, listDel } from '../lib/list.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { cachedMigratetype, pageblockMigratetype } from '../mm/page-map.ts';
import { NR_PCP_LISTS, PCP_BATCH_SCALE_MAX } from '../mm/pageset.ts';
import { NR_VM_EVENT_ITEMS, VmEvent } from '../mm/vm-items.ts';
import type { Zone } from '../mm/zone.ts';
import { ZoneFlag } from '../mm/zone-types.ts';
import { badFreePage, isFreeable } from './bad-page.ts';
import { FreePageFlag, freeOnePage } from './merge.ts';
import { orderToPindex, PAGE_ALLOC_COSTLY_ORDER, pindexToOrder } from './pcp-index.ts';
import type { BuddyState } from './state.ts';

const PGFREE: number = VmEvent.pgfree;

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
  const { prev } = map;
  const isolated = zone.nrIsolatePageblock > 0;
  const firstHead = pagesets.firstHead + cell * NR_PCP_LISTS;
  let left = Math.min(count, pagesets.count[cell]);
  let list = start;
  while (left > 0) {
    const head = firstHead + list;
    const order = pindexToOrder(state, list);
    while (left > 0 && prev[head] !== head) {
      const pfn = prev[head];
      listDel(map, pfn);
      left -= 1 << order;
      pagesets.count[cell] -= 1 << order;
      if (!isFreeable(map, pfn)) {
        badFreePage(state, pfn);
        map.blockState[pfn] = 0;
        continue;
      }
      const migratetype = isolated ? pageblockMigratetype(map, pfn) : cachedMigratetype(map, pfn);
      freeOnePage(state, pfn, zone.id, order, migratetype, FreePageFlag.FPI_NONE, cpu);
      if (state.trace !== null) state.trace.mmPagePcpuDrain?.(pfn, order, migratetype);
    }
    list = list === NR_PCP_LISTS - 1 ? 0 : list + 1;
  }
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
