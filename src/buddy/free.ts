import { Migratetype } from '../mm/migratetype.ts';
import { PageFlag } from '../mm/page-flags.ts';
import {
  compoundHead,
  compoundOrder,
  pageblockMigratetype,
  setAllocatedOrder,
  setCachedMigratetype,
} from '../mm/page-map.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { freePagesPrepare, wipeFreed } from './free-prepare.ts';
import { FreePageFlag, freeOnePage } from './merge.ts';
import { freeUnrefPageCommit, pcpMigratetype } from './pcp-free.ts';
import { pcpAllowedOrder } from './pcp-index.ts';
import type { BuddyState } from './state.ts';

const { MIGRATE_ISOLATE } = Migratetype;

/**
 * Frees a block without references straight to the free lists.
 * @param fpi bits of `FreePageFlag`
 * @kernel __free_pages_ok (spec buddy 4.25)
 */
export function freePagesOk(
  state: BuddyState,
  pfn: number,
  order: number,
  fpi: number,
  cpu: number,
): void {
  if (!freePagesPrepare(state, pfn, order, true, cpu)) return;
  const migratetype = pageblockMigratetype(state.map, pfn);
  freeOnePage(state, pfn, state.map.zone[pfn] - 1, order, migratetype, fpi, cpu);
  countVmEvents(state.vmstat, cpu, VmEvent.pgfree, 1 << order);
}

/**
 * Puts a prepared block on the free lists when it must not go through a per-CPU list. Counts no
 * freed pages.
 * @kernel free_one_page (spec buddy 4.25)
 */
export function freeOnePageDirect(
  state: BuddyState,
  pfn: number,
  order: number,
  migratetype: number,
  cpu: number,
): void {
  const zone = state.zones[state.map.zone[pfn] - 1];
  const isolated = zone.nrIsolatePageblock > 0 || migratetype === MIGRATE_ISOLATE;
  const type = isolated ? pageblockMigratetype(state.map, pfn) : migratetype;
  freeOnePage(state, pfn, zone.id, order, type, FreePageFlag.FPI_NONE, cpu);
}

/**
 * Frees a block without references through the CPU's own list.
 * @kernel free_unref_page (spec buddy 4.26)
 */
export function freeUnrefPage(state: BuddyState, pfn: number, order: number, cpu: number): void {
  if (!freePagesPrepare(state, pfn, order, false, cpu)) return;
  const { map } = state;
  const migratetype = pageblockMigratetype(map, pfn);
  setCachedMigratetype(map, pfn, migratetype);
  const zone = state.zones[map.zone[pfn] - 1];
  if (migratetype === MIGRATE_ISOLATE || state.pcpContended?.(cpu, zone.id)) {
    freeOnePageDirect(state, pfn, order, migratetype, cpu);
    return;
  }
  freeUnrefPageCommit(state, zone, pfn, order, pcpMigratetype(migratetype), cpu);
}

/** Frees a block without references by the way of its order. @kernel free_the_page (spec buddy 4.25) */
export function freeThePage(state: BuddyState, pfn: number, order: number, cpu: number): void {
  if (pcpAllowedOrder(state, order)) freeUnrefPage(state, pfn, order, cpu);
  else freePagesOk(state, pfn, order, FreePageFlag.FPI_NONE, cpu);
}

/**
 * Drops a reference of a block and frees it with the last one. If another holder remains, it has
 * the first page only: the others are freed at once, unless it is a compound page.
 * @kernel __free_pages (spec buddy 4.25)
 */
export function freePages(state: BuddyState, pfn: number, order: number, cpu: number): void {
  const { map } = state;
  const compound = (map.flags[pfn] & PageFlag.PG_head) !== 0;
  if (map.refcount[pfn] === 1) wipeFreed(state, pfn, 1 << order);
  else if (!compound && order > 0) wipeFreed(state, pfn + 1, (1 << order) - 1);
  if (--map.refcount[pfn] === 0) {
    freeThePage(state, pfn, order, cpu);
    return;
  }
  if (compound || order === 0) return;
  setAllocatedOrder(map, pfn, 0);
  for (let piece = order - 1; piece >= 0; piece--) {
    freeThePage(state, pfn + (1 << piece), piece, cpu);
  }
}

/** Drops references of a page; with the last one its block is freed. @kernel put_page (spec buddy 4.25) */
export function putPageRefs(state: BuddyState, pfn: number, count: number, cpu: number): void {
  const head = compoundHead(state.map, pfn);
  const order = compoundOrder(state.map, pfn);
  if (state.map.refcount[head] === count) wipeFreed(state, head, 1 << order);
  state.map.refcount[head] -= count;
  if (state.map.refcount[head] === 0) freeThePage(state, head, order, cpu);
}
