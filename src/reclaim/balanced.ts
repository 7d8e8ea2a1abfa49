import { MAX_ORDER } from '../lib/units.ts';
import { freePagesInAreas } from '../mm/free-area.ts';
import { Gfp } from '../mm/gfp.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { zoneState, zoneStateSnapshot } from '../mm/vmstat.ts';
import { isManaged, WatermarkIndex, wmarkPages, type Zone } from '../mm/zone.ts';
import { CompactResult, compactGap, PAGE_ALLOC_COSTLY_ORDER } from './constants.ts';
import type { ReclaimState } from './state.ts';

/** A flag that grants nothing: reserved pages stay reserved, CMA pages do not exist here. */
const ALLOC_CMA = 0x80;

const { NR_FREE_PAGES, NR_ZONE_ACTIVE_ANON, NR_ZONE_ACTIVE_FILE } = ZoneStatItem;
const { NR_ZONE_INACTIVE_ANON, NR_ZONE_INACTIVE_FILE } = ZoneStatItem;

/**
 * Whether a node has one zone good enough for a request: above its high watermark.
 * @param order log2 of the pages of the request
 * @param highestZoneidx highest zone index that it could use
 * @kernel pgdat_balanced (spec reclaim 4.8)
 */
export function pgdatBalanced(
  state: ReclaimState,
  node: number,
  order: number,
  highestZoneidx: number,
): boolean {
  const { allocator, model } = state;
  const { zones } = model.nodes[node];
  let seen = false;
  for (let index = 0; index <= highestZoneidx && index < zones.length; index++) {
    const zone = zones[index];
    if (!isManaged(zone)) continue;
    seen = true;
    const mark = wmarkPages(zone, WatermarkIndex.WMARK_HIGH);
    if (allocator.zoneWatermarkOkSafe(zone.id, order, mark, highestZoneidx)) return true;
  }
  return !seen;
}

/** Whether a watermark of the node's zones up to an index is boosted. @kernel pgdat_watermark_boosted (spec reclaim 4.8) */
export function pgdatWatermarkBoosted(
  state: ReclaimState,
  node: number,
  highestZoneidx: number,
): boolean {
  const { zones } = state.model.nodes[node];
  for (let index = 0; index <= highestZoneidx && index < zones.length; index++) {
    if (isManaged(zones[index]) && zones[index].watermarkBoost !== 0) return true;
  }
  return false;
}

/**
 * Pages of a zone that reclaim could get, exact reading; the zone's free pages if there are none.
 * @kernel zone_reclaimable_pages (spec reclaim 4.8)
 */
export function zoneReclaimablePages(state: ReclaimState, zoneId: number): number {
  const { swap, vm } = state;
  let pages =
    zoneStateSnapshot(vm, zoneId, NR_ZONE_INACTIVE_FILE) +
    zoneStateSnapshot(vm, zoneId, NR_ZONE_ACTIVE_FILE);
  if (swap.nrFree > 0) {
    pages += zoneStateSnapshot(vm, zoneId, NR_ZONE_INACTIVE_ANON);
    pages += zoneStateSnapshot(vm, zoneId, NR_ZONE_ACTIVE_ANON);
  }
  return pages === 0 ? zoneStateSnapshot(vm, zoneId, NR_FREE_PAGES) : pages;
}

/** Whether a request lets compaction run. @kernel gfp_compaction_allowed (spec reclaim 3) */
export function gfpCompactionAllowed(state: ReclaimState, gfp: number): boolean {
  return state.compaction && (gfp & Gfp.__GFP_IO) !== 0;
}

/**
 * Whether compaction of a zone could make a block of an order: the default of the host's answer.
 * @returns a `CompactResult`
 * @kernel compaction_suitable (spec reclaim 4.27)
 */
export function compactionSuitable(
  state: ReclaimState,
  zoneId: number,
  order: number,
  highestZoneidx: number,
): number {
  const { allocator, model } = state;
  const zone = model.zones[zoneId];
  const min = wmarkPages(zone, WatermarkIndex.WMARK_MIN);
  if (allocator.zoneWatermarkOk(zoneId, order, min, highestZoneidx, 0)) {
    return CompactResult.COMPACT_SUCCESS;
  }
  const costly = order > PAGE_ALLOC_COSTLY_ORDER;
  const base = costly ? wmarkPages(zone, WatermarkIndex.WMARK_LOW) : min;
  const mark = base + compactGap(order);
  if (!allocator.zoneWatermarkOk(zoneId, 0, mark, highestZoneidx, ALLOC_CMA)) {
    return CompactResult.COMPACT_SKIPPED;
  }
  if (costly) {
    const index = fragmentationIndex(state, zone, order);
    if (index >= 0 && index <= model.tunables.extfragThreshold)
      return CompactResult.COMPACT_SKIPPED;
  }
  return CompactResult.COMPACT_CONTINUE;
}

/**
 * Why a request for a block fails in a zone: toward 0 for lack of memory, toward 1000 for
 * fragmentation, -1000 when it would not fail.
 * @kernel fragmentation_index (spec reclaim 4.27)
 */
function fragmentationIndex(state: ReclaimState, zone: Zone, order: number): number {
  const { areas } = state.model;
  let blocks = 0;
  for (let o = 0; o < MAX_ORDER; o++) {
    const free = areas.nrFree[zone.id * MAX_ORDER + o];
    if (o >= order && free > 0) return -1000;
    blocks += free;
  }
  if (blocks === 0) return 0;
  const pages = freePagesInAreas(areas, zone.id);
  const wanted = Math.floor((pages * 1000) / 2 ** order);
  return 1000 - Math.floor((1000 + wanted) / blocks);
}

/** Free pages of all zones of a node, cheap reading. @kernel sum_zone_node_page_state */
export function nodeFreePages(state: ReclaimState, node: number): number {
  let pages = 0;
  for (const zone of state.model.nodes[node].zones) {
    pages += zoneState(state.vm, zone.id, NR_FREE_PAGES);
  }
  return pages;
}
