import { NIL } from '../lib/units.ts';
import { isPopulated } from '../mm/zone.ts';
import type { Reclaim } from './reclaim.ts';

/** Who gives a cache its pages. The buddy allocator of this package fits by shape. */
export interface CachePages {
  /**
   * Takes a block of 2^order pages.
   * @param gfp the request's mask
   * @param order log2 of the number of pages
   * @param node preferred node, -1 for that of the CPU
   * @param cpu the CPU that asks
   * @returns first page frame; null or a negative number when there is none
   */
  allocPages(gfp: number, order: number, node?: number, cpu?: number): number | null;
}

/** How a cache gets pages. */
export interface PageFrameOptions {
  /** Who gives the pages. */
  readonly pages: CachePages;
  /**
   * When a woken kswapd runs: `at-once` after the request that woke it, or `deferred` until the user
   * runs it. Default `at-once`.
   */
  readonly kswapd?: 'at-once' | 'deferred';
  /**
   * Whether a request that fails is repeated after direct reclaim. Needed with a page allocator that
   * has no slow path of its own. Default true.
   */
  readonly directReclaim?: boolean;
}

/** Pages for a cache: allocation with what a slow path does at least, and a kswapd that keeps up. */
export class PageFrames {
  readonly #reclaim: Reclaim;
  readonly #pages: CachePages;
  readonly #runsKswapd: boolean;
  readonly #directReclaim: boolean;

  constructor(reclaim: Reclaim, options: PageFrameOptions) {
    this.#reclaim = reclaim;
    this.#pages = options.pages;
    this.#runsKswapd = (options.kswapd ?? 'at-once') === 'at-once';
    this.#directReclaim = options.directReclaim ?? true;
  }

  /** One page with one reference, -1 when there is none to be had. */
  alloc(gfp: number, cpu: number): number {
    let pfn = this.#pages.allocPages(gfp, 0, NIL, cpu) ?? NIL;
    if (pfn < 0 && this.#directReclaim && this.#reclaimDirectly(gfp, cpu)) {
      pfn = this.#pages.allocPages(gfp, 0, NIL, cpu) ?? NIL;
    }
    if (this.#runsKswapd) this.runKswapd();
    return pfn;
  }

  /** Lets every kswapd run that is awake. */
  runKswapd(): void {
    for (const node of this.#reclaim.state.model.nodes) {
      if (!node.zones.some(isPopulated)) continue;
      if (this.#reclaim.kswapdState(node.id) === 'running') this.#reclaim.runKswapd(node.id);
    }
  }

  /** @returns whether trying again makes sense */
  #reclaimDirectly(gfp: number, cpu: number): boolean {
    const { model, task } = this.#reclaim.state;
    if (task.pfMemalloc) return false;
    task.pfMemalloc = true;
    try {
      const zonelist = model.nodes[model.cpuNode[cpu]].zonelists[0];
      return this.#reclaim.tryToFreePages(zonelist, 0, gfp, null, cpu) > 0;
    } finally {
      task.pfMemalloc = false;
    }
  }
}
