import { MAX_ORDER, NIL } from '../lib/units.ts';
import { Migratetype, migratetypeIsMergeable } from '../mm/migratetype.ts';
import { pageblockMigratetype } from '../mm/page-map.ts';
import type { Zone } from '../mm/zone.ts';
import { changePageblockMigratetype } from '../mm/zonelist.ts';
import { type AllocContext, nextZoneref } from './alloc-context.ts';
import { moveFreepagesBlock } from './fallback.ts';
import { getPageFromFreeArea } from './free-list.ts';
import type { BuddyState } from './state.ts';

const { MIGRATE_HIGHATOMIC } = Migratetype;

/**
 * Reserves the pageblock of a page that a high-order atomic request got, as long as the zone has
 * few.
 * @kernel reserve_highatomic_pageblock (spec buddy 4.16)
 */
export function reserveHighatomicPageblock(state: BuddyState, zone: Zone, pfn: number): void {
  const size = 1 << state.pageblockOrder;
  const limit = Math.floor(zone.managedPages / 100) + size;
  if (zone.nrReservedHighatomic >= limit) return;
  if (!migratetypeIsMergeable(pageblockMigratetype(state.map, pfn))) return;
  zone.nrReservedHighatomic += size;
  changePageblockMigratetype(state.model, pfn, MIGRATE_HIGHATOMIC);
  moveFreepagesBlock(state, zone, pfn, MIGRATE_HIGHATOMIC);
}

/**
 * Gives a reserved pageblock with free pages back to ordinary requests.
 * @param force also where only one pageblock is reserved
 * @returns whether pages moved to the lists of the request's type
 * @kernel unreserve_highatomic_pageblock (spec buddy 4.16)
 */
export function unreserveHighatomicPageblock(
  state: BuddyState,
  ac: AllocContext,
  force: boolean,
): boolean {
  const { zonelist, highestZoneidx, nodemask } = ac;
  const size = 1 << state.pageblockOrder;
  for (let position = 0; ; position++) {
    position = nextZoneref(zonelist, position, highestZoneidx, nodemask);
    if (position >= zonelist.length) return false;
    const zone = zonelist[position];
    if (!force && zone.nrReservedHighatomic <= size) continue;
    if (unreserveInZone(state, zone, ac.migratetype)) return true;
  }
}

function unreserveInZone(state: BuddyState, zone: Zone, migratetype: number): boolean {
  const size = 1 << state.pageblockOrder;
  for (let order = 0; order < MAX_ORDER; order++) {
    const pfn = getPageFromFreeArea(state.areas, zone.id, order, MIGRATE_HIGHATOMIC);
    if (pfn === NIL) continue;
    if (pageblockMigratetype(state.map, pfn) === MIGRATE_HIGHATOMIC) {
      zone.nrReservedHighatomic -= Math.min(size, zone.nrReservedHighatomic);
    }
    changePageblockMigratetype(state.model, pfn, migratetype);
    if (moveFreepagesBlock(state, zone, pfn, migratetype) > 0) return true;
  }
  return false;
}
