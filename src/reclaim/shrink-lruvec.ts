import {
  DEF_PRIORITY,
  EVICTABLE_LRU_LISTS,
  LruKind,
  LruList,
  SWAP_CLUSTER_MAX,
} from './constants.ts';
import { DEACTIVATE_ANON, DEACTIVATE_FILE, type ScanControl } from './scan-control.ts';
import { getScanCount, inactiveIsLow } from './scan-count.ts';
import { shrinkActiveList, shrinkInactiveList } from './shrink-lists.ts';
import type { ReclaimState } from './state.ts';

const { LRU_ACTIVE_ANON, LRU_ACTIVE_FILE, LRU_INACTIVE_ANON, LRU_INACTIVE_FILE } = LruList;

/**
 * One pass over the lists of a node: as many pages of each as `getScanCount` says, in portions of 32
 * from list to list, until the target is met and both kinds had their fair share.
 * @kernel shrink_lruvec (spec reclaim 4.20)
 */
export function shrinkLruvec(
  state: ReclaimState,
  node: number,
  sc: ScanControl,
  cpu: number,
): void {
  state.trace?.functionEntry?.('shrink_lruvec', { pgdat: node, nr_to_reclaim: sc.nrToReclaim });
  const { swap, task } = state;
  const nr = new Float64Array(EVICTABLE_LRU_LISTS);
  getScanCount(state, node, sc, nr);
  const targets = nr.slice();
  const goal = sc.nrToReclaim;
  const scanAll = !task.pfKswapd && sc.priority === DEF_PRIORITY;
  let freed = 0;
  while (nr[LRU_INACTIVE_ANON] > 0 || nr[LRU_ACTIVE_FILE] > 0 || nr[LRU_INACTIVE_FILE] > 0) {
    for (let lru = 0; lru <= LRU_ACTIVE_FILE; lru++) {
      if (nr[lru] === 0) continue;
      const portion = Math.min(nr[lru], SWAP_CLUSTER_MAX);
      nr[lru] -= portion;
      freed += shrinkList(state, node, lru, portion, sc, cpu);
    }
    if (freed < goal || scanAll) continue;
    if (!adjustScan(nr, targets)) break;
  }
  sc.nrReclaimed += freed;
  if (swap.totalPages > 0 && inactiveIsLow(state, node, LruKind.ANON)) {
    shrinkActiveList(state, node, LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX, sc, cpu);
  }
}

/**
 * The target is met: the kind with less left is done, the other one keeps what makes both get the
 * same share of their targets.
 * @returns false when one kind has nothing left, so that scanning ends
 */
function adjustScan(nr: Float64Array, targets: Float64Array): boolean {
  const file = nr[LRU_INACTIVE_FILE] + nr[LRU_ACTIVE_FILE];
  const anon = nr[LRU_INACTIVE_ANON] + nr[LRU_ACTIVE_ANON];
  if (file === 0 || anon === 0) return false;
  const smaller = file > anon ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE;
  const larger = file > anon ? LRU_INACTIVE_FILE : LRU_INACTIVE_ANON;
  const target = targets[smaller] + targets[smaller + 1] + 1;
  const percentage = Math.floor((Math.min(file, anon) * 100) / target);
  nr[smaller] = 0;
  nr[smaller + 1] = 0;
  for (let lru = larger; lru <= larger + 1; lru++) {
    const done = targets[lru] - nr[lru];
    const share = Math.floor((targets[lru] * (100 - percentage)) / 100);
    nr[lru] = share - Math.min(share, done);
  }
  return true;
}

/** A portion of one list. @returns pages freed @kernel shrink_list (spec reclaim 4.20) */
function shrinkList(
  state: ReclaimState,
  node: number,
  lru: number,
  nrToScan: number,
  sc: ScanControl,
  cpu: number,
): number {
  if (lru !== LRU_ACTIVE_ANON && lru !== LRU_ACTIVE_FILE) {
    return shrinkInactiveList(state, node, lru, nrToScan, sc, cpu);
  }
  const allowed = lru === LRU_ACTIVE_FILE ? DEACTIVATE_FILE : DEACTIVATE_ANON;
  if ((sc.mayDeactivate & allowed) !== 0) shrinkActiveList(state, node, lru, nrToScan, sc, cpu);
  else sc.skippedDeactivate = true;
  return 0;
}
