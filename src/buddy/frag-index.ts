import { MAX_ORDER } from '../lib/units.ts';
import type { FreeAreas } from '../mm/free-area.ts';

/** What the free lists of a zone hold, seen from one wanted order. */
interface ContigInfo {
  /** Free pages. */
  readonly pages: number;
  /** Free blocks. */
  readonly blocks: number;
  /** Blocks of the wanted order that they contain. */
  readonly suitable: number;
}

/** @kernel fill_contig_page_info (spec buddy 4.36) */
function contigInfo(areas: FreeAreas, zone: number, order: number): ContigInfo {
  let pages = 0;
  let blocks = 0;
  let suitable = 0;
  for (let current = 0; current < MAX_ORDER; current++) {
    const free = areas.nrFree[zone * MAX_ORDER + current];
    blocks += free;
    pages += free * 2 ** current;
    if (current >= order) suitable += free * 2 ** (current - order);
  }
  return { pages, blocks, suitable };
}

/**
 * Why a request of an order would fail: towards 0 for lack of memory, towards 1000 for
 * fragmentation; -1000 if it would not fail.
 * @param zone zone id
 * @kernel fragmentation_index (spec buddy 4.36)
 */
export function fragmentationIndex(areas: FreeAreas, zone: number, order: number): number {
  const { pages, blocks, suitable } = contigInfo(areas, zone, order);
  if (blocks === 0) return 0;
  if (suitable > 0) return -1000;
  const share = Math.trunc((pages * 1000) / 2 ** order);
  return 1000 - Math.trunc((1000 + share) / blocks);
}

/**
 * Part of the free memory that requests of an order cannot use, in 1/1000.
 * @param zone zone id
 * @kernel unusable_free_index (spec buddy 4.36)
 */
export function unusableFreeIndex(areas: FreeAreas, zone: number, order: number): number {
  const { pages, suitable } = contigInfo(areas, zone, order);
  return pages === 0 ? 1000 : Math.trunc(((pages - suitable * 2 ** order) * 1000) / pages);
}

/**
 * The same in percent, 0 without free memory: what proactive compaction goes by.
 * @param zone zone id
 * @kernel extfrag_for_order (spec buddy 4.36)
 */
export function extfragForOrder(areas: FreeAreas, zone: number, order: number): number {
  const { pages, suitable } = contigInfo(areas, zone, order);
  return pages === 0 ? 0 : Math.trunc(((pages - suitable * 2 ** order) * 100) / pages);
}
