import { listAdd, listDel, listMoveTail } from '../lib/list.ts';
import { MAX_ORDER, NIL } from '../lib/units.ts';
import { type FreeAreas, freeListHead } from '../mm/free-area.ts';

/** Inserts a block at the head of a list: it is taken next. @kernel add_to_free_list (spec buddy 4.1) */
export function addToFreeList(
  areas: FreeAreas,
  pfn: number,
  zone: number,
  order: number,
  migratetype: number,
): void {
  listAdd(areas.map, freeListHead(areas, zone, order, migratetype), pfn);
  areas.nrFree[zone * MAX_ORDER + order]++;
}

/** Moves a block from whatever list it is on to the tail of another of its order. @kernel move_to_free_list (spec buddy 4.1) */
export function moveToFreeList(
  areas: FreeAreas,
  pfn: number,
  zone: number,
  order: number,
  migratetype: number,
): void {
  listMoveTail(areas.map, freeListHead(areas, zone, order, migratetype), pfn);
}

/** Takes a block off its list; it is no longer a free block. @kernel del_page_from_free_list (spec buddy 4.1) */
export function delPageFromFreeList(
  areas: FreeAreas,
  pfn: number,
  zone: number,
  order: number,
): void {
  listDel(areas.map, pfn);
  areas.map.blockState[pfn] = 0;
  areas.nrFree[zone * MAX_ORDER + order]--;
}

/** Head of a list without removing it, -1 if the list is empty. @kernel get_page_from_free_area (spec buddy 4.1) */
export function getPageFromFreeArea(
  areas: FreeAreas,
  zone: number,
  order: number,
  migratetype: number,
): number {
  const head = freeListHead(areas, zone, order, migratetype);
  const pfn = areas.map.next[head];
  return pfn === head ? NIL : pfn;
}
