import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import type { PageSource } from '../mm/page-source.ts';
import { GFP_RECLAIM_MASK } from '../mm/slab-gfp.ts';
import { gfpExactNode } from '../slab/grow.ts';
import type { Guesses } from './guesses.ts';

/** One past the highest node number. */
const NODES_MAX = 1024;

/**
 * The page allocator as SLAB sees it while it makes slabs whose index arrays lie off the slab. The
 * kernel has those from a kmalloc cache that also others use, and whose state no recording tells; what
 * shows is that this cache sometimes needs a page of its own, right after the pages of the slab.
 */
export class IndexPages {
  /** Whether the running call is for a cache with such index arrays. */
  isOffSlab = false;
  readonly #source: PageSource;
  readonly #guesses: Guesses;

  constructor(source: PageSource, guesses: Guesses) {
    this.#source = source;
    this.#guesses = guesses;
  }

  /** The page allocator, with a page for index arrays after a slab where that is guessed. */
  pageSource(): PageSource {
    const source = this.#source;
    return {
      allocPages: (gfp, order, node, cpu) => {
        const pfn = source.allocPages(gfp, order, node, cpu);
        if (pfn === NIL) return NIL;
        this.#guesses.place = cpu * NODES_MAX + source.nodeOf(pfn);
        if (this.isOffSlab && this.#guesses.guess(false)) {
          const mask = gfpExactNode(gfp & GFP_RECLAIM_MASK, true) | Gfp.__GFP_COMP;
          source.allocPages(mask, 0, source.nodeOf(pfn), cpu);
        }
        return pfn;
      },
      freePages: (pfn, order, cpu) => source.freePages(pfn, order, cpu),
      nodeOf: (pfn) => source.nodeOf(pfn),
      ...(source.map === undefined ? {} : { map: source.map }),
    };
  }
}
