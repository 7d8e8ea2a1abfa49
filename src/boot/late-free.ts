import type { Memblock } from '../memblock/memblock.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import { type MemoryModel, zoneOfPage } from '../mm/memory-model.ts';
import { PageFlag } from '../mm/page-flags.ts';
import type { LogSink } from '../mm/trace.ts';
import { freePageSink } from './release.ts';

const PAGE_BYTES = 4096;

/** What releasing memory after boot asks of the page allocator. */
export interface LateFreeAllocator {
  /** Takes a block past the per-CPU lists, to the tail of its list. @kernel __free_pages_core */
  freePagesCore(pfn: number, order: number, cpu: number): void;
  /** Drops the last reference of a block. @kernel __free_pages */
  freePages(pfn: number, order: number, cpu: number): void;
}

/** How a reserved area is freed. */
export interface FreeReservedOptions {
  /** Name in the kernel's line; no line without it. */
  readonly label?: string;
  /** Byte that every page is filled with first: 0xcc for init memory; nothing without it. */
  readonly poison?: number;
  /** Where that goes. */
  readonly memory?: PhysicalMemory;
  /** The CPU that frees. Default 0. */
  readonly cpu?: number;
  /** Where the line goes. */
  readonly log?: LogSink;
}

/**
 * Counts pages of a page's zone as managed or no longer so: balloons, hugetlb.
 * @param pfn a page of the zone
 * @param pages how many more, negative for fewer
 * @kernel adjust_managed_page_count (spec memory-model 4.10)
 */
export function adjustManagedPageCount(model: MemoryModel, pfn: number, pages: number): void {
  zoneOfPage(model, pfn).managedPages += pages;
  model.totalramPages += pages;
}

/**
 * Gives one page that boot kept to the page allocator, through the per-CPU list of a CPU.
 * @kernel free_reserved_page (spec memory-model 4.10)
 */
export function freeReservedPage(
  model: MemoryModel,
  buddy: LateFreeAllocator,
  pfn: number,
  cpu = 0,
): void {
  model.map.flags[pfn] &= ~PageFlag.PG_reserved;
  model.map.refcount[pfn] = 1;
  buddy.freePages(pfn, 0, cpu);
  adjustManagedPageCount(model, pfn, 1);
}

/**
 * Gives the whole pages of a range that boot kept to the page allocator: the initial RAM disk, init
 * sections and the like.
 * @param start first byte
 * @param end first byte behind the range
 * @returns number of pages
 * @kernel free_reserved_area (spec memory-model 4.10)
 */
export function freeReservedArea(
  model: MemoryModel,
  buddy: LateFreeAllocator,
  start: number,
  end: number,
  options: FreeReservedOptions = {},
): number {
  const { label, poison, memory, cpu = 0, log } = options;
  const first = Math.ceil(start / PAGE_BYTES);
  const last = Math.floor(end / PAGE_BYTES);
  for (let pfn = first; pfn < last; pfn++) {
    if (poison !== undefined) memory?.fill(pfn * PAGE_BYTES, PAGE_BYTES, poison);
    freeReservedPage(model, buddy, pfn, cpu);
  }
  const pages = Math.max(0, last - first);
  if (label !== undefined && pages > 0) log?.(`Freeing ${label} memory: ${pages * 4}K`);
  return pages;
}

/**
 * Gives the whole pages of a range to the page allocator past the per-CPU lists, as boot code does
 * that still works with memblock; its arrays stay as they are.
 * @param base first byte
 * @param size bytes
 * @returns number of pages
 * @kernel memblock_free_late (spec memory-model 4.10)
 */
export function freeMemblockLate(
  model: MemoryModel,
  memblock: Memblock,
  buddy: LateFreeAllocator,
  base: bigint,
  size: bigint,
): number {
  return memblock.freeLate(lateSink(model, buddy), base, size);
}

/**
 * Ends the use of memblock: arrays that had grown out of the kernel image are freed. Afterwards
 * memblock must not be used any more.
 * @kernel memblock_discard (spec memblock 4.19)
 */
export function discardMemblock(
  model: MemoryModel,
  memblock: Memblock,
  buddy: LateFreeAllocator,
): void {
  memblock.discard(lateSink(model, buddy));
}

function lateSink(model: MemoryModel, buddy: LateFreeAllocator): ReturnType<typeof freePageSink> {
  return freePageSink(model, (pfn, order) => buddy.freePagesCore(pfn, order, 0));
}
