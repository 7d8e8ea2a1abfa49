import { intSqrt, multFrac } from '../lib/bits.ts';
import { type MemoryModel, onlineCpus, onlineZones } from './memory-model.ts';
import { setPagesetHighAndBatch, zoneBatchsize, zoneHighsize } from './pageset.ts';
import { refreshZoneStatThresholds } from './stat-threshold.ts';
import type { LogSink } from './trace.ts';
import { isManaged, isPopulated, WatermarkIndex, wmarkPages, type Zone } from './zone.ts';
import { MAX_NR_ZONES, ZoneType } from './zone-types.ts';

/** Bounds of what boot computes for `min_free_kbytes`. */
const MIN_FREE_KBYTES_MIN = 128;
const MIN_FREE_KBYTES_MAX = 262144;

/** Machines with fewer pages (512 MiB) get no khugepaged thread. */
const KHUGEPAGED_PAGES_MIN = 131072;

/** THP `enabled` setting, as far as it matters here. */
export type ThpEnabled = 'always' | 'madvise' | 'never';

/**
 * Raw watermarks of all zones from `min_free_kbytes` and `watermark_scale_factor`; boosts are reset,
 * the total reserve follows. Every zone shares by its managed pages, ZONE_MOVABLE too.
 * @kernel __setup_per_zone_wmarks (spec reclaim 4.2)
 */
export function setupZoneWatermarks(model: MemoryModel): void {
  const { minFreeKbytes, watermarkScaleFactor } = model.tunables;
  const pagesMin = Math.floor(minFreeKbytes / 4);
  const zones = onlineZones(model);
  const lowmemPages = zones.reduce((sum, zone) => sum + zone.managedPages, 0);
  for (const zone of zones) {
    const min = lowmemPages === 0 ? 0 : mulDivFloor(pagesMin, zone.managedPages, lowmemPages);
    const gap = Math.max(min >> 2, multFrac(zone.managedPages, watermarkScaleFactor, 10000));
    zone.watermarkBoost = 0;
    zone.watermark.set([min, min + gap, min + 2 * gap, min + 3 * gap]);
  }
  calculateTotalreservePages(model);
}

/**
 * `setupZoneWatermarks`, and high and batch of all per-CPU lists, which follow from the low mark.
 * @kernel setup_per_zone_wmarks (spec reclaim 4.2)
 */
export function setupPerZoneWmarks(model: MemoryModel): void {
  setupZoneWatermarks(model);
  for (const zone of onlineZones(model)) zonePcpUpdate(model, zone);
}

/**
 * High and batch of a zone's per-CPU lists from its managed pages, its low watermark and its CPUs.
 * @param cpuOnline 1 while a CPU of the node is being brought up, which is not in the mask yet
 * @kernel zone_pcp_update, zone_set_pageset_high_and_batch (spec memory-model 4.14, buddy 4.30)
 */
export function zonePcpUpdate(model: MemoryModel, zone: Zone, cpuOnline = 0): void {
  if (!isPopulated(zone)) return;
  const { percpuPagelistHighFraction } = model.tunables;
  const nodeCpus = model.nodes[zone.node].cpus.length + cpuOnline;
  const online = onlineCpus(model).length;
  const batch = zoneBatchsize(zone.managedPages);
  const high = zoneHighsize(zone, batch, nodeCpus, online, percpuPagelistHighFraction);
  setPagesetHighAndBatch(model.pagesets, zone, high, batch);
}

/**
 * Pages that GFP_USER requests could have above the high watermarks: zones up to Normal in the
 * fallback list of a CPU's node.
 * @param cpu the CPU that asks
 * @kernel nr_free_buffer_pages (spec reclaim 4.3)
 */
export function nrFreeBufferPages(model: MemoryModel, cpu = 0): number {
  let pages = 0;
  for (const zone of model.nodes[model.cpuNode[cpu]].zonelists[0]) {
    if (zone.index > ZoneType.ZONE_NORMAL) continue;
    pages += Math.max(0, zone.managedPages - wmarkPages(zone, WatermarkIndex.WMARK_HIGH));
  }
  return pages;
}

/**
 * Computes `min_free_kbytes` from the size of the machine, unless the user asked for more.
 * @param log where the kernel's warning goes
 * @kernel calculate_min_free_kbytes (spec reclaim 4.3)
 */
export function calculateMinFreeKbytes(model: MemoryModel, log: LogSink | null = null): void {
  const { tunables } = model;
  const computed = intSqrt(nrFreeBufferPages(model) * 64);
  if (computed > tunables.userMinFreeKbytes) {
    tunables.minFreeKbytes = Math.min(MIN_FREE_KBYTES_MAX, Math.max(MIN_FREE_KBYTES_MIN, computed));
    return;
  }
  log?.(
    `min_free_kbytes is not updated to ${computed} because user defined value ` +
      `${tunables.userMinFreeKbytes} is preferred`,
  );
}

/**
 * Pages that each zone keeps from requests that could also have used higher zones; the total reserve
 * follows.
 * @kernel setup_per_zone_lowmem_reserve (spec reclaim 4.4)
 */
export function setupPerZoneLowmemReserve(model: MemoryModel): void {
  const ratios = model.tunables.lowmemReserveRatio;
  for (const node of model.nodes) {
    if (!node.online) continue;
    for (let i = 0; i < MAX_NR_ZONES - 1; i++) {
      const zone = node.zones[i];
      const clear = ratios[i] === 0 || !isManaged(zone);
      let above = 0;
      for (let j = i + 1; j < MAX_NR_ZONES; j++) {
        above += node.zones[j].managedPages;
        zone.lowmemReserve[j] = clear ? 0 : Math.floor(above / ratios[i]);
      }
    }
  }
  calculateTotalreservePages(model);
}

/**
 * Pages that user allocations cannot count on, per node and in total.
 * @kernel calculate_totalreserve_pages (spec reclaim 4.5)
 */
export function calculateTotalreservePages(model: MemoryModel): void {
  model.totalreservePages = 0;
  for (const node of model.nodes) {
    if (!node.online) continue;
    node.totalreservePages = 0;
    for (const zone of node.zones) node.totalreservePages += zoneReserve(zone);
    model.totalreservePages += node.totalreservePages;
  }
}

function zoneReserve(zone: Zone): number {
  let reserve = 0;
  for (let j = zone.index; j < MAX_NR_ZONES; j++) {
    reserve = Math.max(reserve, zone.lowmemReserve[j]);
  }
  reserve += wmarkPages(zone, WatermarkIndex.WMARK_HIGH);
  return Math.min(zone.managedPages, reserve);
}

/**
 * Pages of each node that must be unmapped file pages before node reclaim bothers.
 * @kernel setup_min_unmapped_ratio (spec reclaim 4.6)
 */
export function setupMinUnmappedRatio(model: MemoryModel): void {
  for (const node of model.nodes) {
    node.minUnmappedPages = ratioOfManaged(node.zones, model.tunables.minUnmappedRatio);
  }
}

/**
 * Pages of each node that must be reclaimable slab pages before node reclaim bothers.
 * @kernel setup_min_slab_ratio (spec reclaim 4.6)
 */
export function setupMinSlabRatio(model: MemoryModel): void {
  for (const node of model.nodes) {
    node.minSlabPages = ratioOfManaged(node.zones, model.tunables.minSlabRatio);
  }
}

function ratioOfManaged(zones: readonly Zone[], percent: number): number {
  return zones.reduce((sum, zone) => sum + Math.floor((zone.managedPages * percent) / 100), 0);
}

/**
 * What khugepaged asks for when it starts and at every write of the THP setting: room for whole
 * pageblocks of each migratetype in each zone.
 * @param enabled the THP setting
 * @param log where the kernel's line goes when a user's value is raised
 * @kernel set_recommended_min_free_kbytes (spec reclaim 4.6)
 */
export function setRecommendedMinFreeKbytes(
  model: MemoryModel,
  enabled: ThpEnabled,
  log: LogSink | null = null,
): void {
  const { tunables } = model;
  if (enabled === 'never') {
    calculateMinFreeKbytes(model, log);
  } else {
    const zones = onlineZones(model).filter(
      (zone) => isPopulated(zone) && zone.index <= ZoneType.ZONE_NORMAL,
    ).length;
    const wanted = (zones << model.map.pageblockOrder) * (2 + 3 * 3);
    const pages = Math.min(wanted, Math.floor(nrFreeBufferPages(model) / 20));
    const kbytes = pages * 4;
    if (kbytes > tunables.minFreeKbytes) {
      if (tunables.userMinFreeKbytes >= 0) {
        log?.(
          `khugepaged: raising min_free_kbytes from ${tunables.minFreeKbytes} to ${kbytes} ` +
            'to help transparent hugepage allocations',
        );
      }
      tunables.minFreeKbytes = kbytes;
    }
  }
  setupPerZoneWmarks(model);
}

/** Whether khugepaged runs on a machine: it has at least 512 MiB. @kernel hugepage_init (spec reclaim 4.6) */
export function khugepagedRuns(model: MemoryModel): boolean {
  return model.totalramPages >= KHUGEPAGED_PAGES_MIN;
}

/**
 * What the kernel computes once all CPUs are up: `min_free_kbytes`, watermarks, thresholds and drift
 * marks, reserves, limits of node reclaim. Also run after memory was added.
 * @param log where the kernel's warning goes
 * @kernel init_per_zone_wmark_min (spec reclaim 4.6)
 */
export function initPerZoneWmarkMin(model: MemoryModel, log: LogSink | null = null): void {
  calculateMinFreeKbytes(model, log);
  setupPerZoneWmarks(model);
  refreshZoneStatThresholds(model);
  setupPerZoneLowmemReserve(model);
  setupMinUnmappedRatio(model);
  setupMinSlabRatio(model);
}

/**
 * Gives all zones their own per-CPU lists, with the sizes that follow from watermarks of 0.
 * @kernel setup_per_cpu_pageset (spec memory-model 4.14)
 */
export function setupPerCpuPageset(model: MemoryModel): void {
  for (const zone of onlineZones(model)) zonePcpUpdate(model, zone);
}

/**
 * What is left of the start of the other CPUs, one after another, when all are up: thresholds and
 * drift marks of the last one. Nothing happens on a machine with one CPU.
 * @kernel vmstat_cpu_online (spec reclaim 4.1)
 */
export function bringUpCpus(model: MemoryModel): void {
  if (model.cpuCount > 1) refreshZoneStatThresholds(model);
}

/** floor(a * b / c) for a, b, c below 2^30 and b <= c, where the product may exceed 2^53. */
function mulDivFloor(a: number, b: number, c: number): number {
  const high = Math.floor(a / 32768) * b;
  const low = (a % 32768) * b;
  return Math.floor(high / c) * 32768 + Math.floor(((high % c) * 32768 + low) / c);
}
