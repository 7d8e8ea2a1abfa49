import { listAdd, listAddTail, listDel } from '../lib/list.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { modNodeState, modZoneState, nodeState, zoneState } from '../mm/vmstat.ts';
import { isManaged } from '../mm/zone.ts';
import { zoneId } from '../mm/zone-types.ts';
import { LruList, NR_LRU_BASE, NR_ZONE_LRU_BASE } from './constants.ts';
import { stepNodeState, stepZoneState } from './counter-steps.ts';
import { lruOf } from './folio.ts';
import { lruHead, type ReclaimState } from './state.ts';

/** Node of an initialised page, from its zone byte: a node has four zones. */
export function nodeOf(state: ReclaimState, pfn: number): number {
  return (state.map.zone[pfn] - 1) >> 2;
}

/**
 * Adds pages to the size of an LRU list, in the node's and in the zone's counter.
 * @param zone zone id
 * @kernel update_lru_size
 */
export function updateLruSize(
  state: ReclaimState,
  zone: number,
  lru: number,
  pages: number,
  cpu: number,
): void {
  const { vm } = state;
  modNodeState(vm, cpu, zone >> 2, NR_LRU_BASE + lru, pages);
  modZoneState(vm, cpu, zone, NR_ZONE_LRU_BASE + lru, pages);
}

/** `updateLruSize` by 1, `count` times, in one go. */
export function stepLruSize(
  { vm }: ReclaimState,
  zone: number,
  lru: number,
  count: number,
  cpu: number,
): void {
  if (count === 0) return;
  stepNodeState(vm, cpu, zone >> 2, NR_LRU_BASE + lru, 1, count);
  stepZoneState(vm, cpu, zone, NR_ZONE_LRU_BASE + lru, 1, count);
}

/** Puts a page at the head of the list that its flags name. @kernel lruvec_add_folio (spec reclaim 4.9) */
export function lruvecAddFolio(state: ReclaimState, pfn: number, cpu: number): void {
  const { map } = state;
  const zone = map.zone[pfn] - 1;
  const lru = lruOf(map.flags[pfn]);
  updateLruSize(state, zone, lru, 1, cpu);
  if (lru !== LruList.LRU_UNEVICTABLE) listAdd(map, lruHead(state, zone >> 2, lru), pfn);
}

/** Puts a page at the tail of the list that its flags name. @kernel lruvec_add_folio_tail (spec reclaim 4.9) */
export function lruvecAddFolioTail(state: ReclaimState, pfn: number, cpu: number): void {
  const { map } = state;
  const zone = map.zone[pfn] - 1;
  const lru = lruOf(map.flags[pfn]);
  updateLruSize(state, zone, lru, 1, cpu);
  if (lru !== LruList.LRU_UNEVICTABLE) listAddTail(map, lruHead(state, zone >> 2, lru), pfn);
}

/**
 * Takes a page off the list that its flags name at this moment: change the flags afterwards.
 * @kernel lruvec_del_folio (spec reclaim 4.9)
 */
export function lruvecDelFolio(state: ReclaimState, pfn: number, cpu: number): void {
  const { map } = state;
  const lru = lruOf(map.flags[pfn]);
  if (lru !== LruList.LRU_UNEVICTABLE) listDel(map, pfn);
  updateLruSize(state, map.zone[pfn] - 1, lru, -1, cpu);
}

/** Size of an LRU list of a node, cheap reading. @kernel lruvec_page_state(NR_LRU_BASE + lru) */
export function lruNodeSize(state: ReclaimState, node: number, lru: number): number {
  return nodeState(state.vm, node, NR_LRU_BASE + lru);
}

/**
 * Pages of an LRU list that lie in managed zones up to an index, cheap reading.
 * @kernel lruvec_lru_size (spec reclaim 4.19)
 */
export function lruvecLruSize(
  state: ReclaimState,
  node: number,
  lru: number,
  highestZoneidx: number,
): number {
  const { model, vm } = state;
  let size = 0;
  for (let index = 0; index <= highestZoneidx; index++) {
    const id = zoneId(node, index);
    if (isManaged(model.zones[id])) size += zoneState(vm, id, NR_ZONE_LRU_BASE + lru);
  }
  return size;
}

/**
 * Charges the price of reclaiming pages of a kind, and lets old prices fade.
 * @param file whether the pages are file pages
 * @param pages how many were written out or came back; 0 still lets prices fade
 * @kernel lru_note_cost (spec reclaim 4.21)
 */
export function lruNoteCost(state: ReclaimState, node: number, file: boolean, pages: number): void {
  const { anonCost, fileCost } = state;
  if (file) fileCost[node] += pages;
  else anonCost[node] += pages;
  let size = 0;
  for (let lru = 0; lru < LruList.LRU_UNEVICTABLE; lru++) size += lruNodeSize(state, node, lru);
  if (fileCost[node] + anonCost[node] > Math.floor(size / 4)) {
    fileCost[node] = Math.floor(fileCost[node] / 2);
    anonCost[node] = Math.floor(anonCost[node] / 2);
  }
}

/** Remembers how many refaults were activated, to notice new ones later. @kernel snapshot_refaults (spec reclaim 4.13) */
export function snapshotRefaults(state: ReclaimState, node: number): void {
  const { refaults, vm } = state;
  refaults[node * 2] = nodeState(vm, node, NodeStatItem.workingset_activate_anon);
  refaults[node * 2 + 1] = nodeState(vm, node, NodeStatItem.workingset_activate_file);
}
