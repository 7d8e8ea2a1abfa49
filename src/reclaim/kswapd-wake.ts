import { Gfp } from '../mm/gfp.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { zoneState } from '../mm/vmstat.ts';
import { isManaged, WatermarkIndex, wmarkPages, type Zone } from '../mm/zone.ts';
import { MAX_NR_ZONES, ZoneType } from '../mm/zone-types.ts';
import { pgdatBalanced, pgdatWatermarkBoosted, zoneReclaimablePages } from './balanced.ts';
import { MAX_RECLAIM_RETRIES } from './constants.ts';
import type { ReclaimState } from './state.ts';

/**
 * A zone is low: notes what is wanted, and wakes kswapd of its node if that would help.
 * @param zoneId id of the zone
 * @param gfp mask of the request
 * @param order order of the request
 * @param highestZoneidx highest zone index that the request could use
 * @kernel wakeup_kswapd (spec reclaim 4.15)
 */
export function wakeupKswapd(
  state: ReclaimState,
  zoneId: number,
  gfp: number,
  order: number,
  highestZoneidx: number,
): void {
  state.trace?.functionEntry?.('wakeup_kswapd', {
    zone: zoneId,
    gfp_flags: gfp,
    order,
    highest_zoneidx: highestZoneidx,
  });
  const { model, kswapd } = state;
  const zone = model.zones[zoneId];
  if (!isManaged(zone)) return;
  const node = model.nodes[zone.node];
  if (node.kswapdHighestZoneidx === MAX_NR_ZONES || node.kswapdHighestZoneidx < highestZoneidx) {
    node.kswapdHighestZoneidx = highestZoneidx;
  }
  if (node.kswapdOrder < order) node.kswapdOrder = order;
  if (!kswapd[node.id].queued) return;
  const hopeless = node.kswapdFailures >= MAX_RECLAIM_RETRIES;
  if (hopeless || nothingToDo(state, node.id, order, highestZoneidx)) {
    if ((gfp & Gfp.__GFP_DIRECT_RECLAIM) === 0 && order > 0) {
      state.host.wakeupKcompactd(node.id, order, highestZoneidx);
    }
    return;
  }
  state.trace?.mmVmscanWakeupKswapd?.(node.id, highestZoneidx, order, gfp);
  wakeThread(state, node.id);
}

/**
 * Wakes kswapd of every node of a zonelist.
 * @param nodemask nodes that may be used, null for all
 * @kernel wake_all_kswapds (spec reclaim 4.15)
 */
export function wakeAllKswapds(
  state: ReclaimState,
  order: number,
  gfp: number,
  zonelist: readonly Zone[],
  highestZoneidx: number,
  nodemask: Uint8Array | null,
): void {
  let last = -1;
  for (const zone of zonelist) {
    if (zone.index > highestZoneidx || !isManaged(zone)) continue;
    if (nodemask !== null && nodemask[zone.node] === 0) continue;
    if (zone.node !== last) wakeupKswapd(state, zone.id, gfp, order, highestZoneidx);
    last = zone.node;
  }
}

function nothingToDo(
  state: ReclaimState,
  node: number,
  order: number,
  highestZoneidx: number,
): boolean {
  if (!pgdatBalanced(state, node, order, highestZoneidx)) return false;
  return !pgdatWatermarkBoosted(state, node, highestZoneidx);
}

/** Ends whichever sleep kswapd is in; it runs at the next `runKswapd`. */
export function wakeThread(state: ReclaimState, node: number): void {
  const thread = state.kswapd[node];
  thread.queued = false;
  thread.woken = true;
}

/** Lets everybody go who waits for room in the reserves. */
export function wakePfmemallocWaiters(state: ReclaimState, node: number): void {
  state.pfmemallocWaiters[node] = 0;
}

/**
 * Whether half of the min watermarks is free, so that direct reclaimers need not wait. If not, and
 * kswapd is asleep, it is woken.
 * @kernel allow_direct_reclaim (spec reclaim 4.26)
 */
export function allowDirectReclaim(state: ReclaimState, nodeId: number): boolean {
  const { kswapd, model, vm } = state;
  const node = model.nodes[nodeId];
  if (node.kswapdFailures >= MAX_RECLAIM_RETRIES) return true;
  let reserve = 0;
  let free = 0;
  for (const zone of node.zones) {
    if (zone.index > ZoneType.ZONE_NORMAL || !isManaged(zone)) continue;
    if (zoneReclaimablePages(state, zone.id) === 0) continue;
    reserve += wmarkPages(zone, WatermarkIndex.WMARK_MIN);
    free += zoneState(vm, zone.id, ZoneStatItem.NR_FREE_PAGES);
  }
  if (reserve === 0) return true;
  const ok = free > Math.floor(reserve / 2);
  if (!ok && kswapd[nodeId].queued) {
    node.kswapdHighestZoneidx = Math.min(node.kswapdHighestZoneidx, ZoneType.ZONE_NORMAL);
    wakeThread(state, nodeId);
  }
  return ok;
}
