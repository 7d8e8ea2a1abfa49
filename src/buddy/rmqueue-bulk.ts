import { listAddTail } from '../lib/list.ts';
import { NIL } from '../lib/units.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { modZoneState } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import { rmqueueFallback } from './fallback.ts';
import { checkNewPages } from './new-page.ts';
import { rmqueueSmallest } from './split.ts';
import type { BuddyState } from './state.ts';

/**
 * Takes a block of a type off the free lists, from other types if need be. The free counter is the
 * caller's.
 * @returns first page frame, -1 for none
 * @kernel __rmqueue (spec buddy 4.10)
 */
export function rmqueueFromLists(
  state: BuddyState,
  zone: Zone,
  order: number,
  migratetype: number,
  allocFlags: number,
): number {
  for (;;) {
    const pfn = rmqueueSmallest(state, zone.id, order, migratetype);
    if (pfn !== NIL) return pfn;
    if (!rmqueueFallback(state, zone, order, migratetype, allocFlags)) return NIL;
  }
}

/**
 * Fills a list with blocks from the free lists, in the order in which they come.
 * @param count blocks wanted
 * @param list head index of the list
 * @returns blocks added
 * @kernel rmqueue_bulk (spec buddy 4.11)
 */
export function rmqueueBulk(
  state: BuddyState,
  zone: Zone,
  order: number,
  count: number,
  list: number,
  migratetype: number,
  allocFlags: number,
  cpu: number,
): number {
  let removed = 0;
  let added = 0;
  for (; removed < count; removed++) {
    const pfn = rmqueueFromLists(state, zone, order, migratetype, allocFlags);
    if (pfn === NIL) break;
    if (!checkNewPages(state, pfn, order)) {
      state.map.blockState[pfn] = 0;
      continue;
    }
    listAddTail(state.map, list, pfn);
    added++;
  }
  modZoneState(state.vmstat, cpu, zone.id, ZoneStatItem.NR_FREE_PAGES, -(removed << order));
  return added;
}
