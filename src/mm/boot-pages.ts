import type { MemoryModel } from './memory-model.ts';
import { PageFlag } from './page-flags.ts';
import { PAGES_PER_SECTION, pfnValid } from './sections.ts';
import { zoneEndPfn } from './zone.ts';

/**
 * Before the release to the buddy allocator: the estimates of managed pages are discarded.
 * @kernel reset_all_zones_managed_pages (spec memory-model 4.9 step 1)
 */
export function resetManagedPages(model: MemoryModel): void {
  for (const zone of model.zones) if (model.nodes[zone.node].online) zone.managedPages = 0;
}

/**
 * Marks page frames as reserved pages in use, those of them that have a memmap, be they RAM or not.
 * A page whose initialisation was deferred is initialised on the spot; its pageblock keeps its type.
 * @param startPfn first page frame
 * @param endPfn one past the last one; may lie far past the page map
 * @kernel reserve_bootmem_region (spec memory-model 4.9 step 3, 4.11)
 */
export function reserveBootmemRegion(model: MemoryModel, startPfn: number, endPfn: number): void {
  const { map, sections } = model;
  const end = Math.min(endPfn, map.endPfn);
  for (let pfn = startPfn; pfn < end; ) {
    const next = Math.min((Math.floor(pfn / PAGES_PER_SECTION) + 1) * PAGES_PER_SECTION, end);
    if (pfnValid(sections, pfn)) {
      initReservedPages(model, pfn, next);
      map.flags.fill(PageFlag.PG_reserved, pfn, next);
      map.refcount.fill(1, pfn, next);
    }
    pfn = next;
  }
}

/** Gives pages that were left for later the zone that they will be in. @kernel init_reserved_page */
function initReservedPages({ map, nodes }: MemoryModel, start: number, end: number): void {
  for (const node of nodes) {
    const first = Math.max(start, node.firstDeferredPfn);
    if (first >= end) continue;
    const zone = node.zones[node.nrZones - 1];
    const last = Math.min(end, zoneEndPfn(zone));
    for (let pfn = first; pfn < last; pfn++) {
      if (map.zone[pfn] === 0) map.zone[pfn] = zone.id + 1;
    }
  }
}
