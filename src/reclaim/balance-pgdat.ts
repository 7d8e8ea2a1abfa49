import { Gfp } from '../mm/gfp.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { isManaged, WatermarkIndex, wmarkPages, type Zone } from '../mm/zone.ts';
import { MAX_NR_ZONES, ZoneFlag } from '../mm/zone-types.ts';
import { pgdatBalanced } from './balanced.ts';
import { compactGap, DEF_PRIORITY, LruKind, LruList, SWAP_CLUSTER_MAX } from './constants.ts';
import { allowDirectReclaim, wakePfmemallocWaiters } from './kswapd-wake.ts';
import { snapshotRefaults } from './lru.ts';
import { ScanControl } from './scan-control.ts';
import { inactiveIsLow } from './scan-count.ts';
import { shrinkActiveList } from './shrink-lists.ts';
import { shrinkNode } from './shrink-node.ts';
import type { ReclaimState } from './state.ts';

/**
 * Reclaims until one zone of the node is above its high watermark for the request, or it is clear
 * that nothing more can be had. The work of one round of kswapd; the running task must be it.
 * @param order order that was asked for
 * @param highestZoneidx highest zone index that was asked for
 * @returns the order that it ended with: 0 when a higher one was given up
 * @kernel balance_pgdat (spec reclaim 4.16)
 */
export function balancePgdat(
  state: ReclaimState,
  node: number,
  order: number,
  highestZoneidx: number,
  cpu: number,
): number {
  state.trace?.functionEntry?.('balance_pgdat', {
    pgdat: node,
    order,
    highest_zoneidx: highestZoneidx,
  });
  const { model } = state;
  const zones = managedZones(state, node, highestZoneidx);
  const boosts = zones.map((zone) => zone.watermarkBoost);
  const boost = boosts.reduce((sum, pages) => sum + pages, 0);
  const sc = new ScanControl();
  sc.gfpMask = Gfp.GFP_KERNEL;
  sc.order = order;
  sc.mayUnmap = true;
  state.reclaimState.reclaimedSlab = 0;
  countVmEvents(state.vm, cpu, VmEvent.pageoutrun, 1);
  try {
    const balanced = balanceRounds(state, node, sc, highestZoneidx, boost, cpu);
    if (!balanced && sc.nrReclaimed === 0) model.nodes[node].kswapdFailures++;
  } finally {
    for (const zone of zones) zone.flags &= ~ZoneFlag.ZONE_RECLAIM_ACTIVE;
  }
  if (boost > 0) {
    zones.forEach((zone, i) => {
      zone.watermarkBoost -= Math.min(zone.watermarkBoost, boosts[i]);
    });
    state.host.wakeupKcompactd(node, state.map.pageblockOrder, highestZoneidx);
  }
  snapshotRefaults(state, node);
  return sc.order;
}

/**
 * Passes over the node at rising pressure. While watermarks are boosted it goes easy: no writing, no
 * swapping, no low priorities; that ends when no zone is balanced.
 * @param boost sum of the boosts
 * @returns whether it ended because the node is balanced
 */
function balanceRounds(
  state: ReclaimState,
  node: number,
  sc: ScanControl,
  highestZoneidx: number,
  boost: number,
  cpu: number,
): boolean {
  let boostLeft = boost;
  startRounds(state, node, sc, highestZoneidx);
  do {
    const before = sc.nrReclaimed;
    sc.reclaimIdx = reclaimIndex(state, node, highestZoneidx);
    const balanced = pgdatBalanced(state, node, sc.order, highestZoneidx);
    if (!balanced && boostLeft > 0) {
      boostLeft = 0;
      startRounds(state, node, sc, highestZoneidx);
      continue;
    }
    if (boostLeft === 0 && balanced) return true;
    let raise = !(boostLeft > 0 && sc.priority === DEF_PRIORITY - 2);
    sc.mayWritepage = (state.laptopMode === 0 && boostLeft === 0) || sc.priority < DEF_PRIORITY - 2;
    sc.maySwap = boostLeft === 0;
    ageNode(state, node, sc, cpu);
    sc.nrScanned = 0;
    if (kswapdShrinkNode(state, node, sc, cpu)) raise = false;
    if (state.pfmemallocWaiters[node] > 0 && allowDirectReclaim(state, node)) {
      wakePfmemallocWaiters(state, node);
    }
    const gain = sc.nrReclaimed - before;
    const fruitless = boostLeft > 0 && gain === 0;
    boostLeft -= Math.min(boostLeft, gain);
    if (fruitless) return false;
    if (raise || gain === 0) sc.priority--;
  } while (sc.priority >= 1);
  return false;
}

function startRounds(
  state: ReclaimState,
  node: number,
  sc: ScanControl,
  highestZoneidx: number,
): void {
  for (const zone of managedZones(state, node, highestZoneidx)) {
    zone.flags |= ZoneFlag.ZONE_RECLAIM_ACTIVE;
  }
  sc.priority = DEF_PRIORITY;
}

/** Too many buffer heads: pages of all zones help to get rid of them. */
function reclaimIndex(state: ReclaimState, node: number, highestZoneidx: number): number {
  if (!state.host.bufferHeadsOverLimit()) return highestZoneidx;
  const zones = managedZones(state, node, MAX_NR_ZONES - 1);
  return zones.length === 0 ? highestZoneidx : zones[zones.length - 1].index;
}

/** @kernel kswapd_age_node */
function ageNode(state: ReclaimState, node: number, sc: ScanControl, cpu: number): void {
  if (state.swap.totalPages === 0 || !inactiveIsLow(state, node, LruKind.ANON)) return;
  shrinkActiveList(state, node, LruList.LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX, sc, cpu);
}

/**
 * One pass over the node. A high order is given up once enough small pages were freed: the rest is
 * for compaction.
 * @returns whether it looked at as many pages as it wanted to free
 * @kernel kswapd_shrink_node (spec reclaim 4.16)
 */
function kswapdShrinkNode(
  state: ReclaimState,
  node: number,
  sc: ScanControl,
  cpu: number,
): boolean {
  state.trace?.functionEntry?.('kswapd_shrink_node', {
    pgdat: node,
    order: sc.order,
    priority: sc.priority,
  });
  sc.nrToReclaim = 0;
  for (const zone of managedZones(state, node, sc.reclaimIdx)) {
    sc.nrToReclaim += Math.max(wmarkPages(zone, WatermarkIndex.WMARK_HIGH), SWAP_CLUSTER_MAX);
  }
  shrinkNode(state, node, sc, cpu);
  if (sc.order !== 0 && sc.nrReclaimed >= compactGap(sc.order)) sc.order = 0;
  return sc.nrScanned >= sc.nrToReclaim;
}

function managedZones(state: ReclaimState, node: number, highestZoneidx: number): Zone[] {
  const { zones } = state.model.nodes[node];
  return zones.filter((zone) => zone.index <= highestZoneidx && isManaged(zone));
}
