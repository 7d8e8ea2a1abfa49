import type { FreePageSink } from '../memblock/types.ts';
import { reserveBootmemRegion, resetManagedPages } from '../mm/boot-pages.ts';
import type { MemoryModel } from '../mm/memory-model.ts';

/**
 * Takes a block of boot memory whose pages were never used.
 * @kernel __free_pages_core
 */
export type FreeBootBlock = (pfn: number, order: number) => void;

/**
 * Where memblock hands over: marks reserved pages in the model, and gives the rest to the page
 * allocator, but for pages whose initialisation was deferred.
 * @kernel memblock_free_all (spec memory-model 4.9)
 */
export function freePageSink(model: MemoryModel, freeBlock: FreeBootBlock): FreePageSink {
  return {
    resetManagedPages: () => resetManagedPages(model),
    reservePages: (startPfn, endPfn) => reserveBootmemRegion(model, startPfn, endPfn),
    addTotalramPages: (pages) => {
      model.totalramPages += pages;
    },
    freePages: (pfn, order) => {
      // Free RAM without a zone was left for later.
      if (model.map.zone[pfn] !== 0) freeBlock(pfn, order);
    },
  };
}
