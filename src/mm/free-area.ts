import { listLength, listToArray } from '../lib/list.ts';
import { MAX_ORDER } from '../lib/units.ts';
import { MIGRATE_TYPES } from './migratetype.ts';
import type { PageMap } from './page-map.ts';

/**
 * The free lists of all zones: per zone, order and migratetype one list on the page map's links, per
 * zone and order the number of blocks. Only data; the buddy allocator owns the rules.
 *
 * @kernel struct free_area (spec buddy 2.3)
 */
export class FreeAreas {
  /** Page map whose links the lists use. */
  readonly map: PageMap;
  /** Zones, empty ones included. */
  readonly zoneCount: number;
  /** List head of zone 0, order 0, type 0; the others follow, type fastest, zone slowest. */
  readonly firstHead: number;
  /** Blocks on all lists of an order, `zone * MAX_ORDER + order`. */
  readonly nrFree: Int32Array;

  constructor(map: PageMap, zoneCount: number) {
    this.map = map;
    this.zoneCount = zoneCount;
    this.firstHead = map.addListHeads(zoneCount * MAX_ORDER * MIGRATE_TYPES);
    this.nrFree = new Int32Array(zoneCount * MAX_ORDER);
  }
}

/** Head index of the free list of a zone, order and migratetype. */
export function freeListHead(
  areas: FreeAreas,
  zone: number,
  order: number,
  migratetype: number,
): number {
  return areas.firstHead + (zone * MAX_ORDER + order) * MIGRATE_TYPES + migratetype;
}

/** First page frames of the blocks on a free list, head to tail. */
export function freeListToArray(
  areas: FreeAreas,
  zone: number,
  order: number,
  migratetype: number,
): number[] {
  return listToArray(areas.map, freeListHead(areas, zone, order, migratetype));
}

/** Free pages of a zone by its block counts, per-CPU lists excluded; ISOLATE lists included. */
export function freePagesInAreas(areas: FreeAreas, zone: number): number {
  let pages = 0;
  for (let order = 0; order < MAX_ORDER; order++) {
    pages += areas.nrFree[zone * MAX_ORDER + order] << order;
  }
  return pages;
}

/** Number of blocks on a free list. */
export function freeListLength(
  areas: FreeAreas,
  zone: number,
  order: number,
  migratetype: number,
): number {
  return listLength(areas.map, freeListHead(areas, zone, order, migratetype));
}
