import { assertNoViolations, type InvariantViolation } from '../lib/errors.ts';
import { MAX_ORDER, MAX_ORDER_NR_PAGES } from '../lib/units.ts';
import { freeListHead, freeListToArray, freePagesInAreas } from './free-area.ts';
import type { MemoryModel } from './memory-model.ts';
import { MIGRATE_TYPES, Migratetype } from './migratetype.ts';
import { buddyOrder, zoneIdOf } from './page-map.ts';
import { NR_VM_ZONE_STAT_ITEMS, ZoneStatItem } from './vm-items.ts';
import { isPopulated, type Zone, zoneEndPfn } from './zone.ts';
import { MAX_NR_ZONES, ZONE_NAMES, ZoneType } from './zone-types.ts';

type Report = (rule: string, message: string) => void;

/**
 * Checks the rules that hold at any time: sizes, free lists and their counters, zonelists, watermarks.
 * Rule numbers are those of spec memory-model 6 (`MM-`) and spec reclaim 6 (`RECLAIM-`).
 * @returns all broken rules, empty when there are none
 */
export function checkInvariants(model: MemoryModel): InvariantViolation[] {
  const violations: InvariantViolation[] = [];
  const report: Report = (rule, message) => violations.push({ rule, message });
  for (const zone of model.zones) {
    checkSizes(zone, report);
    checkEmptyZone(model, zone, report);
    checkFreeBlocks(model, zone, report);
    checkFreeCounters(model, zone, report);
    checkWatermarks(zone, report);
    checkLowmemReserve(zone, report);
  }
  checkZoneOrder(model, report);
  checkNodeSums(model, report);
  checkZonelists(model, report);
  checkTotalreserve(model, report);
  return violations;
}

/** Throws an `InvariantError` that lists all broken rules, if there is any. */
export function assertInvariants(model: MemoryModel): void {
  assertNoViolations(checkInvariants(model));
}

function nameOf(zone: Zone): string {
  return `node ${zone.node} zone ${ZONE_NAMES[zone.index]}`;
}

/** MM-1: 0 <= managed <= present <= spanned. */
function checkSizes(zone: Zone, report: Report): void {
  const { managedPages, presentPages, spannedPages } = zone;
  if (managedPages >= 0 && managedPages <= presentPages && presentPages <= spannedPages) return;
  report('MM-1', `${nameOf(zone)}: ${managedPages} <= ${presentPages} <= ${spannedPages} fails`);
}

/** MM-2: a zone without a span has nothing. */
function checkEmptyZone({ areas }: MemoryModel, zone: Zone, report: Report): void {
  if (zone.spannedPages > 0) return;
  const rest = zone.startPfn + zone.presentPages + zone.managedPages;
  if (rest !== 0 || freePagesInAreas(areas, zone.id) !== 0) {
    report('MM-2', `${nameOf(zone)} is empty but has pages`);
  }
}

/** MM-3: zones of a node ascend and do not overlap; DMA32 may not reach into Normal and so on. */
function checkZoneOrder({ nodes }: MemoryModel, report: Report): void {
  for (const node of nodes) {
    let end = 0;
    for (const zone of node.zones) {
      if (zone.spannedPages === 0) continue;
      const mirror = zone.index === ZoneType.ZONE_MOVABLE && zone.startPfn < end;
      if (zone.startPfn < end && !mirror) report('MM-3', `${nameOf(zone)} overlaps the one below`);
      end = Math.max(end, zoneEndPfn(zone));
    }
  }
}

/** MM-4: a node's pages are those of its zones. */
function checkNodeSums({ nodes }: MemoryModel, report: Report): void {
  for (const node of nodes) {
    const present = node.zones.reduce((sum, zone) => sum + zone.presentPages, 0);
    if (present === node.presentPages) continue;
    report('MM-4', `node ${node.id} has ${node.presentPages} pages, its zones ${present}`);
  }
}

/** MM-10, MM-11: blocks on the free lists are aligned blocks of the zone, and as many as counted. */
function checkFreeBlocks(model: MemoryModel, zone: Zone, report: Report): void {
  const { areas, map } = model;
  for (let order = 0; order < MAX_ORDER; order++) {
    let blocks = 0;
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      const head = freeListHead(areas, zone.id, order, type);
      for (let pfn = map.next[head]; pfn !== head; pfn = map.next[pfn]) {
        blocks++;
        const aligned = pfn % (1 << order) === 0 && zoneIdOf(map, pfn) === zone.id;
        if (!aligned || buddyOrder(map, pfn) !== order) {
          report('MM-10', `${nameOf(zone)}: pfn ${pfn} is no free block of order ${order}`);
        }
      }
    }
    const counted = areas.nrFree[zone.id * MAX_ORDER + order];
    if (blocks === counted) continue;
    report('MM-11', `${nameOf(zone)} order ${order}: ${blocks} blocks, counted ${counted}`);
  }
}

/** MM-12: NR_FREE_PAGES, differentials included, is what lies on the lists but the ISOLATE ones. */
function checkFreeCounters(model: MemoryModel, zone: Zone, report: Report): void {
  const { areas, vmstat } = model;
  let pages = freePagesInAreas(areas, zone.id);
  for (let order = 0; order < MAX_ORDER; order++) {
    const isolated = freeListToArray(areas, zone.id, order, Migratetype.MIGRATE_ISOLATE);
    pages -= isolated.length << order;
  }
  let counter = vmstat.zone[zone.id * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES];
  for (let cpu = 0; cpu < vmstat.cpuCount; cpu++) {
    const perCpu = cpu * vmstat.zoneCount + zone.id;
    counter += vmstat.zoneDiff[perCpu * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES];
  }
  if (pages === counter) return;
  report('MM-12', `${nameOf(zone)}: ${pages} free pages, NR_FREE_PAGES ${counter}`);
}

/** MM-19, MM-20: zonelists hold populated zones once, descending in a node, the own node first. */
function checkZonelists({ nodes }: MemoryModel, report: Report): void {
  for (const node of nodes) {
    const [fallback, own] = node.zonelists;
    for (const list of [fallback, own]) {
      const sound = list.every((zone, i) => {
        const before = list[i - 1];
        const descends = before?.node !== zone.node || before.index > zone.index;
        return isPopulated(zone) && descends && list.indexOf(zone) === i;
      });
      if (!sound) report('MM-19', `node ${node.id} has a zonelist with a wrong entry`);
    }
    if (own.some((zone, i) => fallback[i] !== zone || zone.node !== node.id)) {
      report('MM-20', `node ${node.id}: the fallback list does not start with its own zones`);
    }
  }
}

/** MM-18: ZONE_MOVABLE starts at a multiple of the largest block. (Checked where it is computed.) */
export function checkMovablePfns(starts: readonly number[]): InvariantViolation[] {
  return starts.flatMap((start, node) =>
    start % MAX_ORDER_NR_PAGES === 0
      ? []
      : [{ rule: 'MM-18', message: `node ${node}: ZONE_MOVABLE starts at ${start}` }],
  );
}

/** RECLAIM-1: watermarks ascend in equal steps. */
function checkWatermarks(zone: Zone, report: Report): void {
  const [min, low, high, promo] = zone.watermark;
  const gap = low - min;
  if (gap >= 0 && high - low === gap && promo - high === gap) return;
  report('RECLAIM-1', `${nameOf(zone)}: watermarks ${zone.watermark.join(', ')}`);
}

/** RECLAIM-3: reserves are 0 up to the own index and do not fall above it. */
function checkLowmemReserve(zone: Zone, report: Report): void {
  const reserve = zone.lowmemReserve;
  for (let j = 0; j < MAX_NR_ZONES; j++) {
    const bad = j <= zone.index ? reserve[j] !== 0 : reserve[j] < reserve[j - 1];
    if (bad) report('RECLAIM-3', `${nameOf(zone)}: lowmem_reserve ${reserve.join(', ')}`);
  }
}

/** RECLAIM-19: the total reserve is the sum over nodes, of at most the managed pages of each. */
function checkTotalreserve(model: MemoryModel, report: Report): void {
  let sum = 0;
  for (const node of model.nodes) {
    sum += node.totalreservePages;
    const managed = node.zones.reduce((total, zone) => total + zone.managedPages, 0);
    if (node.totalreservePages > managed) {
      report(
        'RECLAIM-19',
        `node ${node.id} reserves ${node.totalreservePages} of ${managed} pages`,
      );
    }
  }
  if (sum === model.totalreservePages) return;
  report('RECLAIM-19', `total reserve ${model.totalreservePages}, sum over nodes ${sum}`);
}
