import type { RandomSource } from '../lib/random.ts';
import type { Memblock } from '../memblock/memblock.ts';
import { deferredInitMemmap } from '../mm/deferred-init.ts';
import { Gfp } from '../mm/gfp.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { shuffleZone } from '../mm/shuffle.ts';
import {
  bringUpCpus,
  initPerZoneWmarkMin,
  khugepagedRuns,
  setRecommendedMinFreeKbytes,
  setupPerCpuPageset,
  type ThpEnabled,
} from '../mm/watermark-setup.ts';
import { setZoneContiguous } from '../mm/zone-contiguous.ts';
import { BootError } from './errors.ts';
import type { BootLog } from './log.ts';
import { freeRanges } from './memblock-ranges.ts';
import { formatMemoryLine, VMALLOC_TABLE_PAGES } from './memory-line.ts';
import { type FreeBootBlock, freePageSink } from './release.ts';
import type { ImageSizes } from './reservations.ts';

/** What the end of boot asks of the page allocator. */
export interface FinishAllocator {
  /** Takes a block of boot memory whose pages were never used. @kernel __free_pages_core */
  readonly freeBlock: FreeBootBlock;
  /** Allocates a block; null when there is none. @kernel alloc_pages */
  readonly allocPages: (gfp: number, order: number) => number | null;
}

/** How boot ends. */
export interface FinishOptions {
  /** One past the highest page frame of RAM. */
  readonly maxLowPfn: number;
  /** Sizes that the `Memory:` line shows. */
  readonly imageSizes: ImageSizes;
  /** Take the page tables that vmalloc needs. */
  readonly vmallocPages: boolean;
  /** Contents of pages are zeroed when handed out, or when freed. */
  readonly autoInit: { readonly alloc: boolean; readonly free: boolean };
  /** Pages are left to be initialised now. */
  readonly deferred: boolean;
  /** Numbers for shuffling, null for none. */
  readonly shuffle: RandomSource | null;
  /** THP setting, null without THP. */
  readonly thp: ThpEnabled | null;
}

/**
 * Releases memblock's free memory into the free lists.
 * @throws BootError `OUT_OF_BOOT_MEMORY` when the page tables of vmalloc find no room
 * @kernel mem_init (spec memory-model 4.9, 4.10)
 */
export function releaseBootMemory(
  model: MemoryModel,
  memblock: Memblock,
  buddy: FinishAllocator,
  options: FinishOptions,
  log: BootLog,
): void {
  const { alloc, free } = options.autoInit;
  log.info(`mem auto-init: stack:off, heap alloc:${onOff(alloc)}, heap free:${onOff(free)}`);
  memblock.freeAll(freePageSink(model, buddy.freeBlock), options.maxLowPfn);
  if (options.vmallocPages) allocVmallocTables(buddy);
  const pending = options.vmallocPages ? 0 : VMALLOC_TABLE_PAGES;
  log.info(formatMemoryLine(model, options.imageSizes, pending));
}

/**
 * From the release to a running page allocator: per-CPU lists, the late part of deferred
 * initialisation, shuffling, watermarks.
 * @kernel setup_per_cpu_pageset to init_per_zone_wmark_min (spec memory-model 4.11 to 4.14, reclaim 4.6)
 */
export function startPageAllocator(
  model: MemoryModel,
  memblock: Memblock,
  buddy: FinishAllocator,
  options: FinishOptions,
  log: BootLog,
): void {
  setupPerCpuPageset(model);
  bringUpCpus(model);
  if (options.deferred) deferredInitMemmap(model, freeRanges(memblock), buddy.freeBlock);
  const { shuffle } = options;
  for (const zone of model.zones) {
    if (shuffle !== null) shuffleZone(model, zone, shuffle);
    setZoneContiguous(model, zone);
  }
  setupWatermarks(model, options.thp, log);
}

/**
 * Watermarks and what hangs on them, with what khugepaged adds.
 * @param thp THP setting, null without THP
 * @kernel init_per_zone_wmark_min, set_recommended_min_free_kbytes (spec reclaim 4.6)
 */
export function setupWatermarks(
  model: MemoryModel,
  thp: ThpEnabled | null,
  log: BootLog | null = null,
): void {
  initPerZoneWmarkMin(model, log?.warning);
  if (thp !== null && khugepagedRuns(model)) setRecommendedMinFreeKbytes(model, thp, log?.info);
}

/** The first ordinary allocations. @kernel preallocate_vmalloc_pages (spec memory-model 4.10) */
function allocVmallocTables(buddy: FinishAllocator): void {
  for (let i = 0; i < VMALLOC_TABLE_PAGES; i++) {
    // What is left of GFP_KERNEL | __GFP_ZERO this early.
    if (buddy.allocPages(Gfp.__GFP_ZERO, 0) !== null) continue;
    throw new BootError('OUT_OF_BOOT_MEMORY', 'no room for the page tables of vmalloc', { i });
  }
}

function onOff(value: boolean): string {
  return value ? 'on' : 'off';
}
