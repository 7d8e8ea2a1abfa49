import { listAdd, listDel } from '../lib/list.ts';
import { MAX_ORDER } from '../lib/units.ts';
import { freeListHead } from '../mm/free-area.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { pageblockSkip, setPageblockSkip } from '../mm/page-map.ts';
import { type CompactControl, FAST_START_DONE } from './compact-control.ts';
import { COMPACT_CLUSTER_MAX, PAGE_ALLOC_COSTLY_ORDER } from './constants.ts';
import { pageblockStartPfn } from './pageblock.ts';

/** Entries that a fast search may look at, halved with each failure in a row. @kernel freelist_scan_limit */
export function freelistScanLimit(cc: CompactControl): number {
  return (COMPACT_CLUSTER_MAX >> Math.min(31, cc.fastSearchFail)) + 1;
}

/**
 * Looks for a block with free pages in the lower part of what is left to scan, so that few pages
 * have to move. The block it finds gets its skip hint at once, which wastes it; 6.1 does the same.
 *
 * @returns where the migration scanner should go on
 * @kernel fast_find_migrateblock (spec slowpath-compaction 4.17)
 */
export function fastFindMigrateblock(model: MemoryModel, cc: CompactControl): number {
  const { map, areas } = model;
  const { zone } = cc;
  const startPfn = cc.migratePfn;
  if (!mayFastSearch(model, cc)) return startPfn;
  const limit = freelistScanLimit(cc);
  let distance = (cc.freePfn - startPfn) >> 1;
  if (startPfn !== zone.startPfn) distance >>= 2;
  const highPfn = pageblockStartPfn(map, startPfn + distance);
  let scanned = 0;
  for (let order = cc.order - 1; order >= PAGE_ALLOC_COSTLY_ORDER && scanned < limit; order--) {
    if (areas.nrFree[zone.id * MAX_ORDER + order] === 0) continue;
    const head = freeListHead(areas, zone.id, order, Migratetype.MIGRATE_MOVABLE);
    for (let pfn = map.next[head]; pfn !== head; pfn = map.next[pfn]) {
      if (scanned++ >= limit) {
        makeLast(model, head, pfn);
        break;
      }
      if (pfn >= highPfn || pageblockSkip(map, pfn)) continue;
      makeLast(model, head, pfn);
      updateFastStartPfn(cc, pfn);
      cc.totalMigrateScanned += scanned;
      cc.fastSearchFail = 0;
      setPageblockSkip(map, pfn, true);
      return Math.max(pageblockStartPfn(map, pfn), zone.startPfn);
    }
  }
  cc.totalMigrateScanned += scanned;
  cc.noteFastSearchFailure();
  // Nothing found: go back to the lowest block passed by on the way, once.
  if (cc.fastStartPfn !== 0 && cc.fastStartPfn !== FAST_START_DONE) {
    cc.migratePfn = cc.fastStartPfn;
    cc.fastStartPfn = FAST_START_DONE;
  }
  return cc.migratePfn;
}

function mayFastSearch(model: MemoryModel, cc: CompactControl): boolean {
  if (cc.ignoreSkipHint) return false;
  const start = cc.migratePfn;
  if (start !== cc.zone.startPfn && start !== pageblockStartPfn(model.map, start)) return false;
  if (cc.order <= PAGE_ALLOC_COSTLY_ORDER) return false;
  return !cc.direct || cc.migratetype === Migratetype.MIGRATE_MOVABLE;
}

function updateFastStartPfn(cc: CompactControl, pfn: number): void {
  if (cc.fastStartPfn === FAST_START_DONE) return;
  cc.fastStartPfn = cc.fastStartPfn === 0 ? pfn : Math.min(cc.fastStartPfn, pfn);
}

/** Rotates a free list so that `pfn` becomes its last element. @kernel move_freelist_head */
export function makeLast(model: MemoryModel, head: number, pfn: number): void {
  listDel(model.map, head);
  listAdd(model.map, pfn, head);
}

/** Rotates a free list so that `pfn` becomes its first element. @kernel move_freelist_tail */
export function makeFirst(model: MemoryModel, head: number, pfn: number): void {
  const { map } = model;
  listDel(map, head);
  listAdd(map, map.prev[pfn], head);
}
