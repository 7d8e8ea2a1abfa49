import type { JoinOptions } from '../boot/join-options.ts';
import type { BuddyAllocator } from '../buddy/allocator.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import type { TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import { PageCache } from '../reclaim/page-cache.ts';
import { Reclaim } from '../reclaim/reclaim.ts';
import { Swap } from '../reclaim/swap.ts';
import type { OomHost, SlabUsage } from '../slowpath/oom-types.ts';
import { SlowPath } from '../slowpath/slowpath.ts';
import type { MigrationHost, SlowPathReclaim } from '../slowpath/types.ts';
import { ProcessTable } from './processes.ts';

/** Milliseconds in a second. */
const MSEC_PER_SEC = 1000;

/** Writes that the disk of a machine takes at a time. @kernel BLKDEV_DEFAULT_RQ */
const QUEUE_DEPTH = 128;

/** What all allocators of a machine share. */
export interface SharedParts {
  /** The page allocator, on the machine's model. */
  readonly buddy: BuddyAllocator;
  /** Storage for the contents of pages, null for none. */
  readonly memory: PhysicalMemory | null;
  /** The running task. */
  readonly task: TaskContext;
  /** The kernel's log. */
  readonly log: LogSink;
  /** Tracepoints, null for none. */
  readonly trace: TraceSink | null;
  /** `full` checks all invariants after every public call. */
  readonly checks: 'basic' | 'full';
}

/** What a machine does when memory is short. */
export interface Pressure {
  /** LRU lists, kswapd, direct reclaim, shrinkers. */
  readonly reclaim: Reclaim;
  /** Files and anonymous memory; the machine's clock. */
  readonly pageCache: PageCache;
  /** Retries, compaction, OOM killer. */
  readonly slowPath: SlowPath;
  /** Processes. */
  readonly processes: ProcessTable;
}

/**
 * Makes reclaim, page cache and slow path for a page allocator that runs already, and introduces them
 * to each other. Free lists and counters stay as they are; kswapd of every node goes to sleep.
 * @param shared what they share
 * @param options what the user said
 * @param slabCaches slab caches, for reports of the OOM killer
 * @kernel kswapd_init, kcompactd_init
 */
export function joinPressure(
  shared: SharedParts,
  options: JoinOptions,
  slabCaches: () => readonly SlabUsage[],
): Pressure {
  const { buddy, checks, log, memory, task, trace } = shared;
  const { model } = buddy;
  const swap = new Swap(options.swapPages ?? 0);
  const common = { model, task, log, checks, ...(trace && { trace }) };
  const reclaim = new Reclaim({ ...common, allocator: buddy, swap });
  const cache = new PageCache(reclaim, {
    queueDepth: QUEUE_DEPTH,
    ...options.disk,
    pages: buddy,
    // The slow path reclaims, and the host of the machine says when kswapd runs.
    directReclaim: false,
    kswapd: 'deferred',
  });
  const processes = new ProcessTable(cache.anon, task);
  const { hooks, cpusets, host = {} } = options;
  const slowPath = new SlowPath({
    ...common,
    pages: buddy,
    lru: reclaim,
    reclaim: reclaimWithDisk(reclaim, cache),
    host: migrationHost(cache, host),
    oom: options.oom ?? oomHost(processes, slabCaches),
    ...(swap.totalPages > 0 && { swap }),
    now: () => Math.floor((cache.jiffies * MSEC_PER_SEC) / model.hz),
    ...(memory && { memory }),
    ...(hooks && { hooks }),
    ...(cpusets && { cpusets }),
  });
  reclaim.extendHost({
    compactionSuitable: (zone, order, index) => slowPath.compactionSuitable(zone, order, index),
    wakeupKcompactd: (node, order, index) => slowPath.wakeupKcompactd(node, order, index),
    resetIsolationSuitable: (node) => slowPath.resetIsolationSuitable(node),
  });
  reclaim.extendHost(host);
  reclaim.startKswapd();
  buddy.slowPath = slowPath;
  buddy.hooks = {
    ...buddy.hooks,
    wakeupKswapd: (zone, gfp, order, index) => reclaim.wakeupKswapd(zone, gfp, order, index),
    nodeReclaim: (node, gfp, order, cpu) => reclaim.nodeReclaim(node, gfp, order, cpu),
    jiffies: () => cache.jiffies,
  };
  return { reclaim, pageCache: cache, slowPath, processes };
}

/** Direct reclaim beside a disk: who got nothing waits a jiffy for the writes that are under way. */
function reclaimWithDisk(reclaim: Reclaim, cache: PageCache): SlowPathReclaim {
  return {
    tryToFreePages: (...request) => {
      const freed = reclaim.tryToFreePages(...request);
      if (freed === 0 && cache.writing > 0) cache.advance(1, request[4]);
      return freed;
    },
    zoneReclaimablePages: (zone) => reclaim.zoneReclaimablePages(zone),
    wakeupKswapd: (...request) => reclaim.wakeupKswapd(...request),
    kswapdState: (node) => reclaim.kswapdState(node),
  };
}

/** Who owns the pages that compaction moves: the page cache, unless the user says so. */
function migrationHost(cache: PageCache, answers: MigrationHost): MigrationHost {
  return {
    migrate: (from, to, mode) => answers.migrate?.(from, to, mode) ?? cache.migrate(from, to, mode),
    hasMigrateCallback: (pfn) => answers.hasMigrateCallback?.(pfn) ?? true,
    isolatePage: (pfn) => answers.isolatePage?.(pfn) ?? false,
    putbackPage: (pfn) => answers.putbackPage?.(pfn),
  };
}

function oomHost({ tasks }: ProcessTable, slabCaches: OomHost['slabCaches']): OomHost {
  return {
    tasks: tasks.tasks,
    get current() {
      return tasks.current;
    },
    kill: (task) => tasks.kill(task),
    reap: (mm) => tasks.reap(mm),
    ...(slabCaches && { slabCaches }),
  };
}
