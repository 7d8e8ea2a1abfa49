import { listToArray } from '../lib/list.ts';
import { MAX_ORDER, NIL } from '../lib/units.ts';
import { freeListToArray } from '../mm/free-area.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { MIGRATE_TYPES } from '../mm/migratetype.ts';
import { pageblockMigratetype } from '../mm/page-map.ts';
import { NR_PCP_LISTS, pagesetIndex, pcpListHead } from '../mm/pageset.ts';
import { pfnValid } from '../mm/sections.ts';
import { NR_VM_ZONE_STAT_ITEMS, VM_EVENT_NAMES, VmEvent, ZoneStatItem } from '../mm/vm-items.ts';
import { vmEvent } from '../mm/vmstat.ts';
import { isPopulated, type MemoryNode, type Zone, zoneEndPfn } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { type Difference, firstDifference } from './difference.ts';
import type {
  FreeListRecord,
  KernelState,
  NodeRecord,
  PageblockRun,
  PcpRecord,
  ZoneName,
  ZoneRecord,
} from './kernel-state.ts';

/** How a model is compared with a recorded state. */
export interface CompareOptions {
  /**
   * The state that the model was loaded from. Events that the model does not count must still have
   * the values they had then.
   */
  readonly loaded?: KernelState;
}

/**
 * Compares everything that a recorded state says with what a model holds.
 * @returns the first difference in the order of the state's fields, null when there is none
 */
export function compareKernelState(
  model: MemoryModel,
  expected: KernelState,
  options: CompareOptions = {},
): Difference | null {
  const got = kernelStateOf(model);
  const events = expected.events === null ? null : eventsOf(model, options.loaded?.events ?? {});
  return firstDifference(expected, { ...got, events });
}

/** What a model holds, in the form of the recordings: nodes and zones with memory only. */
export function kernelStateOf(model: MemoryModel): KernelState {
  const { tunables } = model;
  const nodes = model.nodes.filter((node) => node.presentPages > 0);
  return {
    mobilityDisabled: model.mobilityDisabled ? 1 : 0,
    watermarkBoostFactor: tunables.watermarkBoostFactor,
    watermarkScaleFactor: tunables.watermarkScaleFactor,
    minFreeKbytes: tunables.minFreeKbytes,
    pageblockOrder: model.map.pageblockOrder,
    maxOrder: MAX_ORDER,
    nodes: nodes.map(nodeRecord),
    cpuNode: [...model.cpuNode],
    distance: nodes.map((from) =>
      nodes.map((to) => model.distance[from.id * model.nodes.length + to.id]),
    ),
    nodeCpus: nodes.map((node) => node.cpus),
    zones: model.zones.filter(isPopulated).map((zone) => zoneRecord(model, zone)),
    events: eventsOf(model, {}),
  };
}

function nodeRecord(node: MemoryNode): NodeRecord {
  const [fallback, own] = node.zonelists;
  const entry = (zone: Zone) => ({ node: zone.node, zone: zoneName(zone) });
  return {
    node: node.id,
    startPfn: node.startPfn,
    spanned: node.spannedPages,
    present: node.presentPages,
    totalreserve: node.totalreservePages,
    kswapdOrder: node.kswapdOrder,
    zonelists: [fallback.map(entry), own.map(entry)],
  };
}

function zoneRecord(model: MemoryModel, zone: Zone): ZoneRecord {
  const [min, low, high] = zone.watermark;
  const [dma, dma32, normal, movable] = zone.lowmemReserve;
  return {
    node: zone.node,
    name: zoneName(zone),
    startPfn: zone.startPfn,
    spanned: zone.spannedPages,
    present: zone.presentPages,
    managed: zone.managedPages,
    watermark: [min, low, high],
    watermarkBoost: zone.watermarkBoost,
    lowmemReserve: [dma, dma32, normal, movable],
    nrFree: model.vmstat.zone[zone.id * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES],
    nrReservedHighatomic: zone.nrReservedHighatomic,
    flags: zone.flags,
    percpuDriftMark: zone.percpuDriftMark,
    pagesetHigh: zone.pagesetHigh,
    pagesetBatch: zone.pagesetBatch,
    pageblocks: pageblockRuns(model, zone),
    free: freeLists(model, zone),
    pcp: Array.from({ length: model.cpuCount }, (_, cpu) => pcpRecord(model, zone, cpu)),
  };
}

function zoneName(zone: Zone): ZoneName {
  return ZONE_NAMES[zone.index] as ZoneName;
}

function pageblockRuns({ map, sections }: MemoryModel, zone: Zone): PageblockRun[] {
  const runs: { count: number; migratetype: number }[] = [];
  const order = map.pageblockOrder;
  const end = zoneEndPfn(zone);
  let run = { count: 0, migratetype: NIL };
  for (let pfn = (zone.startPfn >> order) << order; pfn < end; pfn += 1 << order) {
    const migratetype = pfnValid(sections, pfn) ? pageblockMigratetype(map, pfn) : NIL;
    if (run.count === 0 || run.migratetype !== migratetype) {
      run = { count: 0, migratetype };
      runs.push(run);
    }
    run.count++;
  }
  return runs;
}

function freeLists({ areas }: MemoryModel, zone: Zone): FreeListRecord[] {
  const lists: FreeListRecord[] = [];
  for (let order = 0; order < MAX_ORDER; order++) {
    for (let migratetype = 0; migratetype < MIGRATE_TYPES; migratetype++) {
      const pfns = freeListToArray(areas, zone.id, order, migratetype);
      if (pfns.length > 0) lists.push({ order, migratetype, pfns });
    }
  }
  return lists;
}

function pcpRecord({ map, pagesets, vmstat }: MemoryModel, zone: Zone, cpu: number): PcpRecord {
  const cell = pagesetIndex(pagesets, cpu, zone.id);
  const perCpu = cpu * vmstat.zoneCount + zone.id;
  const lists = Array.from({ length: NR_PCP_LISTS }, (_, pindex) => ({
    pindex,
    pfns: listToArray(map, pcpListHead(pagesets, cell, pindex)),
  }));
  return {
    cpu,
    count: pagesets.count[cell],
    high: pagesets.high[cell],
    batch: pagesets.batch[cell],
    freeFactor: pagesets.freeFactor[cell],
    nrFreeDiff: vmstat.zoneDiff[perCpu * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES],
    statThreshold: vmstat.zoneThreshold[perCpu],
    lists: lists.filter(({ pfns }) => pfns.length > 0),
  };
}

/** Nonzero events of the model; what it does not count is as in `uncounted`. */
function eventsOf(
  { vmstat }: MemoryModel,
  uncounted: Readonly<Record<string, number>>,
): Record<string, number> {
  const events: Record<string, number> = {};
  for (const [name, count] of Object.entries(uncounted)) {
    if (!Object.hasOwn(VmEvent, name)) events[name] = count;
  }
  for (const name of VM_EVENT_NAMES) {
    const count = vmEvent(vmstat, VmEvent[name]);
    if (count !== 0) events[name] = count;
  }
  return events;
}
