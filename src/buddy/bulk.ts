import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { WatermarkIndex, wmarkPages, type Zone } from '../mm/zone.ts';
import { allocPages, enterContext, prepareFastPath } from './alloc.ts';
import { type AllocContext, nextZoneref } from './alloc-context.ts';
import { AllocFlag, severalNodesOnline } from './alloc-flags.ts';
import { giveBack, prepNewPage } from './new-page.ts';
import { zoneStatistics } from './numa-events.ts';
import { takeFromPcplist } from './pcp-alloc.ts';
import type { BuddyState } from './state.ts';
import { zoneWatermarkFast } from './watermark.ts';

/** Where a bulk allocation puts its pages; -1 marks an empty slot. */
export type PageSlots = number[] | Int32Array;

/**
 * Allocates order-0 pages into the empty slots of an array.
 * @param slots the array; -1 marks an empty slot
 * @returns slots in use, from the first on
 * @kernel __alloc_pages_bulk (spec buddy 4.22)
 */
export function allocPagesBulkArray(
  state: BuddyState,
  gfp: number,
  node: number,
  nodemask: Uint8Array | null,
  slots: PageSlots,
  cpu: number,
): number {
  let populated = 0;
  while (populated < slots.length && slots[populated] !== NIL) populated++;
  if (populated === slots.length) return populated;
  if (slots.length - populated > 1) {
    const reached = fillFromPcplist(state, gfp, node, nodemask, slots, populated, cpu);
    if (reached >= 0) return reached;
    populated = -1 - reached;
  }
  const pfn = allocPages(state, gfp, 0, node, nodemask, cpu);
  if (pfn === NIL) return populated;
  slots[populated] = pfn;
  return populated + 1;
}

/**
 * The part that takes pages from one per-CPU list.
 * @returns slots in use; or -1 - that number if a single page must be tried
 */
function fillFromPcplist(
  state: BuddyState,
  gfp: number,
  node: number,
  nodemask: Uint8Array | null,
  slots: PageSlots,
  start: number,
  cpu: number,
): number {
  const ac = enterContext(state);
  try {
    const mask = gfp & state.gfpAllowedMask;
    const flags = prepareFastPath(state, ac, mask, node, nodemask);
    const askedMask = state.cpusets === null ? mask : mask | Gfp.__GFP_HARDWALL;
    const zone = bulkZone(state, askedMask, flags, ac, slots.length);
    if (zone === null || state.pcpContended?.(cpu, zone.id)) return -1 - start;
    const cell = cpu * state.pagesets.zoneCount + zone.id;
    const preferred = ac.zonelist[ac.preferredZoneref];
    let populated = start;
    let taken = 0;
    try {
      for (; populated < slots.length; populated++) {
        if (slots[populated] !== NIL) continue;
        const pfn = takeFromPcplist(state, cell, zone, 0, ac.migratetype, flags, cpu);
        if (pfn === NIL) break;
        prepBulkPage(state, zone, pfn, mask, ac.migratetype, cpu);
        slots[populated] = pfn;
        taken++;
      }
    } finally {
      if (taken > 0) {
        countVmEvents(state.vmstat, cpu, VmEvent.pgalloc_dma + zone.index, taken);
        zoneStatistics(state, preferred, zone, cpu, taken);
      }
    }
    if (taken === 0 && populated < slots.length) return -1 - populated;
    return populated;
  } finally {
    state.depth--;
  }
}

/** Prepares a page; if the backend throws, it is the first one of its list again. */
function prepBulkPage(
  state: BuddyState,
  zone: Zone,
  pfn: number,
  gfp: number,
  migratetype: number,
  cpu: number,
): void {
  try {
    prepNewPage(state, pfn, 0, gfp, 0);
  } catch (error) {
    giveBack(state, zone, pfn, 0, migratetype, cpu);
    throw error;
  }
}

/** The zone that a bulk request may take all its pages from, null for none. */
function bulkZone(
  state: BuddyState,
  gfp: number,
  flags: number,
  ac: AllocContext,
  count: number,
): Zone | null {
  const { zonelist, highestZoneidx, nodemask, preferredZoneref } = ac;
  if (preferredZoneref >= zonelist.length) return null;
  const preferred = zonelist[preferredZoneref];
  let position = preferredZoneref;
  for (; position < zonelist.length; position++) {
    position = nextZoneref(zonelist, position, highestZoneidx, nodemask);
    if (position >= zonelist.length) return null;
    const zone = zonelist[position];
    const { cpusets } = state;
    if (cpusets !== null && (flags & AllocFlag.ALLOC_CPUSET) !== 0) {
      if (!cpusets.nodeAllowed(zone.node, gfp)) continue;
    }
    if (zone.node !== preferred.node && severalNodesOnline(state)) return null;
    const mark = wmarkPages(zone, WatermarkIndex.WMARK_LOW) + count;
    // The reserve is that of the preferred zone's index, as in the kernel.
    if (zoneWatermarkFast(state, zone, 0, mark, preferred.index, flags, gfp)) return zone;
  }
  return null;
}

/**
 * Allocates order-0 pages to the head of a list, so that it ends in reverse order of allocation.
 * @param list the list, its head first; pages are inserted at the front
 * @returns number of pages allocated
 * @kernel alloc_pages_bulk_list (spec buddy 4.22)
 */
export function allocPagesBulkList(
  state: BuddyState,
  gfp: number,
  node: number,
  nodemask: Uint8Array | null,
  count: number,
  list: number[],
  cpu: number,
): number {
  const slots = new Array<number>(count).fill(NIL);
  try {
    return allocPagesBulkArray(state, gfp, node, nodemask, slots, cpu);
  } finally {
    // Also when the backend threw: what it gave before is the caller's.
    prepend(
      list,
      slots.filter((pfn) => pfn !== NIL),
    );
  }
}

/** Puts the last of `pfns` first on the list. Arguments of a call would be too few for all. */
function prepend(list: number[], pfns: readonly number[]): void {
  const behind = list.splice(0);
  for (let i = pfns.length - 1; i >= 0; i--) list.push(pfns[i]);
  for (const pfn of behind) list.push(pfn);
}
