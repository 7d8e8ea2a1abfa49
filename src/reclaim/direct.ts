import { NIL } from '../lib/units.ts';
import { Gfp, gfpZone } from '../mm/gfp.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents, vmEvent } from '../mm/vmstat.ts';
import { WatermarkIndex, wmarkPages, type Zone } from '../mm/zone.ts';
import { ZoneType } from '../mm/zone-types.ts';
import { gfpCompactionAllowed } from './balanced.ts';
import {
  CompactResult,
  compactGap,
  DEF_PRIORITY,
  PAGE_ALLOC_COSTLY_ORDER,
  VmscanThrottle,
} from './constants.ts';
import { kswapdShortSleepElapsed, kswapdState, runKswapd } from './kswapd.ts';
import { allowDirectReclaim } from './kswapd-wake.ts';
import { snapshotRefaults } from './lru.ts';
import { ScanControl } from './scan-control.ts';
import { shrinkNode } from './shrink-node.ts';
import type { ReclaimState } from './state.ts';
import { reclaimThrottle } from './throttle.ts';

/** First of the events `allocstall_dma` to `allocstall_movable`. */
const ALLOCSTALL = VmEvent.allocstall_dma;

/**
 * Reclaims pages for a caller that needs some and may wait. Run it with PF_MEMALLOC set.
 * @param zonelist zones in order of preference
 * @param order log2 of the pages of the request
 * @param gfp its mask
 * @param nodemask nodes that may be used (cell 1 per allowed node), null for all
 * @param cpu the CPU that reclaims
 * @returns pages freed, 0 for none; 1 may be only a hint that a retry makes sense
 * @kernel try_to_free_pages (spec reclaim 4.26)
 */
export function tryToFreePages(
  state: ReclaimState,
  zonelist: readonly Zone[],
  order: number,
  gfp: number,
  nodemask: Uint8Array | null,
  cpu: number,
): number {
  state.trace?.functionEntry?.('try_to_free_pages', { order, gfp_mask: gfp, cpu });
  const sc = new ScanControl();
  sc.gfpMask = currentGfpContext(state, gfp);
  sc.reclaimIdx = gfpZone(gfp);
  sc.order = order;
  sc.nodemask = nodemask;
  sc.mayWritepage = state.laptopMode === 0;
  sc.mayUnmap = true;
  sc.maySwap = true;
  if (throttleDirectReclaim(state, sc.gfpMask, zonelist, nodemask, cpu)) return 1;
  state.trace?.mmVmscanDirectReclaimBegin?.(order, sc.gfpMask);
  const freed = doTryToFreePages(state, zonelist, sc, cpu);
  state.trace?.mmVmscanDirectReclaimEnd?.(freed);
  return freed;
}

/** The mask with what the task's scope forbids taken off. @kernel current_gfp_context */
export function currentGfpContext({ task }: ReclaimState, gfp: number): number {
  let mask = gfp;
  if (task.pfMemallocNoio) mask &= ~(Gfp.__GFP_IO | Gfp.__GFP_FS);
  else if (task.pfMemallocNofs) mask &= ~Gfp.__GFP_FS;
  if (task.pfMemallocPin) mask &= ~Gfp.__GFP_MOVABLE;
  return mask;
}

/**
 * Passes over the nodes at rising pressure until the target is met or compaction can take over; once
 * more with forced deactivation if active lists were spared and nothing came of it.
 * @returns pages freed; 1 when compaction is ready
 * @kernel do_try_to_free_pages (spec reclaim 4.26)
 */
export function doTryToFreePages(
  state: ReclaimState,
  zonelist: readonly Zone[],
  sc: ScanControl,
  cpu: number,
): number {
  state.trace?.functionEntry?.('do_try_to_free_pages', {
    nr_to_reclaim: sc.nrToReclaim,
    priority: sc.priority,
  });
  const startPriority = sc.priority;
  state.reclaimState.reclaimedSlab = 0;
  for (;;) {
    countVmEvents(state.vm, cpu, ALLOCSTALL + sc.reclaimIdx, 1);
    do {
      sc.nrScanned = 0;
      shrinkZones(state, zonelist, sc, cpu);
      if (sc.nrReclaimed >= sc.nrToReclaim || sc.compactionReady) break;
      if (sc.priority < DEF_PRIORITY - 2) sc.mayWritepage = true;
    } while (--sc.priority >= 0);
    snapshotNodes(state, zonelist, sc);
    if (sc.nrReclaimed > 0) return sc.nrReclaimed;
    if (sc.compactionReady) return 1;
    if (!sc.skippedDeactivate) return 0;
    sc.priority = startPriority;
    sc.forceDeactivate = true;
    sc.skippedDeactivate = false;
  }
}

function snapshotNodes(state: ReclaimState, zonelist: readonly Zone[], sc: ScanControl): void {
  let last = NIL;
  for (const zone of zonelist) {
    if (!isEligible(zone, sc) || zone.node === last) continue;
    last = zone.node;
    snapshotRefaults(state, last);
  }
}

/** Whether a zone of the list is within the limits of the run. @kernel for_each_zone_zonelist_nodemask */
function isEligible(zone: Zone, { nodemask, reclaimIdx }: ScanControl): boolean {
  return zone.index <= reclaimIdx && (nodemask === null || nodemask[zone.node] !== 0);
}

/**
 * One pass: every node once, but not the zones that are ready for compaction.
 * @kernel shrink_zones (spec reclaim 4.26)
 */
function shrinkZones(
  state: ReclaimState,
  zonelist: readonly Zone[],
  sc: ScanControl,
  cpu: number,
): void {
  state.trace?.functionEntry?.('shrink_zones', { order: sc.order, priority: sc.priority });
  const { gfpMask, reclaimIdx } = sc;
  if (state.host.bufferHeadsOverLimit()) {
    sc.gfpMask |= Gfp.__GFP_HIGHMEM;
    sc.reclaimIdx = gfpZone(sc.gfpMask);
  }
  let last = NIL;
  let first = NIL;
  for (const zone of zonelist) {
    if (!isEligible(zone, sc)) continue;
    if (sc.order > PAGE_ALLOC_COSTLY_ORDER && compactionReady(state, zone, sc)) {
      sc.compactionReady = true;
      continue;
    }
    if (zone.node === last) continue;
    last = zone.node;
    if (first === NIL) first = zone.node;
    shrinkNode(state, zone.node, sc, cpu);
  }
  if (first !== NIL) considerThrottle(state, first, sc);
  sc.gfpMask = gfpMask;
  sc.reclaimIdx = reclaimIdx;
}

/** @kernel consider_reclaim_throttle (spec reclaim 4.26) */
function considerThrottle(state: ReclaimState, node: number, sc: ScanControl): void {
  // Good progress would wake those who sleep for lack of it; nobody else runs here meanwhile.
  if (sc.nrReclaimed > Math.floor(sc.nrScanned / 8) || state.task.pfKswapd) return;
  if (sc.priority === 1 && sc.nrReclaimed === 0) {
    reclaimThrottle(state, node, VmscanThrottle.VMSCAN_THROTTLE_NOPROGRESS);
  }
}

/** Whether compaction of a zone would do better than more reclaim. @kernel compaction_ready (spec reclaim 4.26) */
function compactionReady(state: ReclaimState, zone: Zone, sc: ScanControl): boolean {
  if (!gfpCompactionAllowed(state, sc.gfpMask)) return false;
  const suitable = state.host.compactionSuitable(zone.id, sc.order, sc.reclaimIdx);
  if (suitable === CompactResult.COMPACT_SUCCESS) return true;
  if (suitable !== CompactResult.COMPACT_CONTINUE) return false;
  const mark = wmarkPages(zone, WatermarkIndex.WMARK_HIGH) + compactGap(sc.order);
  return state.allocator.zoneWatermarkOkSafe(zone.id, 0, mark, sc.reclaimIdx);
}

/**
 * Holds a direct reclaimer up while the reserves are nearly gone, so that kswapd gets them first.
 * @returns whether a fatal signal came meanwhile
 * @kernel throttle_direct_reclaim (spec reclaim 4.26)
 */
function throttleDirectReclaim(
  state: ReclaimState,
  gfp: number,
  zonelist: readonly Zone[],
  nodemask: Uint8Array | null,
  cpu: number,
): boolean {
  const { host, model, task, vm } = state;
  if (task.pfKthread || task.fatalSignalPending) return false;
  const highest = Math.min(gfpZone(gfp), ZoneType.ZONE_NORMAL);
  const zone = zonelist.find(
    ({ index, node }) => index <= highest && (nodemask === null || nodemask[node] !== 0),
  );
  if (zone === undefined || allowDirectReclaim(state, zone.node)) return false;
  countVmEvents(vm, cpu, VmEvent.pgscan_direct_throttle, 1);
  state.pfmemallocWaiters[zone.node]++;
  try {
    host.waitPfmemalloc(zone.node, (gfp & Gfp.__GFP_FS) === 0 ? model.hz : NIL);
  } finally {
    if (state.pfmemallocWaiters[zone.node] > 0) state.pfmemallocWaiters[zone.node]--;
  }
  return task.fatalSignalPending;
}

/**
 * The default of `ReclaimHost.waitPfmemalloc`: lets kswapd of the node work until there is room, or
 * until it does not help: it gave up, or twice found nothing to do where the waiter sees no room.
 */
export function waitForKswapd(state: ReclaimState, node: number): void {
  let idleRounds = 0;
  while (!allowDirectReclaim(state, node) && idleRounds < 2) {
    const before = kswapdState(state, node);
    if (before === 'stopped') return;
    const freed = vmEvent(state.vm, VmEvent.pgsteal_kswapd);
    const after =
      before === 'short-sleep' ? kswapdShortSleepElapsed(state, node) : runKswapd(state, node, 1);
    if (after === 'long-sleep') return;
    if (vmEvent(state.vm, VmEvent.pgsteal_kswapd) > freed) idleRounds = 0;
    else if (after === 'short-sleep') idleRounds++;
  }
}
