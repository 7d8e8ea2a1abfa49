import { NIL } from '../lib/units.ts';
import { Migratetype } from '../mm/migratetype.ts';
import {
  cachedMigratetype,
  compoundHead,
  compoundOrder,
  pageblockMigratetype,
  setAllocatedOrder,
  setCachedMigratetype,
} from '../mm/page-map.ts';
import { freeOnePageDirect, freeThePage } from './free.ts';
import { freePagesPrepare, wipeFreed } from './free-prepare.ts';
import { freeUnrefPageCommit, pcpMigratetype } from './pcp-free.ts';
import type { BuddyState } from './state.ts';

/** Pages that one lock of a per-CPU set serves. @kernel SWAP_CLUSTER_MAX */
const SWAP_CLUSTER_MAX = 32;

/**
 * Frees order-0 pages without references: all are prepared first, then all are put on the CPU's
 * lists, in list order.
 * @kernel free_unref_page_list (spec buddy 4.28)
 */
export function freeUnrefPageList(state: BuddyState, pfns: ArrayLike<number>, cpu: number): void {
  state.trace?.functionEntry?.('free_unref_page_list', { pages: pfns.length, cpu });
  const { map } = state;
  const prepared: number[] = [];
  for (let i = 0; i < pfns.length; i++) {
    const pfn = pfns[i];
    if (!freePagesPrepare(state, pfn, 0, false, cpu)) continue;
    const migratetype = pageblockMigratetype(map, pfn);
    setCachedMigratetype(map, pfn, migratetype);
    if (migratetype === Migratetype.MIGRATE_ISOLATE) {
      freeOnePageDirect(state, pfn, 0, migratetype, cpu);
    } else {
      prepared.push(pfn);
    }
  }
  commitList(state, prepared, cpu);
}

/** Contents of the pages of a list that was checked; if that fails, none is being freed any more. */
export function wipeList(state: BuddyState, pfns: ArrayLike<number>): void {
  if (state.memory === null) return;
  try {
    for (let i = 0; i < pfns.length; i++) wipeFreed(state, pfns[i], 1);
  } catch (error) {
    for (let i = 0; i < pfns.length; i++) setAllocatedOrder(state.map, pfns[i], 0);
    throw error;
  }
}

function commitList(state: BuddyState, pfns: readonly number[], cpu: number): void {
  const { map, trace } = state;
  let lockedZone = NIL;
  let served = 0;
  for (const pfn of pfns) {
    const zone = state.zones[map.zone[pfn] - 1];
    const migratetype = cachedMigratetype(map, pfn);
    if (zone.id !== lockedZone || served === SWAP_CLUSTER_MAX) {
      served = 0;
      lockedZone = zone.id;
      if (state.pcpContended?.(cpu, zone.id)) {
        freeOnePageDirect(state, pfn, 0, migratetype, cpu);
        lockedZone = NIL;
        continue;
      }
    }
    trace?.mmPageFreeBatched?.(pfn);
    freeUnrefPageCommit(state, zone, pfn, 0, pcpMigratetype(migratetype), cpu);
    served++;
  }
}

/**
 * Drops one reference of each page, in order. Compound pages that lose their last one are freed at
 * once, single pages all together at the end, the last one first.
 * @kernel release_pages (spec buddy 4.28)
 */
export function releasePages(state: BuddyState, pfns: ArrayLike<number>, cpu: number): void {
  const single: number[] = [];
  try {
    dropReferences(state, pfns, single, cpu);
  } finally {
    // Whatever the backend did to the contents of a later page, these have no references any more.
    single.reverse();
    freeUnrefPageList(state, single, cpu);
  }
}

/** Drops one reference of each page; single pages that lose their last one are freed in list order. @kernel put_pages_list (spec buddy 4.28) */
export function putPagesList(state: BuddyState, pfns: ArrayLike<number>, cpu: number): void {
  const single: number[] = [];
  try {
    dropReferences(state, pfns, single, cpu);
  } finally {
    freeUnrefPageList(state, single, cpu);
  }
}

/** Drops one reference of each page. Compound pages without any are freed, single ones collected. */
function dropReferences(
  state: BuddyState,
  pfns: ArrayLike<number>,
  single: number[],
  cpu: number,
): void {
  const { map } = state;
  for (let i = 0; i < pfns.length; i++) {
    const head = compoundHead(map, pfns[i]);
    const order = compoundOrder(map, head);
    if (map.refcount[head] === 1) wipeFreed(state, head, 1 << order);
    if (--map.refcount[head] !== 0) continue;
    if (order > 0) freeThePage(state, head, order, cpu);
    else single.push(head);
  }
}
