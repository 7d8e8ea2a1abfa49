import type { PageMap } from './page-map.ts';

/**
 * The little that slab and slub ask of a page allocator. The buddy allocator of this package fits by
 * shape; a user's own may too.
 */
export interface PageSource {
  /**
   * Takes a block of 2^order pages, aligned to its size.
   * @param gfp the request's mask
   * @param order log2 of the number of pages
   * @param node preferred node, -1 for that of the CPU
   * @param cpu the CPU that asks
   * @returns page frame number of the first page, -1 when there is none
   */
  allocPages(gfp: number, order: number, node: number, cpu: number): number;
  /**
   * Gives a block back.
   * @param pfn what `allocPages` returned
   * @param order as in that call
   * @param cpu the CPU that frees
   */
  freePages(pfn: number, order: number, cpu: number): void;
  /** Node that a page frame is on. */
  nodeOf(pfn: number): number;
  /** The page map, if the source has one: slab lists then use its links and flags. */
  readonly map?: PageMap;
}
