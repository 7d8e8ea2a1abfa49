import { ctz32 } from '../lib/bits.ts';
import { listAddTail } from '../lib/list.ts';
import { MAX_ORDER, NIL } from '../lib/units.ts';
import { type FreeAreas, freeListHead } from '../mm/free-area.ts';
import { MIGRATE_TYPES } from '../mm/migratetype.ts';
import { setBuddyOrder, setCachedMigratetype } from '../mm/page-map.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { modZoneState } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import { rmqueueFallback } from './fallback.ts';
import { addToFreeList, delPageFromFreeList } from './free-list.ts';
import { arePagesNew, checkNewPages } from './new-page.ts';
import { rmqueueSmallest, traceZoneLocked } from './split.ts';
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
  state.trace?.functionEntry?.('rmqueue_bulk', { zone: zone.id, order, count, migratetype });
  const { vmstat } = state;
  const refused = state.refusedBlocks;
  let removed = 0;
  while (removed < count) {
    const taken = takeRun(state, zone.id, order, count - removed, list, migratetype);
    removed += taken;
    if (taken > 0) continue;
    if (!rmqueueFallback(state, zone, order, migratetype, allocFlags)) break;
  }
  modZoneState(vmstat, cpu, zone.id, ZoneStatItem.NR_FREE_PAGES, -(removed << order));
  return removed - (state.refusedBlocks - refused);
}

/**
 * Takes the first block of a type and as many of the following pieces of it as are wanted: what
 * taking them one by one would give, since smaller blocks come first and the lists below that of the
 * block are empty.
 * @returns number of blocks of `order` taken off the free lists, 0 if the type has none
 */
function takeRun(
  state: BuddyState,
  zone: number,
  order: number,
  wanted: number,
  list: number,
  migratetype: number,
): number {
  const { areas, map } = state;
  const { next, prev, blockState } = map;
  let head = freeListHead(areas, zone, order, migratetype);
  let current = order;
  while (next[head] === head) {
    if (++current === MAX_ORDER) return 0;
    head += MIGRATE_TYPES;
  }
  const pfn = next[head];
  const size = 1 << order;
  const taken = Math.min(wanted, 1 << (current - order));
  const end = pfn + taken * size;
  delPageFromFreeList(areas, pfn, zone, current);
  giveBackRest(areas, end, pfn + (1 << current), zone, migratetype);
  if (state.trace !== null || !arePagesNew(map, pfn, end)) {
    linkChecked(state, pfn, end, order, list, migratetype);
    return taken;
  }
  const cached = (migratetype << 4) | 0xf;
  let last = prev[list];
  for (let block = pfn; block < end; block += size) {
    blockState[block] = cached;
    next[last] = block;
    prev[block] = last;
    last = block;
  }
  next[last] = list;
  prev[list] = last;
  return taken;
}

/** Puts the blocks of a run on a list one by one; those with a bad page are lost. */
function linkChecked(
  state: BuddyState,
  start: number,
  end: number,
  order: number,
  list: number,
  migratetype: number,
): void {
  const { map } = state;
  for (let block = start; block < end; block += 1 << order) {
    if (state.trace !== null) traceZoneLocked(state, block, order, migratetype);
    setCachedMigratetype(map, block, migratetype);
    if (checkNewPages(state, block, order)) {
      listAddTail(map, list, block);
    } else {
      map.blockState[block] = 0;
      state.refusedBlocks++;
    }
  }
}

/** Puts the upper part of a block back, in the pieces that splitting leaves. */
function giveBackRest(
  areas: FreeAreas,
  start: number,
  end: number,
  zone: number,
  migratetype: number,
): void {
  for (let pfn = start; pfn < end; ) {
    const order = ctz32(pfn);
    addToFreeList(areas, pfn, zone, order, migratetype);
    setBuddyOrder(areas.map, pfn, order);
    pfn += 1 << order;
  }
}
