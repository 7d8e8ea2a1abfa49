import { roundDownPowerOfTwo } from '../lib/bits.ts';
import type { PageMap } from './page-map.ts';
import { WatermarkIndex, wmarkPages, type Zone } from './zone.ts';

/** Lists of a per-CPU pageset: orders 0 to 3 of three types, then two of the THP order. */
export const NR_PCP_LISTS = 14;
/** Lists of orders 0 to 3. */
export const NR_LOWORDER_PCP_LISTS = 12;
/** Largest multiplier exponent of the flush size. @kernel PCP_BATCH_SCALE_MAX */
export const PCP_BATCH_SCALE_MAX = 5;

/**
 * The per-CPU page lists of all zones: data only, the buddy allocator owns the rules. Cells are
 * indexed by `pagesetIndex(cpu, zone)`.
 *
 * @kernel struct per_cpu_pages (spec buddy 2.4)
 */
export class Pagesets {
  /** Page map whose links the lists use. */
  readonly map: PageMap;
  /** Simulated CPUs. */
  readonly cpuCount: number;
  /** Zones, empty ones included. */
  readonly zoneCount: number;
  /** Head of list 0 of CPU 0 and zone 0; lists fastest, then zones, then CPUs. */
  readonly firstHead: number;
  /** Pages (not blocks) on all lists. */
  readonly count: Int32Array;
  /** Flush threshold in pages; 0 until per-CPU set-up. */
  readonly high: Int32Array;
  /** Chunk for refill and flush; 1 until per-CPU set-up. */
  readonly batch: Int32Array;
  /** log2 multiplier of the flush size. */
  readonly freeFactor: Uint8Array;
  /** Countdown for draining the list of a remote node. */
  readonly expire: Int8Array;

  constructor(map: PageMap, cpuCount: number, zoneCount: number) {
    const cells = cpuCount * zoneCount;
    this.map = map;
    this.cpuCount = cpuCount;
    this.zoneCount = zoneCount;
    this.firstHead = map.addListHeads(cells * NR_PCP_LISTS);
    this.count = new Int32Array(cells);
    this.high = new Int32Array(cells);
    this.batch = new Int32Array(cells).fill(1);
    this.freeFactor = new Uint8Array(cells);
    this.expire = new Int8Array(cells);
  }
}

/** Cell of a CPU's pageset of a zone. */
export function pagesetIndex(sets: Pagesets, cpu: number, zone: number): number {
  return cpu * sets.zoneCount + zone;
}

/** Head index of a list of a pageset. */
export function pcpListHead(sets: Pagesets, cell: number, list: number): number {
  return sets.firstHead + cell * NR_PCP_LISTS + list;
}

/**
 * Chunk size of a zone's per-CPU lists.
 * @param managedPages managed pages of the zone
 * @kernel zone_batchsize (spec memory-model 4.14)
 */
export function zoneBatchsize(managedPages: number): number {
  const quarter = Math.max(1, Math.floor(Math.min(Math.floor(managedPages / 1024), 256) / 4));
  return Math.max(1, roundDownPowerOfTwo(quarter + (quarter >> 1)) - 1);
}

/**
 * Flush threshold of a zone's per-CPU lists, pages.
 * @param zone the zone, with its watermarks set
 * @param batch what `zoneBatchsize` gave
 * @param nodeCpus CPUs in the node's mask, plus one while a CPU is being brought up
 * @param onlineCpus used when the node has no CPU
 * @param highFraction `percpu_pagelist_high_fraction`, 0 for off
 * @kernel zone_highsize (spec memory-model 4.14)
 */
export function zoneHighsize(
  zone: Zone,
  batch: number,
  nodeCpus: number,
  onlineCpus: number,
  highFraction: number,
): number {
  const total =
    highFraction === 0
      ? wmarkPages(zone, WatermarkIndex.WMARK_LOW)
      : Math.floor(zone.managedPages / highFraction);
  const cpus = nodeCpus === 0 ? onlineCpus : nodeCpus;
  return Math.max(Math.floor(total / cpus), 4 * batch);
}

/**
 * Gives a zone's high and batch to the pagesets of all CPUs, if they differ from the last ones given.
 * Pages on the lists stay.
 * @kernel zone_set_pageset_high_and_batch (spec buddy 4.30)
 */
export function setPagesetHighAndBatch(
  sets: Pagesets,
  zone: Zone,
  high: number,
  batch: number,
): void {
  if (zone.pagesetHigh === high && zone.pagesetBatch === batch) return;
  zone.pagesetHigh = high;
  zone.pagesetBatch = batch;
  writePagesets(sets, zone, high, batch);
}

/** Writes high and batch into the pagesets of all CPUs without remembering them. @kernel __zone_set_pageset_high_and_batch */
export function writePagesets(sets: Pagesets, zone: Zone, high: number, batch: number): void {
  for (let cpu = 0; cpu < sets.cpuCount; cpu++) {
    const cell = pagesetIndex(sets, cpu, zone.id);
    sets.high[cell] = high;
    sets.batch[cell] = batch;
  }
}
