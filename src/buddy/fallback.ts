import { multFrac } from '../lib/bits.ts';
import { MAX_ORDER, NIL } from '../lib/units.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { buddyOrder, compoundHead, type PageMap, pageblockMigratetype } from '../mm/page-map.ts';
import { WatermarkIndex, type Zone, zoneSpansPfn } from '../mm/zone.ts';
import { ZoneFlag } from '../mm/zone-types.ts';
import { changePageblockMigratetype } from '../mm/zonelist.ts';
import { AllocFlag } from './alloc-flags.ts';
import { getPageFromFreeArea, moveToFreeList } from './free-list.ts';
import type { BuddyState } from './state.ts';

/** Where a request of a type looks when its own lists are empty. @kernel fallbacks (spec buddy 4.7) */
export const FALLBACKS: readonly (readonly [number, number])[] = [
  [Migratetype.MIGRATE_RECLAIMABLE, Migratetype.MIGRATE_MOVABLE],
  [Migratetype.MIGRATE_RECLAIMABLE, Migratetype.MIGRATE_UNMOVABLE],
  [Migratetype.MIGRATE_UNMOVABLE, Migratetype.MIGRATE_MOVABLE],
];

/**
 * Moves all free blocks of a pageblock to the lists of a type, in ascending order to the tails.
 * @returns pages moved; `state.movableInBlock` then holds the pages in use that can be moved
 * @kernel move_freepages_block (spec buddy 4.6)
 */
export function moveFreepagesBlock(
  state: BuddyState,
  zone: Zone,
  pfn: number,
  migratetype: number,
): number {
  const size = 1 << state.pageblockOrder;
  const first = pfn & -size;
  const last = first + size - 1;
  state.movableInBlock = 0;
  if (!zoneSpansPfn(zone, last)) return 0;
  const { map, areas } = state;
  let moved = 0;
  let page = zoneSpansPfn(zone, first) ? first : pfn;
  while (page <= last) {
    const order = buddyOrder(map, page);
    if (order < 0) {
      if (isMovablePage(map, page)) state.movableInBlock++;
      page++;
      continue;
    }
    moveToFreeList(areas, page, zone.id, order, migratetype);
    moved += 1 << order;
    page += 1 << order;
  }
  return moved;
}

/** Whether a page in use is on an LRU list (a tail: its compound head) or of a movable driver. */
export function isMovablePage(map: PageMap, pfn: number): boolean {
  const { flags } = map;
  if ((flags[compoundHead(map, pfn)] & PageFlag.PG_lru) !== 0) return true;
  return (flags[pfn] & PageMark.MAPPING_MOVABLE) !== 0;
}

/** Whether a request of a type may claim the pageblock of a block of `order`. @kernel can_steal_fallback (spec buddy 4.7) */
export function canStealFallback(state: BuddyState, order: number, migratetype: number): boolean {
  if (order >= state.pageblockOrder >> 1) return true;
  return migratetype !== Migratetype.MIGRATE_MOVABLE || state.model.mobilityDisabled;
}

/**
 * Finds the list to take from when a type has no block of an order.
 * @param onlyStealable only answer if the pageblock may be claimed (compaction)
 * @returns the type whose list to use, -1 for none
 * @kernel find_suitable_fallback (spec buddy 4.7)
 */
export function findSuitableFallback(
  state: BuddyState,
  zone: number,
  order: number,
  migratetype: number,
  onlyStealable: boolean,
): number {
  if (state.areas.nrFree[zone * MAX_ORDER + order] === 0) return NIL;
  const candidates = FALLBACKS[migratetype];
  for (let i = 0; i < candidates.length; i++) {
    if (getPageFromFreeArea(state.areas, zone, order, candidates[i]) === NIL) continue;
    if (!onlyStealable || canStealFallback(state, order, migratetype)) return candidates[i];
  }
  return NIL;
}

/**
 * Raises the watermarks of a zone for a while, because a pageblock was polluted.
 * @returns whether the zone takes part in boosting at all
 * @kernel boost_watermark (spec buddy 4.8)
 */
export function boostWatermark(state: BuddyState, zone: Zone): boolean {
  const { watermarkBoostFactor } = state.model.tunables;
  const blockPages = 1 << state.pageblockOrder;
  if (watermarkBoostFactor === 0 || blockPages * 4 > zone.managedPages) return false;
  const max = multFrac(zone.watermark[WatermarkIndex.WMARK_HIGH], watermarkBoostFactor, 10000);
  if (max === 0) return false;
  zone.watermarkBoost = Math.min(zone.watermarkBoost + blockPages, Math.max(blockPages, max));
  return true;
}

/**
 * Takes over the pageblocks of a free block of at least pageblock order. A HIGHATOMIC one is among them
 * if its pages came back from a per-CPU list of another type and merged beyond it; the kernel goes on
 * counting it as reserved.
 * @kernel change_pageblock_range
 */
function changePageblockRange(
  state: BuddyState,
  pfn: number,
  order: number,
  migratetype: number,
): void {
  const size = 1 << state.pageblockOrder;
  for (let page = pfn; page < pfn + (1 << order); page += size) {
    if (pageblockMigratetype(state.map, page) === Migratetype.MIGRATE_HIGHATOMIC) {
      state.isReserveInexact = true;
    }
    changePageblockMigratetype(state.model, page, migratetype);
  }
}

/** Free pages that make a type the owner of a pageblock. @kernel steal_suitable_fallback, whole block (spec buddy 4.8) */
function claimWholeBlock(
  state: BuddyState,
  zone: Zone,
  pfn: number,
  migratetype: number,
  oldType: number,
): boolean {
  const size = 1 << state.pageblockOrder;
  const free = moveFreepagesBlock(state, zone, pfn, migratetype);
  if (free === 0) return false;
  const movable = state.movableInBlock;
  let alike = 0;
  if (migratetype === Migratetype.MIGRATE_MOVABLE) alike = movable;
  else if (oldType === Migratetype.MIGRATE_MOVABLE) alike = size - (free + movable);
  if (free + alike >= size >> 1 || state.model.mobilityDisabled) {
    changePageblockMigratetype(state.model, pfn, migratetype);
  }
  return true;
}

/**
 * Moves a free block, or all free blocks of its pageblock, to the lists of another type.
 * @param pfn head of the fallback list
 * @param wholeBlock whether the pageblock may be claimed
 * @kernel steal_suitable_fallback (spec buddy 4.8)
 */
function stealSuitableFallback(
  state: BuddyState,
  zone: Zone,
  pfn: number,
  order: number,
  allocFlags: number,
  migratetype: number,
  wholeBlock: boolean,
): void {
  state.trace?.functionEntry?.('steal_suitable_fallback', {
    zone: zone.id,
    page: pfn,
    order,
    start_type: migratetype,
  });
  const oldType = pageblockMigratetype(state.map, pfn);
  let claimed = false;
  if (oldType !== Migratetype.MIGRATE_HIGHATOMIC) {
    if (order >= state.pageblockOrder) {
      changePageblockRange(state, pfn, order, migratetype);
    } else {
      if (boostWatermark(state, zone) && (allocFlags & AllocFlag.ALLOC_KSWAPD) !== 0) {
        zone.flags |= ZoneFlag.ZONE_BOOSTED_WATERMARK;
      }
      claimed = wholeBlock && claimWholeBlock(state, zone, pfn, migratetype, oldType);
    }
  }
  if (!claimed) moveToFreeList(state.areas, pfn, zone.id, order, migratetype);
}

/** Largest order to take a foreign block of, or the smallest for a movable request that may not claim its pageblock; -1 for none. */
export function fallbackOrder(
  state: BuddyState,
  zone: number,
  order: number,
  migratetype: number,
  minOrder: number,
): number {
  let current = MAX_ORDER - 1;
  while (findSuitableFallback(state, zone, current, migratetype, false) === NIL) {
    if (--current < minOrder) return NIL;
  }
  const mayClaim = canStealFallback(state, current, migratetype);
  if (mayClaim || migratetype !== Migratetype.MIGRATE_MOVABLE || current === order) return current;
  current = order;
  while (findSuitableFallback(state, zone, current, migratetype, false) === NIL) current++;
  return current;
}

/**
 * Makes a block of another type available to a type.
 * @returns whether there was one; then the lists of `migratetype` have a block of at least `order`
 * @kernel __rmqueue_fallback (spec buddy 4.9)
 */
export function rmqueueFallback(
  state: BuddyState,
  zone: Zone,
  order: number,
  migratetype: number,
  allocFlags: number,
): boolean {
  const { pageblockOrder } = state;
  const nofragment = (allocFlags & AllocFlag.ALLOC_NOFRAGMENT) !== 0;
  const minOrder = nofragment && order < pageblockOrder ? pageblockOrder : order;
  const current = fallbackOrder(state, zone.id, order, migratetype, minOrder);
  if (current === NIL) return false;
  const fallback = findSuitableFallback(state, zone.id, current, migratetype, false);
  const pfn = getPageFromFreeArea(state.areas, zone.id, current, fallback);
  const mayClaim = canStealFallback(state, current, migratetype);
  stealSuitableFallback(state, zone, pfn, current, allocFlags, migratetype, mayClaim);
  if (state.trace !== null) {
    const owns = pageblockMigratetype(state.map, pfn) === migratetype ? 1 : 0;
    state.trace.mmPageAllocExtfrag?.(pfn, order, current, migratetype, fallback, owns);
  }
  return true;
}
