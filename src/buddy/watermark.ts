import { MAX_ORDER } from '../lib/units.ts';
import { freeListHead } from '../mm/free-area.ts';
import { Gfp } from '../mm/gfp.ts';
import { MIGRATE_PCPTYPES, Migratetype } from '../mm/migratetype.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { zoneState, zoneStateSnapshot } from '../mm/vmstat.ts';
import { WatermarkIndex, type Zone } from '../mm/zone.ts';
import { AllocFlag } from './alloc-flags.ts';
import type { BuddyState } from './state.ts';

/**
 * Free pages that a request cannot use: the rest of its own block, and the HIGHATOMIC reserve unless
 * it may go below the watermark.
 * @kernel __zone_watermark_unusable_free (spec buddy 4.17)
 */
export function unusableFree(zone: Zone, order: number, allocFlags: number): number {
  const rest = (1 << order) - 1;
  return (allocFlags & AllocFlag.ALLOC_RESERVES) === 0 ? rest + zone.nrReservedHighatomic : rest;
}

/** Mark after the discounts that flags give, pages. */
export function lowerMark(mark: number, allocFlags: number): number {
  let min = mark;
  if ((allocFlags & AllocFlag.ALLOC_MIN_RESERVE) !== 0) {
    min -= Math.trunc(min / 2);
    if ((allocFlags & AllocFlag.ALLOC_NON_BLOCK) !== 0) min -= Math.trunc(min / 4);
  }
  if ((allocFlags & AllocFlag.ALLOC_OOM) !== 0) min -= Math.trunc(min / 2);
  return min;
}

/** Whether there is a block of at least `order` on a list that the flags open. */
export function hasSuitableBlock(
  state: BuddyState,
  zone: number,
  order: number,
  allocFlags: number,
): boolean {
  const { areas, map } = state;
  const { next } = map;
  const highatomic = (allocFlags & (AllocFlag.ALLOC_HIGHATOMIC | AllocFlag.ALLOC_OOM)) !== 0;
  for (let current = order; current < MAX_ORDER; current++) {
    if (areas.nrFree[zone * MAX_ORDER + current] === 0) continue;
    const head = freeListHead(areas, zone, current, 0);
    for (let list = head; list < head + MIGRATE_PCPTYPES; list++) {
      if (next[list] !== list) return true;
    }
    const reserve = head + Migratetype.MIGRATE_HIGHATOMIC;
    if (highatomic && next[reserve] !== reserve) return true;
  }
  return false;
}

/**
 * Whether a zone with so many free pages may give a block.
 * @param mark watermark in pages, boost included
 * @param highestZoneidx highest zone index that the request may use
 * @param freePages free pages to assume
 * @kernel __zone_watermark_ok (spec buddy 4.17)
 */
export function zoneWatermarkOkFree(
  state: BuddyState,
  zone: Zone,
  order: number,
  mark: number,
  highestZoneidx: number,
  allocFlags: number,
  freePages: number,
): boolean {
  const free = freePages - unusableFree(zone, order, allocFlags);
  if (free <= lowerMark(mark, allocFlags) + zone.lowmemReserve[highestZoneidx]) return false;
  return order === 0 || hasSuitableBlock(state, zone.id, order, allocFlags);
}

/** `zoneWatermarkOkFree` with the cheap reading of the free counter. @kernel zone_watermark_ok (spec buddy 4.17) */
export function zoneWatermarkOk(
  state: BuddyState,
  zone: Zone,
  order: number,
  mark: number,
  highestZoneidx: number,
  allocFlags: number,
): boolean {
  const free = zoneState(state.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES);
  return zoneWatermarkOkFree(state, zone, order, mark, highestZoneidx, allocFlags, free);
}

/**
 * The check of the zone walk: a shortcut for order 0, and a second chance for atomic requests
 * against the mark without boost.
 * @kernel zone_watermark_fast (spec buddy 4.17)
 */
export function zoneWatermarkFast(
  state: BuddyState,
  zone: Zone,
  order: number,
  mark: number,
  highestZoneidx: number,
  allocFlags: number,
  gfp: number,
): boolean {
  const free = zoneState(state.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES);
  if (order === 0) {
    const usable = free - Math.min(free, unusableFree(zone, 0, allocFlags));
    if (usable > mark + zone.lowmemReserve[highestZoneidx]) return true;
  }
  if (zoneWatermarkOkFree(state, zone, order, mark, highestZoneidx, allocFlags, free)) return true;
  if (order !== 0 || (gfp & Gfp.__GFP_ATOMIC) === 0 || zone.watermarkBoost === 0) return false;
  if ((allocFlags & AllocFlag.ALLOC_WMARK_MASK) !== AllocFlag.ALLOC_WMARK_MIN) return false;
  const unboosted = zone.watermark[WatermarkIndex.WMARK_MIN];
  return zoneWatermarkOkFree(state, zone, 0, unboosted, highestZoneidx, allocFlags, free);
}

/**
 * The check of kswapd: exact when the cheap reading could be far off.
 * @kernel zone_watermark_ok_safe (spec buddy 4.17)
 */
export function zoneWatermarkOkSafe(
  state: BuddyState,
  zone: Zone,
  order: number,
  mark: number,
  highestZoneidx: number,
): boolean {
  let free = zoneState(state.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES);
  if (zone.percpuDriftMark !== 0 && free < zone.percpuDriftMark) {
    free = zoneStateSnapshot(state.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES);
  }
  return zoneWatermarkOkFree(state, zone, order, mark, highestZoneidx, 0, free);
}
