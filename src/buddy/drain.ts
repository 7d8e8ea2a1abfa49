import { PCP_BATCH_SCALE_MAX, pagesetIndex } from '../mm/pageset.ts';
import { isPopulated, type Zone } from '../mm/zone.ts';
import { freePcppagesBulk } from './pcp-free.ts';
import type { BuddyState } from './state.ts';

/**
 * Empties one CPU's lists of a zone.
 * @param owner CPU whose lists are emptied
 * @param cpu CPU that does it, whose counters move
 * @kernel drain_pages_zone (spec buddy 4.29)
 */
export function drainPagesZone(state: BuddyState, zone: Zone, owner: number, cpu: number): void {
  const { pagesets } = state;
  const cell = pagesetIndex(pagesets, owner, zone.id);
  while (pagesets.count[cell] > 0) {
    const chunk = Math.min(pagesets.count[cell], pagesets.batch[cell] << PCP_BATCH_SCALE_MAX);
    freePcppagesBulk(state, zone, chunk, cell, 0, cpu);
  }
}

/** Empties one CPU's lists of all zones. @kernel drain_pages (spec buddy 4.29) */
export function drainPages(state: BuddyState, owner: number, cpu: number): void {
  for (const zone of state.zones) {
    if (isPopulated(zone)) drainPagesZone(state, zone, owner, cpu);
  }
}

/**
 * Empties the lists of all CPUs, CPU after CPU, of one zone or all.
 * @param zone the zone, null for all
 * @kernel drain_all_pages (spec buddy 4.29)
 */
export function drainAllPages(state: BuddyState, zone: Zone | null, cpu: number): void {
  for (let owner = 0; owner < state.model.cpuCount; owner++) {
    if (zone === null) drainPages(state, owner, cpu);
    else drainPagesZone(state, zone, owner, cpu);
  }
}

/** Moves one batch of a CPU's lists to the free lists. @kernel drain_zone_pages (spec buddy 4.29) */
export function drainZonePages(state: BuddyState, zone: Zone, owner: number, cpu: number): void {
  const { pagesets } = state;
  const cell = pagesetIndex(pagesets, owner, zone.id);
  const size = Math.min(pagesets.count[cell], pagesets.batch[cell]);
  if (size > 0) freePcppagesBulk(state, zone, size, cell, 0, cpu);
}
