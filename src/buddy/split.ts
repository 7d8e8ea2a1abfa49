import { MAX_ORDER, NIL } from '../lib/units.ts';
import { type FreeAreas, freeListHead } from '../mm/free-area.ts';
import { MIGRATE_PCPTYPES, MIGRATE_TYPES } from '../mm/migratetype.ts';
import { setBuddyOrder, setCachedMigratetype } from '../mm/page-map.ts';
import { addToFreeList, delPageFromFreeList } from './free-list.ts';
import { pcpAllowedOrder } from './pcp-index.ts';
import type { BuddyState } from './state.ts';

/**
 * Splits a block that is off its list down to order `low`: upper halves go to the heads of their
 * lists, the lowest pages stay.
 * @kernel expand (spec buddy 4.4)
 */
export function expand(
  areas: FreeAreas,
  pfn: number,
  zone: number,
  low: number,
  high: number,
  migratetype: number,
): void {
  for (let order = high - 1; order >= low; order--) {
    const upper = pfn + (1 << order);
    addToFreeList(areas, upper, zone, order, migratetype);
    setBuddyOrder(areas.map, upper, order);
  }
}

/**
 * Takes the first block of the smallest order that has one on the lists of a type, split to `order`.
 * The free counter is the caller's.
 * @returns first page frame, -1 if no order has a block of the type
 * @kernel __rmqueue_smallest (spec buddy 4.5)
 */
export function rmqueueSmallest(
  state: BuddyState,
  zone: number,
  order: number,
  migratetype: number,
): number {
  const { areas, map } = state;
  const { next } = map;
  let head = freeListHead(areas, zone, order, migratetype);
  for (let current = order; current < MAX_ORDER; current++, head += MIGRATE_TYPES) {
    const pfn = next[head];
    if (pfn === head) continue;
    delPageFromFreeList(areas, pfn, zone, current);
    expand(areas, pfn, zone, order, current, migratetype);
    setCachedMigratetype(map, pfn, migratetype);
    if (state.trace !== null) traceZoneLocked(state, pfn, order, migratetype);
    return pfn;
  }
  return NIL;
}

/** The tracepoint of a block that left the free lists. */
export function traceZoneLocked(
  state: BuddyState,
  pfn: number,
  order: number,
  migratetype: number,
): void {
  const refill = pcpAllowedOrder(state, order) && migratetype < MIGRATE_PCPTYPES ? 1 : 0;
  state.trace?.mmPageAllocZoneLocked?.(pfn, order, migratetype, refill);
}
