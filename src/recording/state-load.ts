import { listAddTail } from '../lib/list.ts';
import { MAX_ORDER, NIL } from '../lib/units.ts';
import { freeListHead } from '../mm/free-area.ts';
import { MemoryModel } from '../mm/memory-model.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { setBuddyOrder, setCachedMigratetype, setPageblockMigratetype } from '../mm/page-map.ts';
import { NR_LOWORDER_PCP_LISTS, pagesetIndex, pcpListHead } from '../mm/pageset.ts';
import { memoryPresent, PAGES_PER_SECTION, pfnValid } from '../mm/sections.ts';
import {
  NR_VM_EVENT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
  VM_EVENT_NAMES,
  ZoneStatItem,
} from '../mm/vm-items.ts';
import { setupMinSlabRatio, setupMinUnmappedRatio } from '../mm/watermark-setup.ts';
import { type Zone, zoneEndPfn } from '../mm/zone.ts';
import { setZoneContiguous } from '../mm/zone-contiguous.ts';
import { ZONE_NAMES, zoneId } from '../mm/zone-types.ts';
import { RecordingError } from './errors.ts';
import type { KernelState, NodeRecord, PcpRecord, ZoneRecord } from './kernel-state.ts';

/**
 * A memory model that holds what the recorded kernel held: zones, free lists and per-CPU lists in
 * their order, pageblock types, zonelists, counters with their differentials, tunables. Every page
 * frame of a zone that is on none of its lists is in use, with one reference.
 *
 * What a state does not say is filled in: a page in the span of two zones belongs to the zone with
 * the smaller span, except on a list; a page in no span, if it has a page map, to the zone above;
 * thresholds of node counters follow from those of the zones; vm events are those of CPU 0.
 * @param state a parsed `load` of a recording
 * @throws RecordingError `BAD_VALUE` for a state that contradicts itself
 */
export function loadKernelState(state: KernelState): MemoryModel {
  const model = emptyModel(state);
  const { tunables } = model;
  tunables.watermarkBoostFactor = state.watermarkBoostFactor;
  tunables.watermarkScaleFactor = state.watermarkScaleFactor;
  tunables.minFreeKbytes = state.minFreeKbytes;
  model.mobilityDisabled = state.mobilityDisabled !== 0;
  for (const node of model.nodes) node.online = model.cpuNode.includes(node.id);
  for (const record of state.zones) loadZoneFields(model, record);
  for (const zone of zonesBySpan(model, state)) loadZonePages(model, zone);
  for (const record of state.zones) loadPageblocks(model, record);
  loadHoles(model);
  for (const record of state.zones) loadZoneLists(model, record);
  state.nodes.forEach((record, i) => {
    loadNode(model, record, state.nodeCpus[i] ?? []);
  });
  loadEvents(model, state);
  setNodeThresholds(model);
  setupMinUnmappedRatio(model);
  setupMinSlabRatio(model);
  for (const zone of model.zones) setZoneContiguous(model, zone);
  return model;
}

/**
 * The zone of a model that a record is about.
 * @throws RecordingError `BAD_VALUE` when the model has no such node
 */
export function zoneOfRecord(model: MemoryModel, record: { node: number; name: string }): Zone {
  const zone = model.zones[zoneId(record.node, ZONE_NAMES.indexOf(record.name))];
  if (zone !== undefined) return zone;
  const message = `there is no node ${record.node} with a zone ${record.name}`;
  throw new RecordingError('BAD_VALUE', message, { node: record.node, zone: record.name });
}

/** Order of the blocks on a list of a per-CPU page set. @kernel pindex_to_order (spec buddy 2.4) */
export function pindexOrder(pindex: number, pageblockOrder: number): number {
  return pindex < NR_LOWORDER_PCP_LISTS ? Math.floor(pindex / 3) : pageblockOrder;
}

function emptyModel(state: KernelState): MemoryModel {
  let lastPfn = 0;
  for (const zone of state.zones) lastPfn = Math.max(lastPfn, zone.startPfn + zone.spanned - 1);
  const nodeCount = 1 + Math.max(...state.nodes.map(({ node }) => node), ...state.cpuNode);
  const distance: number[][] = Array.from({ length: nodeCount }, () => []);
  state.nodes.forEach((from, i) => {
    state.nodes.forEach((to, j) => {
      distance[from.node][to.node] = state.distance[i][j];
    });
  });
  return new MemoryModel({
    endPfn: (Math.floor(lastPfn / PAGES_PER_SECTION) + 1) * PAGES_PER_SECTION,
    nodeCount,
    cpuNode: state.cpuNode,
    distance,
    pageblockOrder: state.pageblockOrder,
  });
}

function loadZoneFields(model: MemoryModel, record: ZoneRecord): void {
  const zone = zoneOfRecord(model, record);
  const [min, low, high] = record.watermark;
  zone.startPfn = record.startPfn;
  zone.spannedPages = record.spanned;
  zone.presentPages = record.present;
  zone.managedPages = record.managed;
  zone.watermark.set([min, low, high, high + (high - low)]);
  zone.watermarkBoost = record.watermarkBoost;
  zone.lowmemReserve.set(record.lowmemReserve);
  zone.nrReservedHighatomic = record.nrReservedHighatomic;
  zone.flags = record.flags;
  zone.percpuDriftMark = record.percpuDriftMark;
  zone.pagesetHigh = record.pagesetHigh;
  zone.pagesetBatch = record.pagesetBatch;
  model.totalramPages += record.managed;
}

/** Recorded zones, the widest first, so that a zone inside the span of another one wins. */
function zonesBySpan(model: MemoryModel, state: KernelState): Zone[] {
  const zones = state.zones.map((record) => zoneOfRecord(model, record));
  return zones.sort((a, b) => b.spannedPages - a.spannedPages || a.id - b.id);
}

function loadZonePages(model: MemoryModel, zone: Zone): void {
  const { map } = model;
  map.zone.fill(zone.id + 1, zone.startPfn, zoneEndPfn(zone));
  map.refcount.fill(1, zone.startPfn, zoneEndPfn(zone));
}

function loadPageblocks(model: MemoryModel, record: ZoneRecord): void {
  const { map, sections } = model;
  const { pageblockOrder } = map;
  const end = record.startPfn + record.spanned;
  let block = record.startPfn >> pageblockOrder;
  for (const { count, migratetype } of record.pageblocks) {
    const startPfn = Math.max(block << pageblockOrder, record.startPfn);
    const endPfn = Math.min((block + count) << pageblockOrder, end);
    if (startPfn >= endPfn) throw contradiction(record, 'more pageblocks than it spans', block);
    block += count;
    if (migratetype === NIL) {
      map.zone.fill(0, startPfn, endPfn);
      map.refcount.fill(0, startPfn, endPfn);
      continue;
    }
    memoryPresent(sections, { startPfn, endPfn, node: record.node });
    for (let b = block - count; b < block; b++) {
      setPageblockMigratetype(map, b << pageblockOrder, migratetype);
    }
  }
  const blocks = ((end - 1) >> pageblockOrder) + 1;
  if (block !== blocks) throw contradiction(record, 'fewer pageblocks than it spans', block);
}

/**
 * Makes the pages between the spans of zones, which are no RAM, reserved ones of the zone above, and
 * those after the last span of that zone. Which end of a list a block goes to can depend on the zone
 * of such a page. (Spec memory-model 4.6 steps 3 and 5, buddy 4.3.)
 */
function loadHoles(model: MemoryModel): void {
  const zones = model.zones.filter((zone) => zone.spannedPages > 0);
  zones.sort((a, b) => a.startPfn - b.startPfn);
  let hole = 0;
  let last: Zone | undefined;
  for (const zone of zones) {
    fillHole(model, zone, hole, zone.startPfn);
    if (zoneEndPfn(zone) < hole) continue;
    hole = zoneEndPfn(zone);
    last = zone;
  }
  if (last !== undefined) fillHole(model, last, hole, model.map.endPfn);
}

function fillHole({ map, sections }: MemoryModel, zone: Zone, start: number, end: number): void {
  for (let pfn = start; pfn < end; ) {
    const next = Math.min((Math.floor(pfn / PAGES_PER_SECTION) + 1) * PAGES_PER_SECTION, end);
    if (pfnValid(sections, pfn)) {
      map.zone.fill(zone.id + 1, pfn, next);
      map.refcount.fill(1, pfn, next);
      map.flags.fill(PageFlag.PG_reserved, pfn, next);
    }
    pfn = next;
  }
}

function loadZoneLists(model: MemoryModel, record: ZoneRecord): void {
  const { areas, map, vmstat } = model;
  const zone = zoneOfRecord(model, record);
  for (const { order, migratetype, pfns } of record.free) {
    const head = freeListHead(areas, zone.id, order, migratetype);
    for (const pfn of pfns) {
      takeFreeBlock(model, record, pfn, order);
      setBuddyOrder(map, pfn, order);
      listAddTail(map, head, pfn);
    }
    areas.nrFree[zone.id * MAX_ORDER + order] += pfns.length;
  }
  const cell = zone.id * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES;
  vmstat.zone[cell] = record.nrFree;
  for (const pcp of record.pcp) loadPcp(model, record, pcp);
}

function loadPcp(model: MemoryModel, record: ZoneRecord, pcp: PcpRecord): void {
  const { map, pagesets, vmstat } = model;
  const zone = zoneOfRecord(model, record);
  if (pcp.cpu >= model.cpuCount) throw contradiction(record, 'a page set of no CPU', pcp.cpu);
  const cell = pagesetIndex(pagesets, pcp.cpu, zone.id);
  pagesets.count[cell] = pcp.count;
  pagesets.high[cell] = pcp.high;
  pagesets.batch[cell] = pcp.batch;
  pagesets.freeFactor[cell] = pcp.freeFactor;
  const perCpu = pcp.cpu * vmstat.zoneCount + zone.id;
  vmstat.zoneThreshold[perCpu] = pcp.statThreshold;
  vmstat.zoneDiff[perCpu * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES] = pcp.nrFreeDiff;
  for (const { pindex, pfns } of pcp.lists) {
    const order = pindexOrder(pindex, map.pageblockOrder);
    const head = pcpListHead(pagesets, cell, pindex);
    for (const pfn of pfns) {
      takeFreeBlock(model, record, pfn, order);
      setCachedMigratetype(map, pfn, pindexMigratetype(pindex));
      listAddTail(map, head, pfn);
    }
  }
}

/** Type of a list of a page set; list 12 serves two types, of which UNMOVABLE is taken. */
function pindexMigratetype(pindex: number): number {
  if (pindex < NR_LOWORDER_PCP_LISTS) return pindex % 3;
  return pindex === NR_LOWORDER_PCP_LISTS
    ? Migratetype.MIGRATE_UNMOVABLE
    : Migratetype.MIGRATE_MOVABLE;
}

/** Makes the pages of a block free pages of the zone. */
function takeFreeBlock(model: MemoryModel, record: ZoneRecord, pfn: number, order: number): void {
  const { map } = model;
  const end = pfn + (1 << order);
  const inZone = pfn >= record.startPfn && end <= record.startPfn + record.spanned;
  if (!inZone || pfn % (1 << order) !== 0) throw contradiction(record, 'a foreign block', pfn);
  for (let page = pfn; page < end; page++) {
    if (map.refcount[page] === 0) throw contradiction(record, 'a page free twice', page);
  }
  map.zone.fill(zoneOfRecord(model, record).id + 1, pfn, end);
  map.refcount.fill(0, pfn, end);
}

function loadNode(model: MemoryModel, record: NodeRecord, cpus: readonly number[]): void {
  const node = model.nodes[record.node];
  node.online = true;
  node.startPfn = record.startPfn;
  node.spannedPages = record.spanned;
  node.presentPages = record.present;
  node.totalreservePages = record.totalreserve;
  node.kswapdOrder = record.kswapdOrder;
  node.cpus = cpus;
  for (const zone of node.zones) if (zone.spannedPages > 0) node.nrZones = zone.index + 1;
  record.zonelists.forEach((list, which) => {
    node.zonelists[which] = list.map((entry) =>
      zoneOfRecord(model, { node: entry.node, name: entry.zone }),
    );
  });
  model.totalreservePages += record.totalreserve;
}

function loadEvents(model: MemoryModel, state: KernelState): void {
  const events = state.events ?? {};
  for (let item = 0; item < NR_VM_EVENT_ITEMS; item++) {
    model.vmstat.events[item] = events[VM_EVENT_NAMES[item]] ?? 0;
  }
}

/** Thresholds of the node counters: the largest of the node's zones. (spec reclaim 4.1) */
function setNodeThresholds(model: MemoryModel): void {
  const { vmstat } = model;
  for (let cpu = 0; cpu < vmstat.cpuCount; cpu++) {
    for (const zone of model.zones) {
      const cell = cpu * vmstat.nodeCount + zone.node;
      const threshold = vmstat.zoneThreshold[cpu * vmstat.zoneCount + zone.id];
      vmstat.nodeThreshold[cell] = Math.max(vmstat.nodeThreshold[cell], threshold);
    }
  }
}

function contradiction(record: ZoneRecord, what: string, value: number): RecordingError {
  const { node, name } = record;
  const message = `the state contradicts itself: node ${node}, zone ${name} has ${what} (${value})`;
  return new RecordingError('BAD_VALUE', message, { node, zone: name, what, value });
}
