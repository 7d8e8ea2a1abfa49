import type { RandomSource } from '../lib/random.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import type { TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { AllocContext } from './alloc-context.ts';

/**
 * What takes over when the free lists refuse a request: direct reclaim, compaction, OOM. Without one
 * attached, a request that cannot block goes through the kernel's short form of it, and one that can
 * simply fails.
 *
 * @kernel __alloc_pages_slowpath (spec buddy 4.20, slowpath-compaction 4.5)
 */
export interface SlowPath {
  /**
   * Finds a block for a request that the fast path refused.
   * @param gfp the request's mask, scope flags of the task applied
   * @param order log2 of the number of pages
   * @param ac the prepared request; valid until this call returns
   * @param cpu the CPU that asks
   * @returns first page frame of a prepared block, -1 for none
   */
  allocPagesSlowpath(gfp: number, order: number, ac: AllocContext, cpu: number): number;
}

/**
 * Where direct compaction catches a block on its way to the free lists.
 *
 * @kernel struct capture_control (spec buddy 4.3)
 */
export interface CaptureControl {
  /** Id of the zone that is being compacted. */
  readonly zone: number;
  /** Order that is wanted. */
  readonly order: number;
  /** First page frame of the caught block, -1 while there is none. */
  page: number;
}

/** What the page allocator asks of its surroundings; every part has a default. */
export interface BuddyHooks {
  /**
   * Wakes kswapd of a zone's node. Default: raises the node's `kswapdOrder` and
   * `kswapdHighestZoneidx`, which is what a kswapd that never runs leaves behind.
   * @kernel wakeup_kswapd
   */
  wakeupKswapd?: (zoneId: number, gfp: number, order: number, highestZoneidx: number) => void;
  /**
   * Reclaims page cache of a node because `zone_reclaim_mode` says so. Default: as with nothing to
   * reclaim (`NODE_RECLAIM_FULL`).
   * @returns -2 NOSCAN, -1 FULL, 0 SOME, 1 SUCCESS
   * @kernel node_reclaim (spec buddy 4.18)
   */
  nodeReclaim?: (node: number, gfp: number, order: number, cpu: number) => number;
  /**
   * Whether another CPU holds the lock of a per-CPU list at this moment. Default: never.
   * @kernel pcp_spin_trylock
   */
  pcpContended?: (cpu: number, zoneId: number) => boolean;
  /**
   * Moves the pages in use of a range elsewhere, for a contiguous allocation: their owners hold other
   * pages from then on, and these are freed. Default: nothing can be moved.
   * @returns 0, or a negative error; EBUSY (-16) is not final
   * @kernel __alloc_contig_migrate_range (spec buddy 4.35)
   */
  migratePages?: (start: number, end: number, cpu: number) => number;
  /** The clock, for limits on reports. Default: stands still at 0. */
  jiffies?: () => number;
}

/** Which nodes the running task may use, when cpusets are in use (spec buddy 4.18, 4.19). */
export interface Cpusets {
  /** Nodes of the task's cpuset: the nodemask of its requests that bring none. */
  memsAllowed(): readonly number[];
  /** Whether a request of the task may use a node. @kernel __cpuset_node_allowed */
  nodeAllowed(node: number, gfp: number): boolean;
}

/** How a page allocator over an existing memory model is made. */
export interface BuddyOptions {
  /** Storage for page contents (zeroing, poison). Default: none, contents are not modelled. */
  readonly memory?: PhysicalMemory;
  /** Tracepoints. Default: none. */
  readonly trace?: TraceSink;
  /** The kernel's log. Default: none. */
  readonly log?: LogSink;
  /** `full` checks all invariants after every public call; slow. Default `basic`. */
  readonly checks?: 'basic' | 'full';
  /** The running task. Default: a user task without flags. */
  readonly task?: TaskContext;
  /** The slow path. Default: none attached. */
  readonly slowPath?: SlowPath;
  /** What is asked of the surroundings. */
  readonly hooks?: BuddyHooks;
  /** Cpusets. Default: none in use. */
  readonly cpusets?: Cpusets;
  /** `vm.dirty_ratio`, percent of a node's dirtyable pages. Default 20. */
  readonly dirtyRatio?: number;
  /** `vm.dirty_bytes`; not 0 replaces the ratio. Default 0. */
  readonly dirtyBytes?: number;
  /** Whether there are per-CPU lists of the THP order (TRANSPARENT_HUGEPAGE). Default true. */
  readonly thp?: boolean;
  /** `init_on_alloc=1`: every page handed out is zeroed. Default false. */
  readonly initOnAlloc?: boolean;
  /** `init_on_free=1`: every freed page is zeroed. Default false. */
  readonly initOnFree?: boolean;
  /** `page_poison=1`: freed pages are filled with 0xaa and checked when they are handed out. Default false. */
  readonly pagePoison?: boolean;
  /** `page_alloc.shuffle=1`: this source decides on which end a block of order 10 goes. Default: off. */
  readonly shuffle?: RandomSource;
}
