import { ArgumentError, checkInteger, PageframeError } from '../lib/errors.ts';
import { type Links, listInit } from '../lib/list.ts';
import { alignUp, MAX_ORDER, MAX_ORDER_NR_PAGES } from '../lib/units.ts';
import { Migratetype } from './migratetype.ts';

/** Low bits of `blockState`: order + 1 of the block that starts here, 0 for none. */
const BLOCK_ORDER_MASK = 0xf;
/** Low bits of a block on a per-CPU list or on its way; bits 4..6 are its cached migratetype. */
const BLOCK_OFF_LIST = 0xf;
const CACHED_TYPE_SHIFT = 4;
/** Bits 4..6 of the first page of an allocated block that is no compound page. */
const BLOCK_ALLOCATED = 0x70;
/** Bit 7 of `blockState`: part of a compound page (the head also has PG_head). */
const BLOCK_COMPOUND = 0x80;

/** List heads that a map can hand out: 64 CPUs on 63 nodes with all their lists fit. */
const LIST_HEADS_DEFAULT = 0x80000;

/** Everything that a page map can be asked to hold. */
export interface PageMapOptions {
  /** One past the highest page frame number, at most 2^30. */
  readonly endPfn: number;
  /** log2 of the pages in a pageblock: 9, or 10 without HUGETLB_PAGE. Default 9. */
  readonly pageblockOrder?: number;
  /** List heads to leave room for. Default 524288. */
  readonly listHeads?: number;
}

/**
 * The model's `struct page` array, as structure of arrays over one flat range of page frames, all
 * arrays indexed by pfn. Holes and untouched frames cost address space only, because a zero-filled
 * typed array is backed by the host where it is touched; so all-zero means "never initialised", and
 * a free page in the middle of a block is all zero but for its zone byte.
 *
 * 24 bytes per frame: flags, next, prev, refcount, private (4 each), mapcount (2), zone (1),
 * blockState (1).
 *
 * @kernel struct page, mem_map (spec memory-model 2.3)
 */
export class PageMap implements Links {
  /** One past the highest page frame number; also the first list head. */
  readonly endPfn: number;
  /** log2 of the pages in a pageblock. */
  readonly pageblockOrder: number;
  /** PG_ bits (see `PageFlag`) and the model's own (see `PageMark`). */
  readonly flags: Uint32Array;
  /** Following index on the list that the page is on. */
  readonly next: Int32Array;
  /** Preceding index on the list that the page is on. */
  readonly prev: Int32Array;
  /** References; 0 while free. */
  readonly refcount: Int32Array;
  /** Owner's word: file index of a page cache page, slab number of a slab's head page. */
  readonly private: Int32Array;
  /** Page-table mappings, 0 for none (the kernel's `_mapcount` + 1). */
  readonly mapcount: Int16Array;
  /**
   * Zone id + 1 of an initialised page, 0 otherwise. Read it with `zoneIdOf`. Like `blockState` it
   * reaches to the end of the largest block, so that any buddy of a page can be asked for.
   */
  readonly zone: Uint8Array;
  /**
   * What starts at a page, in one byte so that the buddy test is one comparison: order + 1 on the
   * first page of a free block in the buddy lists; the cached migratetype << 4 | 0xf on a free block
   * off them, in general on a per-CPU list; 0x70 | order + 1 on the first page of an allocated
   * block; 0x80 | order + 1 on every page of a compound page. Use the functions of this module.
   */
  readonly blockState: Uint8Array;
  /** Per pageblock: bits 0..2 migratetype, bit 3 skip hint of compaction. */
  readonly pageblockFlags: Uint8Array;
  /** List heads handed out so far. */
  listHeadCount = 0;

  constructor(options: PageMapOptions) {
    const { endPfn, pageblockOrder = 9, listHeads = LIST_HEADS_DEFAULT } = options;
    checkInteger('endPfn', endPfn, 1, 0x40000000);
    checkInteger('pageblockOrder', pageblockOrder, 1, 10);
    checkInteger('listHeads', listHeads, 0, 0x10000000);
    this.endPfn = endPfn;
    this.pageblockOrder = pageblockOrder;
    this.flags = new Uint32Array(endPfn);
    this.next = new Int32Array(endPfn + listHeads);
    this.prev = new Int32Array(endPfn + listHeads);
    this.refcount = new Int32Array(endPfn);
    this.private = new Int32Array(endPfn);
    this.mapcount = new Int16Array(endPfn);
    const buddyEnd = alignUp(endPfn, MAX_ORDER_NR_PAGES);
    this.zone = new Uint8Array(buddyEnd);
    this.blockState = new Uint8Array(buddyEnd);
    this.pageblockFlags = new Uint8Array(Math.ceil(endPfn / 2 ** pageblockOrder));
  }

  /**
   * Reserves list heads past the last page and makes them empty lists.
   * @param count number of heads wanted
   * @returns index of the first one; the others follow it
   * @throws PageframeError `LIST_HEADS_EXHAUSTED` when the map was made for fewer
   */
  addListHeads(count: number): number {
    const first = this.endPfn + this.listHeadCount;
    if (first + count > this.next.length) {
      throw new PageframeError('LIST_HEADS_EXHAUSTED', 'the page map has no room for more lists', {
        count,
        used: this.listHeadCount,
        capacity: this.next.length - this.endPfn,
      });
    }
    for (let head = first; head < first + count; head++) listInit(this, head);
    this.listHeadCount += count;
    return first;
  }
}

/** Whether `pfn` is a page frame of the map that was initialised. @kernel pfn_valid (of RAM) */
export function pageIsInitialised(map: PageMap, pfn: number): boolean {
  return pfn >= 0 && pfn < map.endPfn && map.zone[pfn] !== 0;
}

/** Zone id of an initialised page, -1 of any other inside the map. @kernel page_zone_id */
export function zoneIdOf(map: PageMap, pfn: number): number {
  return map.zone[pfn] - 1;
}

/** Whether a free block of exactly `order` starts at `pfn`, which is inside the map. @kernel PageBuddy */
export function isBuddyOfOrder(map: PageMap, pfn: number, order: number): boolean {
  return map.blockState[pfn] === order + 1;
}

/** Order of the free block that starts at `pfn`, -1 if none does. @kernel buddy_order */
export function buddyOrder(map: PageMap, pfn: number): number {
  const state = map.blockState[pfn];
  return state > MAX_ORDER ? -1 : state - 1;
}

/** Marks `pfn` as the first page of a free block. @kernel set_buddy_order */
export function setBuddyOrder(map: PageMap, pfn: number, order: number): void {
  map.blockState[pfn] = order + 1;
}

/** Marks `pfn` as off the buddy lists, remembering the list type. @kernel set_pcppage_migratetype */
export function setCachedMigratetype(map: PageMap, pfn: number, migratetype: number): void {
  map.blockState[pfn] = (migratetype << CACHED_TYPE_SHIFT) | BLOCK_OFF_LIST;
}

/** The list type remembered by `setCachedMigratetype`. @kernel get_pcppage_migratetype */
export function cachedMigratetype(map: PageMap, pfn: number): number {
  return (map.blockState[pfn] >> CACHED_TYPE_SHIFT) & 7;
}

/** Whether `pfn` starts a free block that is off the buddy lists, in general on a per-CPU list. */
export function isOffListBlock(map: PageMap, pfn: number): boolean {
  const state = map.blockState[pfn];
  return state < BLOCK_COMPOUND && (state & BLOCK_ORDER_MASK) === BLOCK_OFF_LIST;
}

/** Remembers the order that a block, no compound page, was handed out with. */
export function setAllocatedOrder(map: PageMap, pfn: number, order: number): void {
  map.blockState[pfn] = BLOCK_ALLOCATED | (order + 1);
}

/**
 * Order of the block that was handed out at `pfn`, compound or not; -1 if `pfn` is not the first page
 * of one, or of one that nobody remembers (boot memory that was never released).
 */
export function allocatedOrder(map: PageMap, pfn: number): number {
  const state = map.blockState[pfn];
  const order = (state & BLOCK_ORDER_MASK) - 1;
  if (state < BLOCK_ALLOCATED || order < 0 || order >= MAX_ORDER) return -1;
  return state > BLOCK_COMPOUND && (pfn & ((1 << order) - 1)) !== 0 ? -1 : order;
}

/** Marks all pages of a block as one compound page; PG_head is the caller's. @kernel prep_compound_page */
export function setCompound(map: PageMap, pfn: number, order: number): void {
  map.blockState.fill(BLOCK_COMPOUND | (order + 1), pfn, pfn + (1 << order));
}

/** Undoes `setCompound` for a block of `order` at `pfn`. */
export function clearCompound(map: PageMap, pfn: number, order: number): void {
  map.blockState.fill(0, pfn, pfn + (1 << order));
}

/** Whether `pfn` is part (head or tail) of a compound page. @kernel PageCompound */
export function isCompound(map: PageMap, pfn: number): boolean {
  return map.blockState[pfn] > BLOCK_COMPOUND;
}

/** Order of the compound page that `pfn` is part of, 0 for a single page. @kernel compound_order */
export function compoundOrder(map: PageMap, pfn: number): number {
  const state = map.blockState[pfn];
  return state > BLOCK_COMPOUND ? (state & BLOCK_ORDER_MASK) - 1 : 0;
}

/** First page of the compound page that `pfn` is part of, or `pfn`. @kernel compound_head */
export function compoundHead(map: PageMap, pfn: number): number {
  return pfn & -(1 << compoundOrder(map, pfn));
}

/** Migratetype of the pageblock that holds `pfn`. @kernel get_pageblock_migratetype */
export function pageblockMigratetype(map: PageMap, pfn: number): number {
  return map.pageblockFlags[pfn >> map.pageblockOrder] & 7;
}

/**
 * Sets the migratetype of the pageblock that holds `pfn`; moves no pages between lists. Whether
 * grouping by mobility is off, which turns mergeable types into UNMOVABLE, is the caller's matter.
 * @kernel set_pageblock_migratetype (spec memory-model 4.15)
 */
export function setPageblockMigratetype(map: PageMap, pfn: number, migratetype: number): void {
  if (migratetype < 0 || migratetype > Migratetype.MIGRATE_ISOLATE) {
    throw new ArgumentError(`no such migratetype: ${migratetype}`, { migratetype });
  }
  const block = pfn >> map.pageblockOrder;
  map.pageblockFlags[block] = (map.pageblockFlags[block] & 0x8) | migratetype;
}

/** Skip hint of the pageblock that holds `pfn`. @kernel get_pageblock_skip */
export function pageblockSkip(map: PageMap, pfn: number): boolean {
  return (map.pageblockFlags[pfn >> map.pageblockOrder] & 0x8) !== 0;
}

/** Sets or clears the skip hint of the pageblock that holds `pfn`. @kernel set_pageblock_skip, clear_pageblock_skip */
export function setPageblockSkip(map: PageMap, pfn: number, skip: boolean): void {
  const block = pfn >> map.pageblockOrder;
  if (skip) map.pageblockFlags[block] |= 0x8;
  else map.pageblockFlags[block] &= 0x7;
}
