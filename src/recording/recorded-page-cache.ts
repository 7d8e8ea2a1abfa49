import { AOP_WRITEPAGE_ACTIVATE } from '../reclaim/constants.ts';
import { PageCache } from '../reclaim/page-cache.ts';
import type { Reclaim } from '../reclaim/reclaim.ts';
import { folioEndWriteback, folioStartWriteback } from '../reclaim/writeback.ts';

/** Positions per index leaf of the recorded kernels: they have BASE_SMALL. */
const SLOTS_PER_LEAF = 16;

/**
 * The page cache of the recorded kernel's driver: the file's writepage is a function of the page
 * frame, so that a recording shows all of its outcomes. Pages are allocated by the replayer.
 */
export class RecordedPageCache extends PageCache {
  readonly #reclaim: Reclaim;

  /** @param reclaim the reclaim module that it serves */
  constructor(reclaim: Reclaim) {
    super(reclaim, {
      pages: { allocPages: () => null },
      slotsPerLeaf: SLOTS_PER_LEAF,
      kswapd: 'deferred',
    });
    this.#reclaim = reclaim;
    // No shrinkers were registered while it was recorded.
    reclaim.state.shrinkers.length = 0;
  }

  /** `writepage` of the recordings README. */
  override writepage(pfn: number, cpu: number): number {
    if (pfn % 7 === 0) return AOP_WRITEPAGE_ACTIVATE;
    if (pfn % 5 === 0) return 0;
    const { state } = this.#reclaim;
    folioStartWriteback(state, pfn, cpu);
    if (pfn % 3 === 0) folioEndWriteback(state, pfn, cpu);
    return 0;
  }

  /** Nothing wakes up: the flusher threads have nothing to do with this file. */
  override wakeupFlusherThreads(): void {}

  /** Time passes, nothing happens. */
  override throttle(_node: number, _reason: number, timeoutJiffies: number): number {
    return timeoutJiffies;
  }
}
