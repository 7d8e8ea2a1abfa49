import { listAdd, listDel, listInit, listSplice } from '../lib/list.ts';
import { Gfp } from '../mm/gfp.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents, modNodeState, nodeState } from '../mm/vmstat.ts';
import { lruAddDrain } from './batch.ts';
import {
  LruList,
  NR_ISOLATED_ANON,
  SWAP_CLUSTER_MAX,
  VmFlag,
  VmscanThrottle,
} from './constants.ts';
import { isEvictable, isFileLru, lruOf } from './folio.ts';
import { isolateLruFolios } from './isolate.ts';
import { folioPutbackLru } from './isolate-lru.ts';
import { lruNodeSize, lruNoteCost, stepLruSize } from './lru.ts';
import { folioReferenced } from './references.ts';
import { freeFolioList } from './release.ts';
import type { ScanControl } from './scan-control.ts';
import { shrinkFolioList } from './shrink-folio-list.ts';
import {
  beginIsolation,
  endIsolation,
  lruHead,
  type ReclaimState,
  ScratchList,
  scratchHead,
} from './state.ts';
import { reclaimThrottle } from './throttle.ts';

const { PG_active, PG_lru, PG_unevictable, PG_workingset } = PageFlag;

/**
 * Looks at pages of the tail of an inactive list and frees what can be freed.
 * @param lru the list
 * @param nrToScan eligible pages to look at
 * @returns pages freed
 * @kernel shrink_inactive_list (spec reclaim 4.22)
 */
export function shrinkInactiveList(
  state: ReclaimState,
  node: number,
  lru: number,
  nrToScan: number,
  sc: ScanControl,
  cpu: number,
): number {
  state.trace?.functionEntry?.('shrink_inactive_list', { nr_to_scan: nrToScan, lru });
  const { isolation, stat, task, vm } = state;
  const file = lru >= LruList.LRU_INACTIVE_FILE;
  const kind = file ? 1 : 0;
  for (let stalled = false; tooManyIsolated(state, node, kind, sc); stalled = true) {
    if (stalled) return 0;
    reclaimThrottle(state, node, VmscanThrottle.VMSCAN_THROTTLE_ISOLATED);
    if (task.fatalSignalPending) return SWAP_CLUSTER_MAX;
  }
  lruAddDrain(state, cpu);
  beginIsolation(state);
  try {
    isolateLruFolios(state, node, lru, nrToScan, sc, cpu);
    modNodeState(vm, cpu, node, NR_ISOLATED_ANON + kind, isolation.taken);
    const pgscan = task.pfKswapd ? VmEvent.pgscan_kswapd : VmEvent.pgscan_direct;
    countVmEvents(vm, cpu, pgscan, isolation.scanned);
    countVmEvents(vm, cpu, VmEvent.pgscan_anon + kind, isolation.scanned);
    if (isolation.taken === 0) return 0;
    try {
      shrinkFolioList(state, node, sc, false, cpu);
    } finally {
      putBackInactive(state, node, file, cpu);
    }
  } finally {
    endIsolation(state);
  }
  const { freed, scanned, taken } = isolation;
  const allUnqueued = stat.nrUnqueuedDirty === taken;
  sc.nrDirty += stat.nrDirty;
  sc.nrCongested += stat.nrCongested;
  sc.nrUnqueuedDirty += stat.nrUnqueuedDirty;
  sc.nrWriteback += stat.nrWriteback;
  sc.nrImmediate += stat.nrImmediate;
  sc.nrTaken += taken;
  if (file) sc.nrFileTaken += taken;
  state.trace?.mmVmscanLruShrinkInactive?.(node, scanned, freed, stat, sc.priority, file);
  if (allUnqueued) state.host.wakeupFlusherThreads();
  return freed;
}

/** Returns what is left of an isolation to the lists and settles the counters. */
function putBackInactive(state: ReclaimState, node: number, file: boolean, cpu: number): void {
  const { isolation, stat, task, vm } = state;
  const kind = file ? 1 : 0;
  const freeing = scratchHead(state, ScratchList.FREE);
  moveFoliosToLru(state, scratchHead(state, ScratchList.ISOLATED), freeing, cpu);
  modNodeState(vm, cpu, node, NR_ISOLATED_ANON + kind, -isolation.taken);
  const pgsteal = task.pfKswapd ? VmEvent.pgsteal_kswapd : VmEvent.pgsteal_direct;
  countVmEvents(vm, cpu, pgsteal, isolation.freed);
  countVmEvents(vm, cpu, VmEvent.pgsteal_anon + kind, isolation.freed);
  lruNoteCost(state, node, file, stat.nrPageout);
  freeFolioList(state, freeing, cpu);
}

/** Whether so much is isolated that a direct reclaimer should rather wait. @kernel too_many_isolated */
function tooManyIsolated(
  state: ReclaimState,
  node: number,
  kind: number,
  sc: ScanControl,
): boolean {
  if (state.task.pfKswapd) return false;
  const isolated = nodeState(state.vm, node, NR_ISOLATED_ANON + kind);
  if (isolated === 0) return false;
  const inactive = lruNodeSize(state, node, kind * 2);
  const mayBlock = Gfp.__GFP_IO | Gfp.__GFP_FS;
  return isolated > ((sc.gfpMask & mayBlock) === mayBlock ? Math.floor(inactive / 8) : inactive);
}

/**
 * Deactivates pages of the tail of an active list; executable file pages in use stay.
 * @param lru the list
 * @param nrToScan eligible pages to look at
 * @kernel shrink_active_list (spec reclaim 4.25)
 */
export function shrinkActiveList(
  state: ReclaimState,
  node: number,
  lru: number,
  nrToScan: number,
  sc: ScanControl,
  cpu: number,
): void {
  state.trace?.functionEntry?.('shrink_active_list', { nr_to_scan: nrToScan, lru });
  const { isolation, vm } = state;
  const file = lru >= LruList.LRU_INACTIVE_FILE;
  const nrIsolated = NR_ISOLATED_ANON + (file ? 1 : 0);
  let rotated = 0;
  let activated = 0;
  let deactivated = 0;
  lruAddDrain(state, cpu);
  beginIsolation(state);
  try {
    isolateLruFolios(state, node, lru, nrToScan, sc, cpu);
    modNodeState(vm, cpu, node, nrIsolated, isolation.taken);
    countVmEvents(vm, cpu, VmEvent.pgrefill, isolation.scanned);
    const active = scratchHead(state, ScratchList.ACTIVE);
    const inactive = scratchHead(state, ScratchList.INACTIVE);
    try {
      rotated = sortActive(state, cpu);
    } finally {
      // Empty unless a host callback threw: then what was not looked at stays active.
      listSplice(state.map, active, scratchHead(state, ScratchList.ISOLATED));
      const freeing = scratchHead(state, ScratchList.FREE);
      const freeingFirst = scratchHead(state, ScratchList.RETURN);
      activated = moveFoliosToLru(state, active, freeing, cpu);
      deactivated = moveFoliosToLru(state, inactive, freeingFirst, cpu);
      listSplice(state.map, freeing, freeingFirst);
      countVmEvents(vm, cpu, VmEvent.pgdeactivate, deactivated);
      modNodeState(vm, cpu, node, nrIsolated, -isolation.taken);
      freeFolioList(state, freeing, cpu);
    }
  } finally {
    endIsolation(state);
  }
  state.trace?.mmVmscanLruShrinkActive?.(
    node,
    isolation.taken,
    activated,
    deactivated,
    rotated,
    sc.priority,
    file,
  );
}

/** Sorts isolated active pages into those that stay active and the others. @returns how many stay */
function sortActive(state: ReclaimState, cpu: number): number {
  const { host, map, referencedResult } = state;
  const isolated = scratchHead(state, ScratchList.ISOLATED);
  const active = scratchHead(state, ScratchList.ACTIVE);
  const inactive = scratchHead(state, ScratchList.INACTIVE);
  let rotated = 0;
  for (let pfn = map.prev[isolated]; pfn !== isolated; pfn = map.prev[isolated]) {
    const flags = map.flags[pfn];
    if (!isEvictable(flags)) {
      listDel(map, pfn);
      folioPutbackLru(state, pfn, cpu);
      continue;
    }
    let referenced = 0;
    let vmFlags = 0;
    if (map.mapcount[pfn] !== 0) {
      // The reverse map of a file page needs the page lock; a busy page counts as used.
      const busy = isFileLru(flags) && host.trylock !== null && !host.trylock(pfn);
      referenced = busy ? 1 : folioReferenced(state, pfn, false, cpu);
      vmFlags = busy ? 0 : referencedResult.vmFlags;
    }
    listDel(map, pfn);
    if (referenced !== 0 && (vmFlags & VmFlag.VM_EXEC) !== 0 && isFileLru(flags)) {
      rotated++;
      listAdd(map, active, pfn);
    } else {
      map.flags[pfn] = (map.flags[pfn] & ~PG_active) | PG_workingset;
      listAdd(map, inactive, pfn);
    }
  }
  return rotated;
}

/**
 * Puts isolated pages back on the LRU, oldest first, each at the head of the list that its flags
 * name. Pages that nobody else refers to any more go to another private list, to be freed.
 * @param list the private list they are on; empty afterwards
 * @param freeing head of the list for those to be freed
 * @returns pages put back
 * @kernel move_folios_to_lru (spec reclaim 4.25)
 */
export function moveFoliosToLru(
  state: ReclaimState,
  list: number,
  freeing: number,
  cpu: number,
): number {
  const { map, nonresidentAge } = state;
  const { flags, prev, refcount, zone } = map;
  let moved = 0;
  let runZone = 0;
  let runLru = 0;
  let runLength = 0;
  let before = 0;
  for (let pfn = prev[list]; pfn !== list; pfn = before) {
    before = prev[pfn];
    if (!isEvictable(flags[pfn])) {
      stepLruSize(state, runZone, runLru, runLength, cpu);
      runLength = 0;
      folioPutbackLru(state, pfn, cpu);
      continue;
    }
    if (--refcount[pfn] === 0) {
      flags[pfn] &= ~(PG_active | PG_unevictable);
      listAdd(map, freeing, pfn);
      continue;
    }
    flags[pfn] |= PG_lru;
    const lru = lruOf(flags[pfn]);
    const pageZone = zone[pfn] - 1;
    if (lru !== runLru || pageZone !== runZone) {
      stepLruSize(state, runZone, runLru, runLength, cpu);
      runZone = pageZone;
      runLru = lru;
      runLength = 0;
    }
    runLength++;
    listAdd(map, lruHead(state, pageZone >> 2, lru), pfn);
    moved++;
    if ((flags[pfn] & PG_active) !== 0) nonresidentAge[pageZone >> 2]++;
  }
  stepLruSize(state, runZone, runLru, runLength, cpu);
  listInit(map, list);
  return moved;
}
