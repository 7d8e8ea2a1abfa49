import { MAX_ORDER, NIL } from '../lib/units.ts';
import { MIGRATE_TYPES } from '../mm/migratetype.ts';
import { PageFlag } from '../mm/page-flags.ts';
import {
  allocatedOrder,
  buddyOrder,
  cachedMigratetype,
  compoundHead,
  compoundOrder,
  isCompound,
  isOffListBlock,
  pageblockMigratetype,
} from '../mm/page-map.ts';
import { NR_PCP_LISTS } from '../mm/pageset.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { pindexToOrder } from './pcp-index.ts';
import type { BuddyState } from './state.ts';

/**
 * Where a page is: `buddy` on a free list, `pcp` on a per-CPU list, `allocated` in a block that was
 * handed out, `reserved` never given to the allocator, `hole` no page at all, `off-list` neither free
 * nor allocated: isolated by compaction, or lost as a bad page.
 */
export type PagePlace = 'buddy' | 'pcp' | 'allocated' | 'reserved' | 'off-list' | 'hole';

/** The answer to "where is this page now?". Fields that do not apply are -1. */
export interface PageLocation {
  /** The page frame that was asked for. */
  readonly pfn: number;
  /** Where it is. */
  readonly place: PagePlace;
  /** Node id. */
  readonly node: number;
  /** Zone name, empty for a hole. */
  readonly zone: string;
  /** Migratetype of its pageblock. */
  readonly pageblockType: number;
  /** First page frame of the block that it belongs to. */
  readonly block: number;
  /** Order of that block. */
  readonly order: number;
  /** Migratetype of the list that the block is on, or returns to from a per-CPU list. */
  readonly migratetype: number;
  /** Position of the block on its list, 0 for the head: what is taken next. */
  readonly position: number;
  /** CPU whose list the block is on. */
  readonly cpu: number;
  /** Index of the per-CPU list. */
  readonly pindex: number;
  /** References of an allocated block. */
  readonly refcount: number;
}

/** Finds out where a page is. Walks the list that it is on; changes nothing. */
export function locate(state: BuddyState, pfn: number): PageLocation {
  const { map } = state;
  const inMap = pfn >= 0 && pfn < map.endPfn && map.zone[pfn] > 0;
  if (!inMap) return { ...NOWHERE, pfn };
  const zone = state.zones[map.zone[pfn] - 1];
  const base = {
    ...NOWHERE,
    pfn,
    node: zone.node,
    zone: ZONE_NAMES[zone.index],
    pageblockType: pageblockMigratetype(map, pfn),
  };
  return onFreeList(state, base) ?? inAllocatedBlock(state, base);
}

const NOWHERE: PageLocation = {
  pfn: NIL,
  place: 'hole',
  node: NIL,
  zone: '',
  pageblockType: NIL,
  block: NIL,
  order: NIL,
  migratetype: NIL,
  position: NIL,
  cpu: NIL,
  pindex: NIL,
  refcount: NIL,
};

/** The free block, on whatever list, that a page is in. */
function onFreeList(state: BuddyState, base: PageLocation): PageLocation | null {
  const { map } = state;
  for (let size = 0; size < MAX_ORDER; size++) {
    const block = base.pfn & -(1 << size);
    if (map.zone[block] !== map.zone[base.pfn]) break;
    const order = buddyOrder(map, block);
    if (order >= size) {
      const migratetype = listOf(state, block, state.areas.firstHead) % MIGRATE_TYPES;
      return { ...base, place: 'buddy', block, order, migratetype, position: rank(state, block) };
    }
    if (!isOffListBlock(map, block)) continue;
    const list = listOf(state, block, state.pagesets.firstHead);
    const pindex = list % NR_PCP_LISTS;
    if (pindexToOrder(state, pindex) < size) continue;
    return {
      ...base,
      place: 'pcp',
      block,
      order: pindexToOrder(state, pindex),
      migratetype: cachedMigratetype(map, block),
      position: rank(state, block),
      cpu: Math.floor(list / NR_PCP_LISTS / state.pagesets.zoneCount),
      pindex,
    };
  }
  return null;
}

/** Number of the list that a block is on, counted from the list with the head `firstHead`. */
function listOf({ map }: BuddyState, block: number, firstHead: number): number {
  let index = block;
  while (index < map.endPfn) index = map.next[index];
  return index - firstHead;
}

/** Blocks before a block on its list. */
function rank({ map }: BuddyState, block: number): number {
  let position = 0;
  for (let index = map.prev[block]; index < map.endPfn; index = map.prev[index]) position++;
  return position;
}

/** The block that a page in use is in, or what else there is to say of it. */
function inAllocatedBlock({ map }: BuddyState, base: PageLocation): PageLocation {
  const { pfn } = base;
  if (isCompound(map, pfn)) {
    const block = compoundHead(map, pfn);
    const order = compoundOrder(map, pfn);
    return { ...base, place: 'allocated', block, order, refcount: map.refcount[block] };
  }
  for (let size = 0; size < MAX_ORDER; size++) {
    const block = pfn & -(1 << size);
    const order = allocatedOrder(map, block);
    if (order < size || map.zone[block] !== map.zone[pfn]) continue;
    return { ...base, place: 'allocated', block, order, refcount: map.refcount[block] };
  }
  if ((map.flags[pfn] & PageFlag.PG_reserved) !== 0) return { ...base, place: 'reserved' };
  if (map.refcount[pfn] === 0) return { ...base, place: 'off-list' };
  return { ...base, place: 'allocated', block: pfn, order: 0, refcount: map.refcount[pfn] };
}
