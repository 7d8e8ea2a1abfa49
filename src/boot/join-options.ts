import type { ReclaimHost } from '../reclaim/types.ts';
import type { WritebackOptions } from '../reclaim/writeback-queue.ts';
import type { OomHost } from '../slowpath/oom-types.ts';
import type { MigrationHost, SlowPathCpusets, SlowPathHooks } from '../slowpath/types.ts';

/** What a machine has besides its page allocator, and what its surroundings answer. */
export interface JoinOptions {
  /**
   * What a request meets when memory is short. `full`: LRU lists, page cache, kswapd, direct reclaim,
   * compaction and the OOM killer. `short`: only the watermarks and reserves of the page allocator; a
   * request that would have to reclaim fails, and the machine has no page cache. Default `full`.
   */
  readonly slowPath?: 'full' | 'short';
  /**
   * The object allocator, null for none. It boots when the machine has booted, and takes its first
   * pages then. Default: SLUB, but only when it is first used; until then the free lists are those of
   * the boot.
   */
  readonly slab?: 'slub' | 'slab' | null;
  /** Swap space in pages. Default 0. */
  readonly swapPages?: number;
  /** How fast dirty pages are written. Default: a jiffy each, 128 at a time. */
  readonly disk?: WritebackOptions;
  /**
   * Answers of the surroundings that replace those of the page cache: whether a page was used, how it
   * is written out or moved, how long a sleep lasts.
   */
  readonly host?: ReclaimHost & MigrationHost;
  /** Processes for the OOM killer. Default: those of the machine's process table. */
  readonly oom?: OomHost;
  /** Endless loops, stack dumps, rebuilt zonelists. */
  readonly hooks?: SlowPathHooks;
  /** Which nodes the running task may use. Default: all. */
  readonly cpusets?: SlowPathCpusets;
}
