import { alignUp, MAX_ORDER, NIL } from '../lib/units.ts';
import { Gfp, gfpZone } from '../mm/gfp.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { buddyOrder, pageblockMigratetype } from '../mm/page-map.ts';
import { type Zone, ZonelistIndex, zoneSpansPfn } from '../mm/zone.ts';
import { nextZoneref } from './alloc-context.ts';
import { drainAllPages } from './drain.ts';
import { splitPage } from './exact.ts';
import { freePages } from './free.ts';
import { isolateFreePage } from './isolate-free-page.ts';
import { RangeErrno, startIsolatePageRange, undoIsolatePageRange } from './isolation.ts';
import { prepNewPage } from './new-page.ts';
import type { BuddyState } from './state.ts';

/**
 * Start of the free block that reaches to `start` from below, or `start`.
 * @kernel alloc_contig_range (spec buddy 4.35 step 4)
 */
function outerStart(state: BuddyState, start: number): number {
  for (let size = 0; size < MAX_ORDER; size++) {
    const pfn = start & -(1 << size);
    const order = buddyOrder(state.map, pfn);
    if (order < 0) continue;
    return pfn + (1 << order) <= start ? start : pfn;
  }
  return start;
}

/** Whether a range consists of free blocks in isolated pageblocks. @kernel test_pages_isolated (spec buddy 4.35 step 5) */
function testPagesIsolated(state: BuddyState, start: number, end: number): boolean {
  const { map } = state;
  let pfn = start;
  while (pfn < end && pageblockMigratetype(map, pfn) === Migratetype.MIGRATE_ISOLATE) {
    const order = buddyOrder(map, pfn);
    if (order < 0) break;
    pfn += 1 << order;
  }
  state.trace?.testPagesIsolated?.(start, end, pfn);
  return pfn >= end;
}

/** Takes the free blocks of a range as single pages. @returns end of the last block. @kernel isolate_freepages_range (spec buddy 4.35 step 6) */
function takeRange(state: BuddyState, start: number, end: number, cpu: number): number {
  let pfn = start;
  while (pfn < end) {
    const order = buddyOrder(state.map, pfn);
    isolateFreePage(state, pfn, order, cpu);
    prepNewPage(state, pfn, order, Gfp.__GFP_MOVABLE, 0);
    splitPage(state, pfn, order);
    pfn += 1 << order;
  }
  return pfn;
}

/**
 * Allocates the single pages of a given range, moving away what is in the way if the host can.
 * @param start first page frame
 * @param end one past the last page frame
 * @param migratetype type that the pageblocks get afterwards
 * @returns 0, or a negative error: EBUSY, or what the migration hook gave
 * @kernel alloc_contig_range (spec buddy 4.35)
 */
export function allocContigRange(
  state: BuddyState,
  start: number,
  end: number,
  migratetype: number,
  cpu: number,
): number {
  let error = startIsolatePageRange(state, start, end, migratetype, 0, cpu);
  if (error === 0) error = takeIsolatedRange(state, start, end, cpu);
  undoIsolatePageRange(state, start, end, migratetype, cpu);
  return error;
}

function takeIsolatedRange(state: BuddyState, start: number, end: number, cpu: number): number {
  drainAllPages(state, state.zones[state.map.zone[start] - 1], cpu);
  const migrated = state.hooks.migratePages?.(start, end, cpu) ?? 0;
  if (migrated !== 0 && migrated !== RangeErrno.EBUSY) return migrated;
  const outer = outerStart(state, start);
  if (!testPagesIsolated(state, outer, end)) return RangeErrno.EBUSY;
  const outerEnd = takeRange(state, outer, end, cpu);
  freeContigRange(state, outer, start - outer, cpu);
  freeContigRange(state, end, outerEnd - end, cpu);
  return 0;
}

/** Whether all pages of a range are ordinary pages of a zone. @kernel pfn_range_valid_contig (spec buddy 4.35) */
function isCandidate({ map }: BuddyState, zone: Zone, start: number, end: number): boolean {
  for (let pfn = start; pfn < end; pfn++) {
    if (map.zone[pfn] !== zone.id + 1) return false;
    if ((map.flags[pfn] & PageFlag.PG_reserved) !== 0) return false;
  }
  return true;
}

/**
 * Allocates so many single pages in a row, anywhere in the zones of a request.
 * @param count number of pages
 * @param gfp the request's mask: which zones
 * @param nodemask allowed nodes, null for all
 * @returns first page frame, a multiple of `count`; -1 for none
 * @kernel alloc_contig_pages (spec buddy 4.35)
 */
export function allocContigPages(
  state: BuddyState,
  count: number,
  gfp: number,
  node: number,
  nodemask: Uint8Array | null,
  cpu: number,
): number {
  const thisNode = (gfp & Gfp.__GFP_THISNODE) !== 0;
  const which = thisNode ? ZonelistIndex.ZONELIST_NOFALLBACK : ZonelistIndex.ZONELIST_FALLBACK;
  const zonelist = state.nodes[node].zonelists[which];
  const highest = gfpZone(gfp);
  let position = nextZoneref(zonelist, 0, highest, nodemask);
  while (position < zonelist.length) {
    const zone = zonelist[position];
    let pfn = alignUp(zone.startPfn, count);
    for (; zoneSpansPfn(zone, pfn + count - 1); pfn += count) {
      if (!isCandidate(state, zone, pfn, pfn + count)) continue;
      const type = Migratetype.MIGRATE_MOVABLE;
      if (allocContigRange(state, pfn, pfn + count, type, cpu) === 0) return pfn;
    }
    position = nextZoneref(zonelist, position + 1, highest, nodemask);
  }
  return NIL;
}

/**
 * Frees the single pages of a range in ascending order.
 * @kernel free_contig_range (spec buddy 4.35)
 */
export function freeContigRange(
  state: BuddyState,
  start: number,
  count: number,
  cpu: number,
): void {
  let inUse = 0;
  for (let pfn = start; pfn < start + count; pfn++) {
    if (state.map.refcount[pfn] !== 1) inUse++;
    freePages(state, pfn, 0, cpu);
  }
  if (inUse > 0) state.log?.(`${inUse} pages are still in use!`);
}
