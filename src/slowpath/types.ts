import type { PhysicalMemory } from '../memory/types.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import type { TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { Zone } from '../mm/zone.ts';
import type { OomHost } from './oom-types.ts';

/**
 * Where a free may leave a block for a waiting compaction instead of the free lists. Published to
 * the page allocator while a zone is compacted on behalf of an allocation.
 * @kernel struct capture_control (spec slowpath-compaction 4.23)
 */
export interface CaptureControl {
  /** Id of the zone that is being compacted. */
  readonly zone: number;
  /** Order wanted. */
  readonly order: number;
  /** First page frame of the block taken, -1 while there is none. */
  page: number;
}

/** What compaction asks of the page allocator. The buddy allocator of this package fits by shape. */
export interface CompactionPages {
  /** Accepts captures while not null. */
  captureControl: CaptureControl | null;
  /** Watermark check with the zone's cheap free count. @kernel zone_watermark_ok */
  zoneWatermarkOk(
    zone: Zone,
    order: number,
    mark: number,
    highestZoneidx: number,
    allocFlags: number,
  ): boolean;
  /** Watermark check with a given free count. @kernel __zone_watermark_ok */
  watermarkOkWith(
    zone: Zone,
    order: number,
    mark: number,
    highestZoneidx: number,
    allocFlags: number,
    freePages: number,
  ): boolean;
  /** Takes a free block off its list for migration targets; pages taken, 0 if refused. @kernel __isolate_free_page */
  isolateFreePage(pfn: number, order: number, cpu: number): number;
  /** Type of the free block that a request could fall back on, -1 for none. @kernel find_suitable_fallback */
  findSuitableFallback(
    zoneId: number,
    order: number,
    migratetype: number,
    onlyStealable: boolean,
  ): number;
  /** Puts a block that is nobody's on a free list. @kernel __putback_isolated_page */
  putbackIsolatedPage(pfn: number, order: number, migratetype: number, cpu: number): void;
  /** Makes a block that is nobody's an allocated one. @kernel prep_new_page, post_alloc_hook */
  prepNewPage(pfn: number, order: number, gfp: number, allocFlags: number): void;
  /** Drops one reference of an allocated single page; frees it at 0. @kernel __free_page */
  freePages(pfn: number, order: number, cpu: number): void;
  /** Empties a CPU's page lists of one zone. @kernel drain_local_pages(zone) */
  drainLocalPages(cpu: number, zoneId?: number): void;
  /** Empties all CPUs' page lists. @kernel drain_all_pages */
  drainAllPages(cpu: number, zoneId?: number): void;
  /** Fragmentation index of a zone for an order. @kernel fragmentation_index */
  fragmentationIndex(zoneId: number, order: number): number;
  /** Percentage of free memory unusable for an order. @kernel extfrag_for_order */
  extfragForOrder(zoneId: number, order: number): number;
}

/** What compaction asks of the LRU lists. The reclaim module of this package fits by shape. */
export interface CompactionLru {
  /** Takes a page that is on an LRU list off it, clearing PG_lru; counts nothing as isolated. */
  lruvecDelFolio(pfn: number, cpu: number): void;
  /** Puts an isolated page back through the CPU's batch; takes over its reference. @kernel folio_putback_lru */
  putbackLruPage(pfn: number, cpu: number): void;
  /** Flushes the CPU's batches. @kernel lru_add_drain */
  lruAddDrain(cpu: number): void;
  /** Flushes all CPUs' batches. @kernel lru_add_drain_all */
  lruAddDrainAll(): void;
}

/** What only the owner of pages can do or know. */
export interface MigrationHost {
  /**
   * Moves a page's owner from one frame to another: whoever held `from` holds `to` from now on. The
   * caller copies content, flags and counts. Default: always `OK`.
   * @param from frame in use, isolated
   * @param to free frame, isolated
   * @param mode how much may be waited, see `MigrateMode`
   * @returns a value of `MigrateOutcome`; anything else counts as `BUSY`
   */
  migrate?(from: number, to: number, mode: number): number;
  /** Whether the mapping of a dirty page can migrate without writing it first. Default true. */
  hasMigrateCallback?(pfn: number): boolean;
  /** Isolates a movable page that is on no LRU list. Default: refuses. */
  isolatePage?(pfn: number): boolean;
  /** Undoes `isolatePage`. */
  putbackPage?(pfn: number): void;
  /**
   * Whether more than half of a node's LRU pages are isolated. An async run then gives up; another
   * one asks again until it is false, so the host must let something happen. Default: never.
   * @kernel too_many_isolated (spec slowpath-compaction 4.18)
   */
  tooManyIsolated?(node: number): boolean;
}

/**
 * A prepared request. The page allocator's own object fits by shape.
 * @kernel struct alloc_context (spec slowpath-compaction 2.2)
 */
export interface SlowPathRequest {
  /** Zones in order of preference. */
  zonelist: readonly Zone[];
  /** Nodes that may be used (cell 1 per allowed node), null for all. */
  nodemask: Uint8Array | null;
  /** Position of the first eligible zone in the zonelist, its length if there is none. */
  preferredZoneref: number;
  /** Migratetype wanted. */
  migratetype: number;
  /** Highest zone index that may be used. */
  highestZoneidx: number;
  /** Whether nodes over their dirty limit are skipped. */
  spreadDirtyPages: boolean;
}

/** What the slow path asks of the page allocator. The buddy allocator of this package fits by shape. */
export interface SlowPathPages extends CompactionPages {
  /** One attempt over the zonelist; -1 for none. @kernel get_page_from_freelist */
  getPageFromFreelist(
    gfp: number,
    order: number,
    allocFlags: number,
    request: SlowPathRequest,
    cpu: number,
  ): number;
  /** Gives HIGHATOMIC pageblocks back. @kernel unreserve_highatomic_pageblock */
  unreserveHighatomicPageblock(request: SlowPathRequest, force: boolean, cpu: number): boolean;
  /** Notes that kswapd is wanted; asked when there is no reclaim. */
  wakeupKswapd?(zoneId: number, gfp: number, order: number, highestZoneidx: number): void;
}

/** What the slow path asks of reclaim. The reclaim module of this package fits by shape. */
export interface SlowPathReclaim {
  /** Frees pages for a request; how many, 0 for no progress. @kernel try_to_free_pages */
  tryToFreePages(
    zonelist: readonly Zone[],
    order: number,
    gfp: number,
    nodemask: Uint8Array | null,
    cpu: number,
  ): number;
  /** Pages of a zone that reclaim could free. @kernel zone_reclaimable_pages */
  zoneReclaimablePages(zone: Zone): number;
  /** Wakes a node's kswapd. @kernel wakeup_kswapd */
  wakeupKswapd(zoneId: number, gfp: number, order: number, highestZoneidx: number): void;
  /** What kswapd of a node is doing; `running` matters. Default: never running. */
  kswapdState?(node: number): string;
}

/**
 * Whom the OOM killer is asked for.
 * @kernel struct oom_control (spec slowpath-compaction 2.7)
 */
export interface OomRequest {
  /** Zones of the request. */
  readonly zonelist: readonly Zone[];
  /** Nodes that may be used, null for all. */
  readonly nodemask: Uint8Array | null;
  /** The request's mask. */
  readonly gfp: number;
  /** Order wanted, -1 for a request by hand. */
  readonly order: number;
  /** CPU of the caller. */
  readonly cpu: number;
}

/** Ends a task to free its memory. */
export interface OomKiller {
  /** Whether waiting for memory makes sense now. @kernel out_of_memory */
  outOfMemory(request: OomRequest): boolean;
}

/**
 * Which nodes the running task may use, when cpusets are in use. The page allocator's object fits by
 * shape. (spec slowpath-compaction 4.11)
 */
export interface SlowPathCpusets {
  /** Nodes of the task's cpuset. */
  memsAllowed(): readonly number[];
  /** Whether a request of the task may use a node. @kernel __cpuset_node_allowed */
  nodeAllowed(node: number, gfp: number): boolean;
  /** A number that changes when the task's nodes or memory policy change. Default: they never do. */
  cookie?(): number;
  /** Whether some cpuset has only movable nodes (the insane-config key). Default false. */
  insaneConfig?(): boolean;
  /** Name of the task's cpuset in reports. Default `/`. */
  cpusetName?(): string;
}

/** What a node's kcompactd is doing. */
export type KcompactdActivity =
  /** Nothing to do. */
  | 'asleep'
  /** Woken, or at work. */
  | 'running';

/** A round that ended without a page and will be repeated. */
export interface StallRound {
  /** The request's mask. */
  readonly gfp: number;
  /** Order wanted. */
  readonly order: number;
  /** How often this was told in this call, from 1. */
  readonly rounds: number;
  /**
   * Why it goes on: the OOM killer gave hope; the request may not fail; reclaim or compaction
   * promised a page very many times (told now and then only).
   */
  readonly cause: 'oom' | 'nofail' | 'retry';
}

/** What the slow path can be told and asked by its surroundings. */
export interface SlowPathHooks {
  /**
   * The next round starts, and it could go on like this for ever. The host may let something happen
   * here, or throw. Default: a `StallError` when nothing changed since the last time.
   * (spec slowpath-compaction 4.5)
   */
  onStall?(round: StallRound): void;
  /** Lines of a stack dump in reports. Default: one line that names the CPU and the task. */
  dumpStack?(cpu: number): readonly string[];
  /** A number that changes when zonelists are rebuilt. Default: they never are. */
  zonelistCookie?(): number;
  /** Whether storage is suspended: nobody is killed then. Default false. @kernel pm_suspended_storage */
  storageSuspended?(): boolean;
}

/** Swap space. The reclaim module's object fits by shape. */
export interface SwapUsage {
  /** Slots in all. */
  readonly totalPages: number;
  /** Free slots. */
  readonly nrFree: number;
}

/** What is built into the kernel, as far as it shows here. */
export interface SlowPathConfig {
  /** COMPACTION. Default true. */
  readonly compaction: boolean;
  /** CPUSETS: reports name the cpuset. Default true. */
  readonly cpusets: boolean;
  /** MEMCG: the OOM summary names the memory cgroup, which always is the root. Default true. */
  readonly memcg: boolean;
  /** NUMA: reports name the node of a zone. Default true. */
  readonly numa: boolean;
  /** TRANSPARENT_HUGEPAGE: reports count its pages. Default true. */
  readonly thp: boolean;
  /** HUGETLB_PAGE: reports count its pages. Default: as the pageblock order says. */
  readonly hugetlb: boolean;
  /** CMA: reports count its pages, none. Default false. */
  readonly cma: boolean;
  /** MEMORY_FAILURE: reports count bad pages, none. Default false. */
  readonly memoryFailure: boolean;
}

/** What reports go through, and what they are made of. */
export interface ReportOutput {
  /** The kernel's log. */
  readonly log: LogSink | null;
  /** Tracepoints. */
  readonly trace: TraceSink | null;
  /** What is built in. */
  readonly config: SlowPathConfig;
  /** Swap space, null for none. */
  readonly swap: SwapUsage | null;
  /** Milliseconds since start. */
  now(): number;
  /** Lines of a stack dump. */
  dumpStack(cpu: number): readonly string[];
  /** Lines of the memory report; nodes not in the mask and zones above the index are left out. @kernel show_mem */
  showMem(nodemask: Uint8Array | null, highestZoneidx: number, cpu: number): readonly string[];
}

/** How a `SlowPath` is made. */
export interface SlowPathOptions {
  /** The machine. */
  readonly model: MemoryModel;
  /** The page allocator. */
  readonly pages: SlowPathPages;
  /** The LRU lists. Default: the LRU lists of `InstantLru`, without batches. */
  readonly lru?: CompactionLru;
  /** Reclaim. Default: nothing can be reclaimed. */
  readonly reclaim?: SlowPathReclaim;
  /** Owner of the pages. Default: every page that is movable by its flags can be moved. */
  readonly host?: MigrationHost;
  /** Tasks and what ends them. Default: there are none, so that the kernel panics. */
  readonly oom?: OomHost;
  /** Cpusets. Default: none in use. */
  readonly cpusets?: SlowPathCpusets;
  /** Other parts of the surroundings. */
  readonly hooks?: SlowPathHooks;
  /** The running task; share it with page allocator and reclaim. Default: a user task without flags. */
  readonly task?: TaskContext;
  /** Storage for page contents, copied by migration. Default: none. */
  readonly memory?: PhysicalMemory;
  /** Tracepoints. Default: none. */
  readonly trace?: TraceSink;
  /** The kernel's log. Default: none. */
  readonly log?: LogSink;
  /** Milliseconds since start, for timers and limits of reports. Default: stands still at 0. */
  readonly now?: () => number;
  /** Swap space, as reports show it and badness counts it. Default: none. */
  readonly swap?: SwapUsage;
  /** What is built in. */
  readonly config?: Partial<SlowPathConfig>;
  /** `full` checks all invariants after every public call; slow. Default `basic`. */
  readonly checks?: 'basic' | 'full';
}
