import { multFrac } from '../lib/bits.ts';
import { assertNoViolations, type InvariantViolation } from '../lib/errors.ts';
import { MAX_ORDER } from '../lib/units.ts';
import { freeListHead } from '../mm/free-area.ts';
import { MIGRATE_TYPES, Migratetype } from '../mm/migratetype.ts';
import { cachedMigratetype, isOffListBlock, pageblockMigratetype } from '../mm/page-map.ts';
import { NR_PCP_LISTS, PCP_BATCH_SCALE_MAX, pagesetIndex, pcpListHead } from '../mm/pageset.ts';
import {
  NR_VM_NUMA_EVENT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
  NumaStatItem,
  ZoneStatItem,
} from '../mm/vm-items.ts';
import { isPopulated, WatermarkIndex, type Zone, zoneEndPfn } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { orderToPindex, pindexToOrder } from './pcp-index.ts';
import type { BuddyState } from './state.ts';

type Report = (rule: number, message: string) => void;

/** Boost factor at which rule 20 is stated. */
const DEFAULT_BOOST_FACTOR = 15000;

/** What one check has seen so far. */
interface Check {
  readonly state: BuddyState;
  readonly zone: Zone;
  readonly report: Report;
  /** 1 for every page of the zone that is on a list, from the zone's first page on. */
  readonly seen: Uint8Array;
}

/**
 * Checks the rules that hold between any two calls, with the numbers of spec buddy 6 (`BUDDY-1` and
 * so on), by recounting everything from the lists. The rules about single calls are for tests.
 * @returns all broken rules, empty when there are none
 */
export function checkInvariants(state: BuddyState): InvariantViolation[] {
  const violations: InvariantViolation[] = [];
  const report: Report = (rule, message) => violations.push({ rule: `BUDDY-${rule}`, message });
  for (const zone of state.zones) {
    if (!isPopulated(zone)) continue;
    const check: Check = { state, zone, report, seen: new Uint8Array(zone.spannedPages) };
    const pages = checkFreeLists(check);
    checkFreeCounter(check, pages);
    checkPagesets(check);
    checkBuddyPages(check);
    checkDifferences(check);
    checkBoost(check);
    checkHighatomic(check);
  }
  checkNumaEvents(state, report);
  return violations;
}

/** Throws an `InvariantError` that lists all broken rules, if there is any. */
export function assertInvariants(state: BuddyState): void {
  assertNoViolations(checkInvariants(state));
}

function nameOf(zone: Zone): string {
  return `node ${zone.node} zone ${ZONE_NAMES[zone.index]}`;
}

/** Rules 1 to 4 from the side of the lists. @returns pages on the lists that count as free */
function checkFreeLists(check: Check): number {
  const { state, zone, report } = check;
  const { map, areas } = state;
  let pages = 0;
  for (let order = 0; order < MAX_ORDER; order++) {
    let blocks = 0;
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      const head = freeListHead(areas, zone.id, order, type);
      for (let pfn = map.next[head]; pfn !== head; pfn = map.next[pfn]) {
        blocks++;
        if (map.prev[map.next[pfn]] !== pfn) report(1, `${nameOf(zone)}: links of ${pfn} are torn`);
        if (map.blockState[pfn] !== order + 1) {
          report(1, `${nameOf(zone)}: ${pfn} is on a list of order ${order}, but no such block`);
        }
        if (type !== Migratetype.MIGRATE_ISOLATE) pages += 1 << order;
        markBlock(check, pfn, order);
      }
    }
    const counted = areas.nrFree[zone.id * MAX_ORDER + order];
    if (counted !== blocks) {
      report(3, `${nameOf(zone)} order ${order}: ${blocks} blocks, nr_free is ${counted}`);
    }
  }
  return pages;
}

/** Rules 2 and 4: a block is aligned, of one zone, and shares no page with another one. */
function markBlock({ state, zone, report, seen }: Check, pfn: number, order: number): void {
  const { map } = state;
  const end = pfn + (1 << order);
  const inSpan = pfn >= zone.startPfn && end <= zoneEndPfn(zone);
  if (!inSpan || pfn % (1 << order) !== 0) {
    report(2, `${nameOf(zone)}: no block of order ${order} can be at ${pfn}`);
    return;
  }
  for (let page = pfn; page < end; page++) {
    if (map.zone[page] !== zone.id + 1) report(2, `${nameOf(zone)}: ${page} is not of the zone`);
    if (seen[page - zone.startPfn] !== 0) report(4, `page ${page} is on two lists`);
    if (map.refcount[page] !== 0) report(4, `page ${page} is on a list and allocated`);
    seen[page - zone.startPfn] = 1;
  }
}

/** Rule 7: NR_FREE_PAGES with all differences is what lies on the lists. */
function checkFreeCounter({ state, zone, report }: Check, pages: number): void {
  const { vmstat } = state;
  let counter = vmstat.zone[zone.id * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES];
  for (let cpu = 0; cpu < vmstat.cpuCount; cpu++) {
    const perCpu = cpu * vmstat.zoneCount + zone.id;
    counter += vmstat.zoneDiff[perCpu * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES];
  }
  if (counter !== pages) {
    report(7, `${nameOf(zone)}: ${pages} free pages, NR_FREE_PAGES is ${counter}`);
  }
}

/** Rules 10 to 13: the per-CPU lists. */
function checkPagesets(check: Check): void {
  const { state, zone, report } = check;
  const { pagesets } = state;
  for (let cpu = 0; cpu < pagesets.cpuCount; cpu++) {
    const cell = pagesetIndex(pagesets, cpu, zone.id);
    let pages = 0;
    for (let list = 0; list < NR_PCP_LISTS; list++) pages += checkPcpList(check, cell, list);
    if (pages !== pagesets.count[cell]) {
      report(10, `${nameOf(zone)} cpu ${cpu}: ${pages} pages, count is ${pagesets.count[cell]}`);
    }
    if (pagesets.freeFactor[cell] > PCP_BATCH_SCALE_MAX) {
      report(13, `${nameOf(zone)} cpu ${cpu}: free_factor is ${pagesets.freeFactor[cell]}`);
    }
  }
}

function checkPcpList(check: Check, cell: number, list: number): number {
  const { state, zone, report } = check;
  const { map, pagesets } = state;
  const order = pindexToOrder(state, list);
  const head = pcpListHead(pagesets, cell, list);
  let pages = 0;
  for (let pfn = map.next[head]; pfn !== head; pfn = map.next[pfn]) {
    pages += 1 << order;
    if (map.prev[map.next[pfn]] !== pfn) report(10, `${nameOf(zone)}: links of ${pfn} are torn`);
    if (!isOffListBlock(map, pfn)) report(11, `${pfn} on per-CPU list ${list} is no such block`);
    const type = cachedMigratetype(map, pfn);
    const movable = type >= Migratetype.MIGRATE_HIGHATOMIC ? Migratetype.MIGRATE_MOVABLE : type;
    if (type === Migratetype.MIGRATE_ISOLATE || orderToPindex(movable, order) !== list) {
      report(12, `${pfn} of type ${type} is on per-CPU list ${list}`);
    }
    markBlock(check, pfn, order);
  }
  return pages;
}

/** Rules 1 and 5 from the side of the pages. */
function checkBuddyPages({ state, zone, report, seen }: Check): void {
  const { map } = state;
  const { blockState } = map;
  const end = zoneEndPfn(zone);
  for (let pfn = zone.startPfn; pfn < end; pfn++) {
    const tag = blockState[pfn];
    if (tag === 0 || tag > MAX_ORDER || map.zone[pfn] !== zone.id + 1) continue;
    if (seen[pfn - zone.startPfn] === 0) report(1, `free block ${pfn} is on no list`);
    const order = tag - 1;
    const buddy = pfn ^ (1 << order);
    if (order >= state.pageblockOrder || order === MAX_ORDER - 1 || buddy < pfn) continue;
    if (blockState[buddy] === tag && map.zone[buddy] === zone.id + 1) {
      report(5, `the blocks ${pfn} and ${buddy} of order ${order} are free and not merged`);
    }
  }
}

/** Rule 9: no CPU keeps more to itself than the threshold, unless kswapd has lowered it. */
function checkDifferences({ state, zone, report }: Check): void {
  const { vmstat } = state;
  if (zone.percpuDriftMark !== 0) return;
  for (let cpu = 0; cpu < vmstat.cpuCount; cpu++) {
    const perCpu = cpu * vmstat.zoneCount + zone.id;
    const difference = vmstat.zoneDiff[perCpu * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES];
    if (Math.abs(difference) > vmstat.zoneThreshold[perCpu]) {
      report(9, `${nameOf(zone)} cpu ${cpu}: difference ${difference}`);
    }
  }
}

/** Rule 20: the boost is bounded. */
function checkBoost({ state, zone, report }: Check): void {
  if (state.model.tunables.watermarkBoostFactor !== DEFAULT_BOOST_FACTOR) return;
  const high = zone.watermark[WatermarkIndex.WMARK_HIGH];
  const most = Math.max(1 << state.pageblockOrder, multFrac(high, DEFAULT_BOOST_FACTOR, 10000));
  if (zone.watermarkBoost > most) {
    report(20, `${nameOf(zone)}: boost ${zone.watermarkBoost}, at most ${most}`);
  }
}

/** Rule 21: the HIGHATOMIC reserve is as large as it says. A pageblock that a zone border cuts may count for either. */
function checkHighatomic({ state, zone, report }: Check): void {
  if (zone.nrIsolatePageblock > 0 || state.isReserveInexact) return;
  const size = 1 << state.pageblockOrder;
  const end = zoneEndPfn(zone);
  let whole = 0;
  let cut = 0;
  for (let block = zone.startPfn & -size; block < end; block += size) {
    if (pageblockMigratetype(state.map, block) !== Migratetype.MIGRATE_HIGHATOMIC) continue;
    if (block < zone.startPfn || block + size > end) cut++;
    else whole++;
  }
  const reserved = zone.nrReservedHighatomic / size;
  if (reserved < whole || reserved > whole + cut) {
    report(21, `${nameOf(zone)}: ${zone.nrReservedHighatomic} pages reserved, ${whole} pageblocks`);
  }
  if (zone.nrReservedHighatomic >= Math.floor(zone.managedPages / 100) + 2 * size) {
    report(21, `${nameOf(zone)}: ${zone.nrReservedHighatomic} pages reserved are too many`);
  }
}

/** Rule 25: every page came from somewhere and was wanted somewhere. */
function checkNumaEvents({ vmstat }: BuddyState, report: Report): void {
  const sums = new Float64Array(NR_VM_NUMA_EVENT_ITEMS);
  for (let i = 0; i < vmstat.numa.length; i++) sums[i % NR_VM_NUMA_EVENT_ITEMS] += vmstat.numa[i];
  const { NUMA_HIT, NUMA_MISS, NUMA_FOREIGN, NUMA_LOCAL, NUMA_OTHER } = NumaStatItem;
  const taken = sums[NUMA_HIT] + sums[NUMA_MISS];
  const given = sums[NUMA_LOCAL] + sums[NUMA_OTHER];
  if (taken !== given || sums[NUMA_MISS] !== sums[NUMA_FOREIGN]) {
    report(25, `NUMA events do not add up: ${[...sums].join(', ')}`);
  }
}
