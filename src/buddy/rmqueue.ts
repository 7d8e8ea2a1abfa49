import { NIL } from '../lib/units.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { VmEvent, ZoneStatItem } from '../mm/vm-items.ts';
import { countVmEvents, modZoneState } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import { ZoneFlag } from '../mm/zone-types.ts';
import { AllocFlag } from './alloc-flags.ts';
import { checkNewPages } from './new-page.ts';
import { zoneStatistics } from './numa-events.ts';
import { rmqueuePcplist } from './pcp-alloc.ts';
import { pcpAllowedOrder } from './pcp-index.ts';
import { rmqueueFromLists } from './rmqueue-bulk.ts';
import { rmqueueSmallest } from './split.ts';
import type { BuddyState } from './state.ts';
import { wakeupKswapd } from './wakeup.ts';

/**
 * Takes a block from the free lists, with the HIGHATOMIC reserve as first or last resort.
 * @returns first page frame, -1 for none
 * @kernel rmqueue_buddy (spec buddy 4.14)
 */
function rmqueueBuddy(
  state: BuddyState,
  preferred: Zone,
  zone: Zone,
  order: number,
  allocFlags: number,
  migratetype: number,
  cpu: number,
): number {
  const highatomic = Migratetype.MIGRATE_HIGHATOMIC;
  const lastResort = (allocFlags & (AllocFlag.ALLOC_OOM | AllocFlag.ALLOC_NON_BLOCK)) !== 0;
  for (;;) {
    let pfn = NIL;
    if ((allocFlags & AllocFlag.ALLOC_HIGHATOMIC) !== 0) {
      pfn = rmqueueSmallest(state, zone.id, order, highatomic);
    }
    if (pfn === NIL) pfn = rmqueueFromLists(state, zone, order, migratetype, allocFlags);
    if (pfn === NIL && lastResort) pfn = rmqueueSmallest(state, zone.id, order, highatomic);
    if (pfn === NIL) return NIL;
    modZoneState(state.vmstat, cpu, zone.id, ZoneStatItem.NR_FREE_PAGES, -(1 << order));
    if (checkNewPages(state, pfn, order)) {
      countVmEvents(state.vmstat, cpu, VmEvent.pgalloc_dma + zone.index, 1 << order);
      zoneStatistics(state, preferred, zone, cpu, 1);
      return pfn;
    }
    state.map.blockState[pfn] = 0;
  }
}

/**
 * Takes a block from a zone: through the CPU's own list if the order has one, else, or if that
 * fails, from the free lists.
 * @returns first page frame, -1 for none
 * @kernel rmqueue (spec buddy 4.15)
 */
export function rmqueue(
  state: BuddyState,
  preferred: Zone,
  zone: Zone,
  order: number,
  allocFlags: number,
  migratetype: number,
  cpu: number,
): number {
  state.trace?.functionEntry?.('rmqueue', {
    zone: zone.id,
    order,
    alloc_flags: allocFlags,
    migratetype,
  });
  let pfn = NIL;
  if (pcpAllowedOrder(state, order)) {
    pfn = rmqueuePcplist(state, preferred, zone, order, migratetype, allocFlags, cpu);
  }
  if (pfn === NIL) {
    pfn = rmqueueBuddy(state, preferred, zone, order, allocFlags, migratetype, cpu);
  }
  if ((zone.flags & ZoneFlag.ZONE_BOOSTED_WATERMARK) !== 0) {
    zone.flags &= ~ZoneFlag.ZONE_BOOSTED_WATERMARK;
    wakeupKswapd(state, zone.id, 0, 0, zone.index);
  }
  return pfn;
}
