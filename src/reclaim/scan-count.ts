import { intSqrt } from '../lib/bits.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { nodeState } from '../mm/vmstat.ts';
import { isManaged, WatermarkIndex, wmarkPages } from '../mm/zone.ts';
import { nodeFreePages } from './balanced.ts';
import { EVICTABLE_LRU_LISTS, LruKind, LruList } from './constants.ts';
import { lruNodeSize, lruvecLruSize } from './lru.ts';
import { DEACTIVATE_ANON, DEACTIVATE_FILE, type ScanControl } from './scan-control.ts';
import type { ReclaimState } from './state.ts';

const ACTIVATE = [NodeStatItem.workingset_activate_anon, NodeStatItem.workingset_activate_file];

/** How a scan is shared between anonymous and file pages. @kernel enum scan_balance */
const ScanBalance = { EQUAL: 0, FRACT: 1, ANON: 2, FILE: 3 } as const;

/**
 * Whether a node has too few inactive pages of a kind beside its active ones.
 * @param kind 0 anonymous, 1 file
 * @kernel inactive_is_low (spec reclaim 4.18)
 */
export function inactiveIsLow(state: ReclaimState, node: number, kind: number): boolean {
  const inactive = lruNodeSize(state, node, kind * 2);
  const active = lruNodeSize(state, node, kind * 2 + 1);
  const gigabytes = Math.floor((inactive + active) / 2 ** 18);
  const ratio = gigabytes === 0 ? 1 : intSqrt(10 * gigabytes);
  return inactive * ratio < active;
}

/** Decides what a pass over a node may deactivate and where it looks. @kernel prepare_scan_count (spec reclaim 4.18) */
export function prepareScanCount(state: ReclaimState, node: number, sc: ScanControl): void {
  sc.anonCost = state.anonCost[node];
  sc.fileCost = state.fileCost[node];
  if (sc.forceDeactivate) {
    sc.mayDeactivate = DEACTIVATE_ANON | DEACTIVATE_FILE;
  } else {
    sc.mayDeactivate =
      (wantsDeactivation(state, node, LruKind.ANON) ? DEACTIVATE_ANON : 0) |
      (wantsDeactivation(state, node, LruKind.FILE) ? DEACTIVATE_FILE : 0);
  }
  const inactiveFile = lruNodeSize(state, node, LruList.LRU_INACTIVE_FILE);
  sc.cacheTrimMode =
    inactiveFile >>> sc.priority !== 0 && (sc.mayDeactivate & DEACTIVATE_FILE) === 0;
  const file = lruNodeSize(state, node, LruList.LRU_ACTIVE_FILE) + inactiveFile;
  const inactiveAnon = lruNodeSize(state, node, LruList.LRU_INACTIVE_ANON);
  sc.fileIsTiny =
    file + nodeFreePages(state, node) <= highWatermarks(state, node) &&
    (sc.mayDeactivate & DEACTIVATE_ANON) === 0 &&
    inactiveAnon >>> sc.priority !== 0;
}

/** New activations by refault, or too few inactive pages. */
function wantsDeactivation(state: ReclaimState, node: number, kind: number): boolean {
  const refaults = nodeState(state.vm, node, ACTIVATE[kind]);
  return refaults !== state.refaults[node * 2 + kind] || inactiveIsLow(state, node, kind);
}

function highWatermarks(state: ReclaimState, node: number): number {
  let pages = 0;
  for (const zone of state.model.nodes[node].zones) {
    if (isManaged(zone)) pages += wmarkPages(zone, WatermarkIndex.WMARK_HIGH);
  }
  return pages;
}

/**
 * How many pages of each list a pass over a node scans.
 * @param nr receives the four counts, by list
 * @kernel get_scan_count (spec reclaim 4.19)
 */
export function getScanCount(
  state: ReclaimState,
  node: number,
  sc: ScanControl,
  nr: Float64Array,
): void {
  const { swappiness } = state.model.tunables;
  const balance = scanBalance(state, sc, swappiness);
  const total = sc.anonCost + sc.fileCost;
  const anonCost = total + sc.anonCost;
  const fileCost = total + sc.fileCost;
  const both = anonCost + fileCost + 1;
  const anonShare = Math.floor((swappiness * both) / (anonCost + 1));
  const fileShare = Math.floor(((200 - swappiness) * both) / (fileCost + 1));
  for (let lru = 0; lru < EVICTABLE_LRU_LISTS; lru++) {
    const file = lru >= LruList.LRU_INACTIVE_FILE;
    const size = lruvecLruSize(state, node, lru, sc.reclaimIdx);
    // Sizes of lists are counts of pages, below 2^31.
    let scan = size >>> sc.priority;
    if (balance === ScanBalance.FRACT) {
      const share = file ? fileShare : anonShare;
      scan = Math.floor((scan * share) / (anonShare + fileShare));
    } else if (balance !== ScanBalance.EQUAL && file !== (balance === ScanBalance.FILE)) {
      scan = 0;
    }
    nr[lru] = scan;
  }
}

function scanBalance(state: ReclaimState, sc: ScanControl, swappiness: number): number {
  if (!sc.maySwap || state.swap.nrFree <= 0) return ScanBalance.FILE;
  if (sc.priority === 0 && swappiness !== 0) return ScanBalance.EQUAL;
  if (sc.fileIsTiny) return ScanBalance.ANON;
  if (sc.cacheTrimMode) return ScanBalance.FILE;
  return ScanBalance.FRACT;
}
