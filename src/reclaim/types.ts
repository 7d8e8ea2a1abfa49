import type { MemoryModel } from '../mm/memory-model.ts';
import type { TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { Swap } from './swap.ts';

/**
 * What reclaim asks of the page allocator that gets the pages. The buddy allocator of this package
 * fits by shape; a user's own may too. A page arrives without references and off all lists; wiping
 * its flags and its private word is the allocator's part, and so is counting a page that is still
 * PG_mlocked (NR_MLOCK down, `unevictable_pgs_cleared` up).
 */
export interface PageAllocatorForReclaim {
  /**
   * Takes back single pages whose last reference is gone.
   * @param pfns the pages, in the order in which they are to be freed; valid during the call
   * @param cpu the CPU that frees
   * @kernel free_unref_page_list (spec reclaim 4.22, buddy 4.28)
   */
  freeUnrefPageList(pfns: ArrayLike<number>, cpu: number): void;
  /**
   * Takes back one block whose last reference is gone.
   * @param pfn its first page
   * @param order log2 of the number of pages
   * @param cpu the CPU that frees
   * @kernel free_unref_page (spec buddy 4.26)
   */
  freeUnrefPage(pfn: number, order: number, cpu: number): void;
  /**
   * Whether a request would leave a zone above a mark, by the cheap reading of its free pages.
   * @param zoneId id of the zone
   * @param order log2 of the number of pages
   * @param mark the mark in pages
   * @param highestZoneidx highest zone index that the request could use
   * @param allocFlags ALLOC_ bits
   * @kernel zone_watermark_ok (spec reclaim 4.8)
   */
  zoneWatermarkOk(
    zoneId: number,
    order: number,
    mark: number,
    highestZoneidx: number,
    allocFlags: number,
  ): boolean;
  /**
   * The same without flags, by the exact reading when the cheap one is below the drift mark.
   * @kernel zone_watermark_ok_safe (spec reclaim 4.8)
   */
  zoneWatermarkOkSafe(zoneId: number, order: number, mark: number, highestZoneidx: number): boolean;
}

/** Where `referenced` puts what it found besides the count. One object is used again and again. */
export interface ReferencedResult {
  /** Union of the `VmFlag` bits of the counted mappings; 0 at the call. */
  vmFlags: number;
}

/**
 * What reclaim cannot know and asks of the surroundings: page tables, file systems, swap, I/O, time.
 * Every part has a deterministic default (spec reclaim 2.7). A callback may throw: the call of
 * reclaim then ends with that error, and all lists and counters are as after an ordinary end.
 */
export interface ReclaimHost {
  /**
   * How many mappings of a mapped page used it since the last question, and forgets it.
   * @param pfn the page
   * @param isLocked whether the caller holds the page lock
   * @param result where the flags of those mappings go
   * @param cpu the CPU that asks
   * @returns the count, -1 when the reverse map is busy. Default: the `Rmap` of the reclaim module
   * @kernel folio_referenced
   */
  referenced?(pfn: number, isLocked: boolean, result: ReferencedResult, cpu: number): number;
  /**
   * Removes all mappings of a page, or leaves some (the map count tells). Default: removes all.
   * @kernel try_to_unmap
   */
  tryToUnmap?(pfn: number, cpu: number): void;
  /** Whether the page lock is free. Default: PG_locked is clear. @kernel folio_trylock */
  trylock?(pfn: number): boolean;
  /** Whether the page's mapping can write pages out one by one. Default true. */
  hasWritepage?(pfn: number): boolean;
  /**
   * Writes a page out: starts write-back (`folioStartWriteback`), or finishes at once, or leaves the
   * page dirty. Default: starts write-back, which lasts until `folioEndWriteback` is called.
   * @returns 0, a negative error, or `AOP_WRITEPAGE_ACTIVATE`
   * @kernel address_space_operations.writepage
   */
  writepage?(pfn: number, cpu: number): number;
  /** Whether the private data of a page could be dropped. Default: yes. @kernel filemap_release_folio */
  releaseFolio?(pfn: number, gfp: number): boolean;
  /**
   * Dirty (1) and writeback (2) of a page with private data. Default: from the flags.
   * @kernel address_space_operations.is_dirty_writeback
   */
  isDirtyWriteback?(pfn: number): number;
  /** A page of a file became dirty. Default: nothing. @kernel address_space_operations.dirty_folio */
  dirtyFolio?(pfn: number, cpu: number): void;
  /** Whether dirty pages of the page's mapping are counted. Default: those of files are. @kernel mapping_can_writeback */
  accountsDirty?(pfn: number): boolean;
  /**
   * Takes a page out of the cache's index.
   * @param pfn the page
   * @param eviction age that the shadow entry gets, -1 for none
   * @param workingset whether the page was part of the working set
   * @param cpu the CPU that evicts
   * @kernel __filemap_remove_folio, __delete_from_swap_cache
   */
  removeFromCache?(pfn: number, eviction: number, workingset: boolean, cpu: number): void;
  /** A page entered the swap cache; its private word is the slot. Default: nothing. @kernel add_to_swap_cache */
  enteredSwapCache?(pfn: number): void;
  /** How ready a zone is for compaction: a `CompactResult`. Default: spec reclaim 4.27. */
  compactionSuitable?(zoneId: number, order: number, highestZoneidx: number): number;
  /** Compaction is wanted. Default: nothing. */
  wakeupKcompactd?(node: number, order: number, highestZoneidx: number): void;
  /** Compaction may look at every block again. Default: nothing. */
  resetIsolationSuitable?(node: number): void;
  /** Dirty pages are in the way. Default: nothing. */
  wakeupFlusherThreads?(): void;
  /** Whether there are too many buffer heads. Default false. */
  bufferHeadsOverLimit?(): boolean;
  /**
   * Sleeps in a throttle; may end write-backs meanwhile.
   * @param reason a `VmscanThrottle`
   * @param timeoutJiffies longest time
   * @returns jiffies slept. Default: the whole timeout
   * @kernel schedule_timeout
   */
  throttle?(node: number, reason: number, timeoutJiffies: number): number;
  /**
   * Waits until kswapd has made room for direct reclaimers. Default: runs kswapd of the node.
   * @param timeoutJiffies longest time, -1 for none
   * @kernel wait_event_killable(pfmemalloc_wait)
   */
  waitPfmemalloc?(node: number, timeoutJiffies: number): void;
}

/** How a `Reclaim` is made. */
export interface ReclaimOptions {
  /** The machine. */
  readonly model: MemoryModel;
  /** Who gets the freed pages. */
  readonly allocator: PageAllocatorForReclaim;
  /** What reclaim cannot know. Default: all defaults. */
  readonly host?: ReclaimHost;
  /** Swap space. Default: none. */
  readonly swap?: Swap;
  /** The running task; share it with the allocator. Default: a user task without flags. */
  readonly task?: TaskContext;
  /** Tracepoints. Default: none. */
  readonly trace?: TraceSink;
  /** The kernel's log. Default: none. */
  readonly log?: LogSink;
  /** `full` checks all invariants after every public call; slow. Default `basic`. */
  readonly checks?: 'basic' | 'full';
  /** Whether COMPACTION is built in. Default true. */
  readonly compaction?: boolean;
  /** `vm.laptop_mode`. Default 0. */
  readonly laptopMode?: number;
  /** Whether swap space lies on a file system, which then must be enterable for swap I/O. Default false. */
  readonly swapOnFileSystem?: boolean;
}

/** Counts of one batch of pages that reclaim looked at. @kernel struct reclaim_stat */
export interface ReclaimStat {
  /** Dirty or in write-back. */
  nrDirty: number;
  /** Dirty and not in write-back. */
  nrUnqueuedDirty: number;
  /** In write-back and met before. */
  nrCongested: number;
  /** In write-back. */
  nrWriteback: number;
  /** In write-back, met before, while kswapd sees nothing else. */
  nrImmediate: number;
  /** Written out. */
  nrPageout: number;
  /** Made active, anonymous. */
  nrActivateAnon: number;
  /** Made active, file. */
  nrActivateFile: number;
  /** Kept because they were used. */
  nrRefKeep: number;
  /** Could not be unmapped. */
  nrUnmapFail: number;
  /** Could not be dropped although marked droppable. */
  nrLazyfreeFail: number;
}

/** What one isolation of pages did. */
export interface Isolation {
  /** Pages looked at, skipped ones included. */
  scanned: number;
  /** Pages taken off their list. */
  taken: number;
  /** Pages freed of those. */
  freed: number;
}

/** What kswapd of a node is doing. */
export type KswapdState =
  /** There is no such thread. */
  | 'stopped'
  /** Awake, or woken and about to run. */
  | 'running'
  /** Having a nap of a tenth of a second to see whether the node stays balanced. */
  | 'short-sleep'
  /** Asleep until woken. */
  | 'long-sleep';

/**
 * A host with all its parts. Two of them would be asked for every page; their default is null: the
 * question is not asked at all.
 */
export interface Host extends Required<Omit<ReclaimHost, 'trylock' | 'removeFromCache'>> {
  /** See `ReclaimHost`; null: PG_locked tells. */
  readonly trylock: ((pfn: number) => boolean) | null;
  /** See `ReclaimHost`; null: there is no index. */
  readonly removeFromCache:
    | ((pfn: number, eviction: number, workingset: boolean, cpu: number) => void)
    | null;
}

/** What a shrinker is told and tells. One object is used for all calls of a pass. @kernel struct shrink_control */
export interface ShrinkControl {
  /** Mask of the request that reclaims. */
  gfpMask: number;
  /** Node that is short of memory. */
  nid: number;
  /** Objects to look at. */
  nrToScan: number;
  /** Objects looked at; equal to `nrToScan` unless the callback changes it. */
  nrScanned: number;
  /** CPU that reclaims. */
  cpu: number;
}

/** A cache that can give memory back. @kernel struct shrinker (spec reclaim 4.24) */
export interface ShrinkerOptions {
  /** Name of the scan callback in tracepoints, as the kernel prints the symbol. */
  readonly name: string;
  /** How many objects could be freed on a node; `SHRINK_EMPTY` for none at all. */
  countObjects(sc: ShrinkControl): number;
  /** Frees up to `sc.nrToScan` objects. @returns objects freed, or `SHRINK_STOP` */
  scanObjects(sc: ShrinkControl): number;
  /** Objects asked for at a time. Default 128. */
  readonly batch?: number;
  /** Price of making an object again; 0 for objects that cost nothing. Default 2. */
  readonly seeks?: number;
  /** Whether what is put off is counted per node. Default false. @kernel SHRINKER_NUMA_AWARE */
  readonly numaAware?: boolean;
}

/** A registered shrinker. */
export interface Shrinker extends Required<ShrinkerOptions> {
  /** Tells shrinkers of one name apart. */
  readonly id: number;
  /** Objects put off so far, by node; one cell if not NUMA-aware. */
  readonly nrDeferred: Float64Array;
}
