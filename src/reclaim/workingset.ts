import { fls } from '../lib/bits.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { modNodeState } from '../mm/vmstat.ts';
import { LruList } from './constants.ts';
import { isFileLru } from './folio.ts';
import { lruNodeSize, lruNoteCost, nodeOf } from './lru.ts';
import type { ReclaimState } from './state.ts';

/** Bits of a node number in a shadow entry. @kernel NODES_SHIFT */
const NODES_SHIFT = 6;
/** Bits of a shadow entry that do not hold the age: entry mark, working set mark, node. */
const EVICTION_SHIFT = 1 + 1 + NODES_SHIFT;
/** Bits of the age in a shadow entry of 64 bits. */
const TIMESTAMP_BITS = 64 - EVICTION_SHIFT;
/**
 * Ages are exact numbers here and wrap at 2^45, so that an entry fits a number. The kernel's wrap at
 * 2^56; neither is ever reached.
 */
const AGE_WRAP = 2 ** 45;
const NODE_FACTOR = 2 ** NODES_SHIFT;

/** Sum of the four evictable sizes has no use for more: refaults of a kind, by kind. */
const REFAULT = [NodeStatItem.workingset_refault_anon, NodeStatItem.workingset_refault_file];
const ACTIVATE = [NodeStatItem.workingset_activate_anon, NodeStatItem.workingset_activate_file];
const RESTORE = [NodeStatItem.workingset_restore_anon, NodeStatItem.workingset_restore_file];

/**
 * The age that a page takes along when reclaim removes it from its cache; the clock ticks.
 * @returns the clock before the tick
 * @kernel workingset_eviction (spec reclaim 4.13)
 */
export function workingsetEviction(state: ReclaimState, pfn: number): number {
  return state.nonresidentAge[nodeOf(state, pfn)]++;
}

/** An age so far back that a refault by it never activates. */
export function ancientEviction(state: ReclaimState, node: number): number {
  return (state.nonresidentAge[node] + AGE_WRAP / 2) % AGE_WRAP;
}

/**
 * What a cache slot keeps of an evicted page, as a number from 0: age, node and working set mark.
 * It is the kernel's entry without its lowest bit.
 * @param eviction what `workingsetEviction` returned
 * @param node node of the page
 * @param workingset whether the page was part of the working set
 * @kernel pack_shadow (spec reclaim 4.13)
 */
export function packShadow(eviction: number, node: number, workingset: boolean): number {
  // The remainder of large numbers is slow, and hardly ever needed.
  const age = eviction < AGE_WRAP ? eviction : eviction % AGE_WRAP;
  return (age * NODE_FACTOR + node) * 2 + (workingset ? 1 : 0);
}

/** The slot as the kernel stores it: shadow entries have the lowest bit set. @kernel xa_mk_value */
export function shadowSlotValue(shadow: number): bigint {
  return (BigInt(shadow) << 1n) | 1n;
}

/**
 * A page comes back that was evicted: counts it, and makes it active when it was gone for less time
 * than the active pages would take to be evicted.
 * @param pfn the new page, before it goes to a batch
 * @param shadow what `packShadow` made
 * @kernel workingset_refault (spec reclaim 4.13)
 */
export function workingsetRefault(
  state: ReclaimState,
  pfn: number,
  shadow: number,
  cpu: number,
): void {
  const { map, nonresidentAge, vm } = state;
  const workingset = shadow % 2 === 1;
  const withoutMark = Math.floor(shadow / 2);
  const node = withoutMark % NODE_FACTOR;
  const eviction = Math.floor(withoutMark / NODE_FACTOR);
  const file = isFileLru(map.flags[pfn]);
  const kind = file ? 1 : 0;
  const age = nonresidentAge[node] % AGE_WRAP;
  const distance = (age - eviction + AGE_WRAP) % AGE_WRAP;
  modNodeState(vm, cpu, node, REFAULT[kind], 1);
  if (distance > workingsetSize(state, node, file)) return;
  map.flags[pfn] |= PageFlag.PG_active;
  nonresidentAge[node]++;
  modNodeState(vm, cpu, node, ACTIVATE[kind], 1);
  if (!workingset) return;
  map.flags[pfn] |= PageFlag.PG_workingset;
  lruNoteCost(state, nodeOf(state, pfn), file, 1);
  modNodeState(vm, cpu, node, RESTORE[kind], 1);
}

/** Pages that a refaulting page competes with. */
function workingsetSize(state: ReclaimState, node: number, file: boolean): number {
  let size = lruNodeSize(state, node, LruList.LRU_ACTIVE_FILE);
  if (!file) size += lruNodeSize(state, node, LruList.LRU_INACTIVE_FILE);
  if (state.swap.nrFree > 0) {
    size += lruNodeSize(state, node, LruList.LRU_ACTIVE_ANON);
    if (file) size += lruNodeSize(state, node, LruList.LRU_INACTIVE_ANON);
  }
  return size;
}

/**
 * The kernel's boot message about shadow entries.
 * @param totalramPages pages of the machine
 * @kernel workingset_init (spec reclaim 5.4)
 */
export function formatWorkingsetInit(totalramPages: number): string {
  const maxOrder = fls(totalramPages - 1);
  const bucketOrder = Math.max(0, maxOrder - TIMESTAMP_BITS);
  return `workingset: timestamp_bits=${TIMESTAMP_BITS} max_order=${maxOrder} bucket_order=${bucketOrder}`;
}
