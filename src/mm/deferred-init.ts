import { MAX_ORDER_NR_PAGES } from '../lib/units.ts';
import type { MemoryModel } from './memory-model.ts';
import { Migratetype } from './migratetype.ts';
import { PAGES_PER_SECTION, type PfnRange } from './sections.ts';
import { type Zone, zoneEndPfn } from './zone.ts';
import { changePageblockMigratetype } from './zonelist.ts';

/**
 * Takes a block whose pages have just been initialised and were never used.
 * @param pfn first page frame, a multiple of 2^order
 * @param order log2 of the number of pages
 * @kernel __free_pages_core
 */
export type FreeDeferredBlock = (pfn: number, order: number) => void;

/**
 * Initialises and releases what `memmapInit` left for later, node after node, always ascending: the
 * kernel splits a node over its CPUs, and then the order of blocks is not deterministic.
 * @param freeRanges RAM that nobody reserved, rounded inward to pages, ascending
 * @returns pages released, by node id
 * @kernel deferred_init_memmap (spec memory-model 4.11)
 */
export function deferredInitMemmap(
  model: MemoryModel,
  freeRanges: readonly PfnRange[],
  freeBlock: FreeDeferredBlock,
): number[] {
  return model.nodes.map((node) => {
    const pages = initDeferred(model, node.id, freeRanges, freeBlock, Number.POSITIVE_INFINITY);
    node.firstDeferredPfn = Number.POSITIVE_INFINITY;
    return pages;
  });
}

/**
 * Initialises about a section's worth of pages of a zone early, because an allocation needs them.
 * @param freeRanges as for `deferredInitMemmap`
 * @returns whether the zone grew
 * @kernel deferred_grow_zone (spec memory-model 4.11)
 */
export function deferredGrowZone(
  model: MemoryModel,
  zone: Zone,
  freeRanges: readonly PfnRange[],
  freeBlock: FreeDeferredBlock,
): boolean {
  const node = model.nodes[zone.node];
  if (zone.index !== node.nrZones - 1) return false;
  if (node.firstDeferredPfn === Number.POSITIVE_INFINITY) return false;
  return initDeferred(model, node.id, freeRanges, freeBlock, PAGES_PER_SECTION) > 0;
}

/** Works through chunks that end at multiples of the largest block, until `enough` pages are done. */
function initDeferred(
  model: MemoryModel,
  nodeId: number,
  freeRanges: readonly PfnRange[],
  freeBlock: FreeDeferredBlock,
  enough: number,
): number {
  const node = model.nodes[nodeId];
  const zone = node.zones[node.nrZones - 1];
  if (zone === undefined || node.firstDeferredPfn === Number.POSITIVE_INFINITY) return 0;
  const first = Math.max(node.firstDeferredPfn, zone.startPfn);
  let section = Math.floor(first / PAGES_PER_SECTION);
  let pages = 0;
  for (const range of freeRanges) {
    if (range.node !== nodeId) continue;
    const end = Math.min(range.endPfn, zoneEndPfn(zone));
    for (let pfn = Math.max(range.startPfn, first); pfn < end; ) {
      const next = Math.min(nextMultiple(pfn, MAX_ORDER_NR_PAGES), end);
      model.map.zone.fill(zone.id + 1, pfn, next);
      freeChunk(model, pfn, next, freeBlock);
      pages += next - pfn;
      pfn = next;
      if (Math.floor(pfn / PAGES_PER_SECTION) <= section) continue;
      section = Math.floor(pfn / PAGES_PER_SECTION);
      if (pages < enough) continue;
      node.firstDeferredPfn = pfn;
      return pages;
    }
  }
  node.firstDeferredPfn = Number.POSITIVE_INFINITY;
  return pages;
}

/** Frees initialised pages: whole pageblocks at once, the rest page by page. @kernel deferred_free_pages */
function freeChunk(
  model: MemoryModel,
  startPfn: number,
  endPfn: number,
  freeBlock: FreeDeferredBlock,
): void {
  const order = model.map.pageblockOrder;
  const blockPages = 1 << order;
  for (let pfn = startPfn; pfn < endPfn; ) {
    const end = Math.min(nextMultiple(pfn, blockPages), endPfn);
    if (pfn % blockPages === 0) {
      changePageblockMigratetype(model, pfn, Migratetype.MIGRATE_MOVABLE);
    }
    if (end - pfn === blockPages) freeBlock(pfn, order);
    else for (let page = pfn; page < end; page++) freeBlock(page, 0);
    pfn = end;
  }
}

function nextMultiple(value: number, of: number): number {
  return (Math.floor(value / of) + 1) * of;
}
