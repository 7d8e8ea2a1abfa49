import { MAX_ORDER } from '../lib/units.ts';
import { freeListHead } from '../mm/free-area.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { setPageblockSkip } from '../mm/page-map.ts';
import { pfnValid } from '../mm/sections.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { type Zone, zoneEndPfn } from '../mm/zone.ts';
import type { CompactControl } from './compact-control.ts';
import type { CompactionContext } from './compaction-context.ts';
import { MigrateMode } from './constants.ts';
import { freelistScanLimit, makeFirst } from './fast-migrate-search.ts';
import { isolateFreepagesBlock, isolateTarget } from './free-block.ts';
import { blockIsInZone, pageblockEndPfn, pageblockStartPfn } from './pageblock.ts';

/** Registers of one fast search for targets. */
interface FreeSearch {
  /** Entries that may still be looked at per order. */
  limit: number;
  /** Targets at or above it are taken at once. */
  readonly lowPfn: number;
  /** Targets at or above it are taken if nothing better shows. */
  readonly minPfn: number;
  /** Highest block start seen. */
  highest: number;
  /** Entries looked at, and pages of blocks taken. */
  scanned: number;
  /** The target found, -1 for none. */
  page: number;
}

/**
 * Looks for a target near the end of the zone in the MOVABLE free lists instead of walking there.
 * @kernel fast_isolate_freepages (spec slowpath-compaction 4.22)
 */
export function fastIsolateFreepages(ctx: CompactionContext, cc: CompactControl): void {
  if (cc.order <= 0) return;
  const { map } = ctx.model;
  const search = startSearch(ctx, cc);
  const fromInitial = cc.freePfn >= cc.state.initFreePfn;
  if (fromInitial) search.limit = (1 << map.pageblockOrder) >> 1;
  searchOrders(ctx, cc, search);
  if (search.page < 0) {
    cc.noteFastSearchFailure();
    if (fromInitial) guessPosition(ctx, cc, search);
  }
  if (search.highest !== 0 && search.highest >= cc.state.cachedFreePfn) {
    const below = search.highest - (1 << map.pageblockOrder);
    // In a zone that starts inside the first pageblock it wraps, to above every page frame.
    cc.state.cachedFreePfn = below < 0 ? below + 2 ** 64 : below;
  }
  cc.totalFreeScanned += search.scanned;
  if (search.page >= 0) isolateAround(ctx, cc, search.page);
}

function startSearch(ctx: CompactionContext, cc: CompactControl): FreeSearch {
  const { map } = ctx.model;
  const distance = cc.freePfn - cc.migratePfn;
  // With the scanners crossed the kernel's unsigned distance wraps: no page is high enough.
  const crossed = distance < 0;
  return {
    limit: Math.max(1, freelistScanLimit(cc) >> 1),
    lowPfn: crossed ? Infinity : pageblockStartPfn(map, cc.freePfn - (distance >> 2)),
    minPfn: crossed ? Infinity : pageblockStartPfn(map, cc.freePfn - (distance >> 1)),
    highest: 0,
    scanned: 0,
    page: -1,
  };
}

function searchOrders(ctx: CompactionContext, cc: CompactControl, search: FreeSearch): void {
  const { areas } = ctx.model;
  cc.searchOrder = Math.min(cc.order - 1, cc.searchOrder);
  let order = cc.searchOrder;
  while (search.page < 0 && order >= 0) {
    if (areas.nrFree[cc.zone.id * MAX_ORDER + order] > 0) {
      const orderScanned = searchOrder(ctx, cc, search, order);
      if (search.page >= 0 && !takeFound(ctx, cc, search, order)) order = cc.searchOrder + 1;
      if (orderScanned >= search.limit) search.limit = Math.max(1, search.limit >> 1);
    }
    order = nextSearchOrder(cc, order);
  }
}

/** Walks the MOVABLE list of one order from its tail; the number of entries looked at. */
function searchOrder(
  ctx: CompactionContext,
  cc: CompactControl,
  search: FreeSearch,
  order: number,
): number {
  const { map, areas } = ctx.model;
  const head = freeListHead(areas, cc.zone.id, order, Migratetype.MIGRATE_MOVABLE);
  let orderScanned = 0;
  let highPfn = 0;
  let rotateTo = -1;
  for (let pfn = map.prev[head]; pfn !== head; pfn = map.prev[pfn]) {
    orderScanned++;
    search.scanned++;
    if (pfn >= search.highest) {
      search.highest = Math.max(pageblockStartPfn(map, pfn), cc.zone.startPfn);
    }
    if (pfn >= search.lowPfn) {
      cc.fastSearchFail = 0;
      cc.searchOrder = order;
      search.page = pfn;
      rotateTo = pfn;
      break;
    }
    if (pfn >= search.minPfn && pfn > highPfn) {
      highPfn = pfn;
      search.limit >>= 1;
    }
    if (orderScanned >= search.limit) {
      rotateTo = pfn;
      break;
    }
  }
  if (search.page < 0 && highPfn !== 0) {
    search.page = highPfn;
    rotateTo = highPfn;
  }
  if (rotateTo >= 0) makeFirst(ctx.model, head, rotateTo);
  return orderScanned;
}

/** Isolates the block found; false when a watermark forbids it, which ends the search. */
function takeFound(
  ctx: CompactionContext,
  cc: CompactControl,
  search: FreeSearch,
  order: number,
): boolean {
  const taken = isolateTarget(ctx, cc, search.page, order);
  if (taken === 0) {
    search.page = -1;
    return false;
  }
  search.scanned += taken - 1;
  countVmEvents(ctx.model.vmstat, cc.cpu, VmEvent.compact_isolated, taken);
  return true;
}

/**
 * The order to search after `order`, -1 to stop. It goes down, wraps to the top once, and ends where
 * it started; the next search then starts one lower. It is evaluated after a find as well.
 * @kernel next_search_order
 */
function nextSearchOrder(cc: CompactControl, order: number): number {
  let next = order - 1;
  if (next < 0) next = cc.order - 1;
  if (next !== cc.searchOrder) return next;
  cc.searchOrder--;
  if (cc.searchOrder < 0) cc.searchOrder = cc.order - 1;
  return -1;
}

/** Nothing to take: move the free scanner to the highest block seen, or halfway. */
function guessPosition(ctx: CompactionContext, cc: CompactControl, search: FreeSearch): void {
  const { map, sections } = ctx.model;
  if (search.highest >= search.minPfn) {
    search.page = search.highest;
    cc.freePfn = search.highest;
    return;
  }
  if (!cc.direct || search.minPfn === Infinity || !pfnValid(sections, search.minPfn)) return;
  const end = Math.min(pageblockEndPfn(map, search.minPfn), zoneEndPfn(cc.zone));
  if (blockIsInZone(map, cc.zone, search.minPfn, end)) search.page = search.minPfn;
  cc.freePfn = search.minPfn;
}

/** Takes more targets of the block around `pfn`. @kernel fast_isolate_around */
function isolateAround(ctx: CompactionContext, cc: CompactControl, pfn: number): void {
  const { map } = ctx.model;
  if (cc.nrFreepages >= cc.nrMigratepages) return;
  if (cc.direct && cc.mode === MigrateMode.MIGRATE_ASYNC) return;
  const [start, end] = clippedBlock(ctx, cc.zone, pfn);
  if (!blockIsInZone(map, cc.zone, start, end)) return;
  isolateFreepagesBlock(ctx, cc, start, end, 1);
  if (cc.nrFreepages < cc.nrMigratepages) setPageblockSkip(map, start, true);
}

function clippedBlock(ctx: CompactionContext, zone: Zone, pfn: number): [number, number] {
  const { map } = ctx.model;
  return [
    Math.max(pageblockStartPfn(map, pfn), zone.startPfn),
    Math.min(pageblockEndPfn(map, pfn), zoneEndPfn(zone)),
  ];
}
