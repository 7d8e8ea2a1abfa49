import type { InvariantViolation } from '../lib/errors.ts';
import { MAX_ORDER, MAX_ORDER_NR_PAGES } from '../lib/units.ts';
import { freeListToArray } from './free-area.ts';
import type { MemoryModel } from './memory-model.ts';
import { type MemoryRange, nodePfnRange, rangePages } from './memory-range.ts';
import { MIGRATE_TYPES, Migratetype } from './migratetype.ts';
import { PageFlag } from './page-flags.ts';
import { buddyOrder, pageblockMigratetype } from './page-map.ts';
import { PAGES_PER_SECTION, type PfnRange, pfnValid } from './sections.ts';
import { type Zone, zoneEndPfn, zoneSpansPfn } from './zone.ts';

type Report = (rule: string, message: string) => void;

/** What boot memory looked like when it was released. */
export interface BootMemory {
  /** RAM, rounded inward to pages, ascending. */
  readonly memory: readonly MemoryRange[];
  /** What was reserved, rounded outward to pages. */
  readonly reserved: readonly Omit<PfnRange, 'node'>[];
}

/**
 * Checks the rules that hold right after the release to the buddy allocator, before the first
 * allocation, with nothing deferred. It looks at every page frame. Numbers: spec memory-model 6.
 * @returns all broken rules, empty when there are none
 */
export function checkBootInvariants(model: MemoryModel, boot: BootMemory): InvariantViolation[] {
  const violations: InvariantViolation[] = [];
  const report: Report = (rule, message) => violations.push({ rule, message });
  const state = pageStates(model);
  checkPresentSections(model, boot, report);
  checkPages(model, boot, state, report);
  checkReserved(boot, state, report);
  for (const zone of model.zones) checkFreeLists(model, zone, report);
  checkPageblocks(model, boot, report);
  checkTotals(model, boot, report);
  return violations;
}

const FREE = 1;
const FREE_TWICE = 2;

/** Per page frame: how many free blocks hold it, at most 2. */
function pageStates(model: MemoryModel): Uint8Array {
  const { areas, map } = model;
  const state = new Uint8Array(map.endPfn);
  for (const zone of model.zones) {
    for (let order = 0; order < MAX_ORDER; order++) {
      for (let type = 0; type < MIGRATE_TYPES; type++) {
        for (const pfn of freeListToArray(areas, zone.id, order, type)) {
          for (let page = pfn; page < pfn + (1 << order); page++) {
            state[page] = state[page] === 0 ? FREE : FREE_TWICE;
          }
        }
      }
    }
  }
  return state;
}

/** MM-5, MM-6: every page of a present section is initialised, and RAM lies in present sections. */
function checkPresentSections(
  { map, sections }: MemoryModel,
  { memory }: BootMemory,
  report: Report,
): void {
  for (let pfn = 0; pfn < map.endPfn; pfn++) {
    if (pfnValid(sections, pfn) === (map.zone[pfn] !== 0)) continue;
    report('MM-5', `pfn ${pfn}: memmap and initialisation disagree`);
    break;
  }
  for (const { startPfn, endPfn } of memory) {
    for (let pfn = startPfn; pfn < endPfn; pfn += PAGES_PER_SECTION) {
      if (!pfnValid(sections, pfn)) report('MM-6', `pfn ${pfn} is RAM without a memmap`);
    }
  }
}

/** MM-7, MM-8, MM-9: RAM is free or reserved, in a zone that spans it; nothing else is free. */
function checkPages(
  { map, zones }: MemoryModel,
  { memory }: BootMemory,
  state: Uint8Array,
  report: Report,
): void {
  const isRam = new Uint8Array(map.endPfn);
  for (const { startPfn, endPfn } of memory) isRam.fill(1, startPfn, endPfn);
  for (let pfn = 0; pfn < map.endPfn; pfn++) {
    if (map.zone[pfn] === 0) continue;
    const reserved = (map.flags[pfn] & PageFlag.PG_reserved) !== 0 && map.refcount[pfn] === 1;
    const free = state[pfn] === FREE && map.refcount[pfn] === 0 && map.flags[pfn] === 0;
    if (reserved === free) report('MM-8', `pfn ${pfn} is neither just free nor just reserved`);
    if (state[pfn] !== 0 && isRam[pfn] === 0) report('MM-9', `pfn ${pfn} is free but no RAM`);
    if (isRam[pfn] === 1 && !zoneSpansPfn(zones[map.zone[pfn] - 1], pfn)) {
      report('MM-7', `pfn ${pfn} is RAM outside the span of its zone`);
    }
  }
}

/** MM-9: no page touched by a reservation is free. */
function checkReserved({ reserved }: BootMemory, state: Uint8Array, report: Report): void {
  for (const { startPfn, endPfn } of reserved) {
    const end = Math.min(endPfn, state.length);
    for (let pfn = startPfn; pfn < end; pfn++) {
      if (state[pfn] !== 0) report('MM-9', `pfn ${pfn} is free but reserved`);
    }
  }
}

/** MM-14, MM-15, MM-16: lists ascend, buddies have merged, lists have the type of their blocks. */
function checkFreeLists(model: MemoryModel, zone: Zone, report: Report): void {
  const { areas, map } = model;
  for (let order = 0; order < MAX_ORDER; order++) {
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      let last = -1;
      for (const pfn of freeListToArray(areas, zone.id, order, type)) {
        if (pfn <= last) report('MM-14', `order ${order} type ${type}: ${pfn} after ${last}`);
        last = pfn;
        const buddy = pfn ^ (1 << order);
        const mergeable = order < MAX_ORDER - 1 && map.zone[buddy] === map.zone[pfn];
        if (mergeable && buddyOrder(map, buddy) === order) {
          report('MM-15', `pfn ${pfn} and ${buddy} of order ${order} are both free`);
        }
        if (pageblockMigratetype(map, pfn) !== type || type > Migratetype.MIGRATE_MOVABLE) {
          report('MM-16', `pfn ${pfn} of order ${order} is on the list of type ${type}`);
        }
      }
    }
  }
}

/** MM-17: a pageblock is MOVABLE exactly when its first page is RAM. */
function checkPageblocks({ map }: MemoryModel, { memory }: BootMemory, report: Report): void {
  const blockPages = 1 << map.pageblockOrder;
  for (let pfn = 0; pfn < map.endPfn; pfn += blockPages) {
    const isRam = memory.some((range) => range.startPfn <= pfn && pfn < range.endPfn);
    const wanted = isRam ? Migratetype.MIGRATE_MOVABLE : Migratetype.MIGRATE_UNMOVABLE;
    if (pageblockMigratetype(map, pfn) !== wanted) {
      report('MM-17', `the pageblock at pfn ${pfn} has type ${pageblockMigratetype(map, pfn)}`);
    }
  }
}

/** MM-4, MM-13, MM-18, MM-22: sums of RAM and managed pages; where ZONE_MOVABLE starts. */
function checkTotals(model: MemoryModel, { memory }: BootMemory, report: Report): void {
  const present = model.nodes.reduce((sum, node) => sum + node.presentPages, 0);
  const ram = rangePages(memory);
  if (present !== ram) report('MM-4', `nodes have ${present} pages, memory ${ram}`);
  const managed = model.zones.reduce((sum, zone) => sum + zone.managedPages, 0);
  if (managed !== model.totalramPages) {
    report('MM-22', `zones manage ${managed} pages, totalram is ${model.totalramPages}`);
  }
  for (const node of model.nodes) {
    const movable = node.zones[node.zones.length - 1];
    if (movable.spannedPages === 0) continue;
    const aligned = movable.startPfn % MAX_ORDER_NR_PAGES === 0;
    const ends = zoneEndPfn(movable) <= nodePfnRange(memory, node.id).endPfn;
    if (!aligned || !ends) report('MM-18', `node ${node.id}: Movable at ${movable.startPfn}`);
  }
}
