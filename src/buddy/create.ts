import { checkInteger } from '../lib/errors.ts';
import { MAX_ORDER } from '../lib/units.ts';
import { MemoryModel } from '../mm/memory-model.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { setPageblockMigratetype } from '../mm/page-map.ts';
import { memoryPresent } from '../mm/sections.ts';
import { setMinFreeKbytes } from '../mm/sysctl.ts';
import { bringUpCpus, initPerZoneWmarkMin, setupPerCpuPageset } from '../mm/watermark-setup.ts';
import type { Zone } from '../mm/zone.ts';
import { setZoneContiguous } from '../mm/zone-contiguous.ts';
import { ZONE_NAMES, zoneId } from '../mm/zone-types.ts';
import { buildAllZonelists } from '../mm/zonelist.ts';
import { BuddyAllocator } from './allocator.ts';
import { BuddyError } from './errors.ts';
import type { BuddyOptions } from './types.ts';

/** A run of page frames that becomes a zone. */
export interface ZoneSpec {
  /** Node that it belongs to. Default 0. */
  readonly node?: number;
  /** Which zone of the node: DMA, DMA32, Normal or Movable. Default Normal. */
  readonly zone?: 'DMA' | 'DMA32' | 'Normal' | 'Movable';
  /** First page frame. */
  readonly startPfn: number;
  /** Number of pages, all of them RAM and free. */
  readonly pages: number;
}

/** How a page allocator of its own is made, without a firmware map and a boot. */
export interface CreateBuddyOptions extends BuddyOptions {
  /** The zones; page frames of two zones never overlap. */
  readonly zones: readonly ZoneSpec[];
  /** Node of each CPU; its length is the number of CPUs. Default: one CPU on node 0. */
  readonly cpuNode?: readonly number[];
  /** Distances between nodes. Default: 10 to itself, 20 to others. */
  readonly distance?: readonly (readonly number[])[];
  /** log2 of the pages in a pageblock: 9, or 10 without HUGETLB_PAGE. Default 9. */
  readonly pageblockOrder?: number;
  /** `min_free_kbytes`, KiB. Default: what the kernel computes from the size. */
  readonly minFreeKbytes?: number;
  /** Whether requests are grouped by mobility. Default: the kernel's rule, off on tiny machines. */
  readonly groupByMobility?: boolean;
  /** Clock ticks per second. Default 100. */
  readonly hz?: number;
}

/**
 * Makes a page allocator from a list of zones: all pages are free and movable, watermarks and per-CPU
 * lists are sized as on a booted machine.
 * @throws BuddyError `BAD_REQUEST` for zones that overlap or appear twice; `ArgumentError` for
 * numbers out of range
 */
export function createBuddy(options: CreateBuddyOptions): BuddyAllocator {
  const { zones, pageblockOrder = 9, cpuNode = [0] } = options;
  checkZones(zones);
  const nodeCount = 1 + Math.max(...zones.map(({ node = 0 }) => node), ...cpuNode);
  const model = new MemoryModel({
    endPfn: Math.max(...zones.map(({ startPfn, pages }) => startPfn + pages)),
    nodeCount,
    cpuNode,
    pageblockOrder,
    ...(options.distance === undefined ? {} : { distance: options.distance }),
    ...(options.hz === undefined ? {} : { hz: options.hz }),
  });
  for (const spec of zones) addZone(model, spec);
  for (const node of model.nodes) {
    node.online = node.presentPages > 0 || cpuNode.includes(node.id);
  }
  buildAllZonelists(model);
  if (options.groupByMobility !== undefined) model.mobilityDisabled = !options.groupByMobility;
  const buddy = new BuddyAllocator(model, options);
  for (const zone of model.zones) releaseZone(buddy, zone);
  setupPerCpuPageset(model);
  bringUpCpus(model);
  initPerZoneWmarkMin(model);
  if (options.minFreeKbytes !== undefined) setMinFreeKbytes(model, options.minFreeKbytes);
  return buddy;
}

function checkZones(zones: readonly ZoneSpec[]): void {
  if (!Array.isArray(zones) || zones.length === 0) {
    throw new BuddyError('BAD_REQUEST', 'there must be a zone');
  }
  const sorted = [...zones].sort((a, b) => a.startPfn - b.startPfn);
  const seen = new Set<number>();
  let end = 0;
  for (const { node = 0, zone = 'Normal', startPfn, pages } of sorted) {
    checkInteger('node', node, 0, 62);
    checkInteger('startPfn', startPfn, 0, 2 ** 30);
    checkInteger('pages', pages, 1, 2 ** 30);
    if (!ZONE_NAMES.includes(zone)) {
      throw new BuddyError('BAD_REQUEST', `there is no zone ${zone}`, { zone });
    }
    const id = zoneId(node, ZONE_NAMES.indexOf(zone));
    if (startPfn < end || seen.has(id)) {
      const message = `zone ${zone} of node ${node} appears twice or overlaps another one`;
      throw new BuddyError('BAD_REQUEST', message, { node, zone, startPfn, pages });
    }
    seen.add(id);
    end = startPfn + pages;
  }
}

function addZone(model: MemoryModel, spec: ZoneSpec): void {
  const { node: nodeId = 0, zone: name = 'Normal', startPfn, pages } = spec;
  const node = model.nodes[nodeId];
  const zone = node.zones[ZONE_NAMES.indexOf(name)];
  const endPfn = startPfn + pages;
  zone.startPfn = startPfn;
  zone.spannedPages = pages;
  zone.presentPages = pages;
  zone.managedPages = pages;
  model.map.zone.fill(zone.id + 1, startPfn, endPfn);
  const first = node.presentPages === 0 ? startPfn : Math.min(node.startPfn, startPfn);
  const end = Math.max(node.startPfn + node.spannedPages, endPfn);
  node.startPfn = first;
  node.spannedPages = end - first;
  node.presentPages += pages;
  node.nrZones = Math.max(node.nrZones, zone.index + 1);
  memoryPresent(model.sections, { startPfn, endPfn, node: nodeId });
  const size = 1 << model.map.pageblockOrder;
  for (let pfn = startPfn & -size; pfn < endPfn; pfn += size) {
    setPageblockMigratetype(model.map, pfn, Migratetype.MIGRATE_MOVABLE);
  }
  setZoneContiguous(model, zone);
}

/** Frees all pages of a zone in the largest blocks that are aligned. @kernel __free_pages_memory */
function releaseZone(buddy: BuddyAllocator, zone: Zone): void {
  const { model } = buddy;
  const end = zone.startPfn + zone.spannedPages;
  zone.managedPages = 0;
  for (let pfn = zone.startPfn; pfn < end; ) {
    let order = pfn === 0 ? MAX_ORDER - 1 : Math.min(MAX_ORDER - 1, 31 - Math.clz32(pfn & -pfn));
    while (pfn + (1 << order) > end) order--;
    buddy.freePagesCore(pfn, order);
    pfn += 1 << order;
  }
  model.totalramPages += zone.managedPages;
}
