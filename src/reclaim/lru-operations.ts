import { PageFlag } from '../mm/page-flags.ts';
import type { TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import {
  deactivateFileFolio,
  deactivatePage,
  folioActivate,
  folioAddLru,
  folioRotateReclaimable,
  lruAddDrain,
  lruAddDrainAll,
  markPageLazyfree,
} from './batch.ts';
import { completeHost, extendHost } from './host.ts';
import { assertInvariants } from './invariants.ts';
import { folioIsolateLru, folioPutbackLru } from './isolate-lru.ts';
import { lruvecDelFolio } from './lru.ts';
import { folioMarkAccessed } from './mark-accessed.ts';
import {
  badState,
  checkCpu,
  checkFlags,
  checkOffLru,
  checkOnLru,
  checkPage,
  checkRange,
} from './misuse.ts';
import { checkMoveUnevictableFolios, mlockFolio, mlockNewPage, munlockPage } from './mlock.ts';
import { folioPut, releasePages } from './release.ts';
import { removeMapping } from './remove-mapping.ts';
import { pageAddRmap, pageRemoveRmap } from './rmap-walk.ts';
import { ReclaimState } from './state.ts';
import type { ReclaimHost, ReclaimOptions } from './types.ts';
import { workingsetRefault } from './workingset.ts';
import {
  folioClearDirtyForIo,
  folioEndWriteback,
  folioMarkDirty,
  folioStartWriteback,
} from './writeback.ts';

/**
 * What is done to single pages, under the kernel's names: LRU lists and batches, use, locks,
 * references, mappings, write-back. Reclaim itself is in `Reclaim`.
 *
 * Every method throws `ReclaimError` for misuse, before anything changed: `FOREIGN_PAGE` for a page
 * frame that belongs to no zone, `PAGE_FREE` for one that nobody refers to, `BAD_STATE` for one in a
 * wrong state, `BAD_REQUEST` for a CPU that is not there.
 */
export class LruOperations {
  /** What the module works on; read it, but change it through the methods. */
  readonly state: ReclaimState;
  /** Whether all invariants are checked after every call. */
  protected readonly fullChecks: boolean;

  /** @param options machine, page allocator and surroundings */
  constructor(options: ReclaimOptions) {
    this.state = new ReclaimState(options, (state) => completeHost(state, options.host ?? {}));
    this.fullChecks = options.checks === 'full';
  }

  /** The running task. */
  get task(): TaskContext {
    return this.state.task;
  }
  /** From now on this one runs. */
  set task(task: TaskContext) {
    this.state.task = task;
  }

  /** Tracepoints, null for none. */
  get trace(): TraceSink | null {
    return this.state.trace;
  }
  /** From now on they go there. */
  set trace(trace: TraceSink | null) {
    this.state.trace = trace;
  }

  /** The kernel's log, null for none. */
  get log(): LogSink | null {
    return this.state.log;
  }
  /** From now on lines go there. */
  set log(log: LogSink | null) {
    this.state.log = log;
  }

  /** Takes over what reclaim cannot know; what the host leaves out keeps its default. */
  setHost(host: ReclaimHost): void {
    this.state.host = completeHost(this.state, host);
  }

  /** Lets a host give some of the answers; the others stay as they are. */
  extendHost(host: ReclaimHost): void {
    this.state.host = extendHost(this.state.host, host);
  }

  /**
   * Sends a page to an LRU list through the CPU's batch. Its flags say to which list.
   * @kernel folio_add_lru (spec reclaim 4.10)
   */
  folioAddLru(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkOffLru(this.state, pfn);
    folioAddLru(this.state, pfn, cpu);
    this.verify();
  }

  /** Notes that a page was used. @kernel folio_mark_accessed (spec reclaim 4.11) */
  folioMarkAccessed(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    folioMarkAccessed(this.state, pfn, cpu);
    this.verify();
  }

  /** Makes an inactive page of an LRU list active, at the next flush. @kernel folio_activate (spec reclaim 4.10) */
  folioActivate(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    folioActivate(this.state, pfn, cpu);
    this.verify();
  }

  /** Makes an active page inactive, at the next flush. @kernel deactivate_page (spec reclaim 4.10) */
  deactivatePage(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    deactivatePage(this.state, pfn, cpu);
    this.verify();
  }

  /** Says that a file page is not needed any more. @kernel deactivate_file_folio (spec reclaim 4.10) */
  deactivateFileFolio(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    deactivateFileFolio(this.state, pfn, cpu);
    this.verify();
  }

  /** Says that the content of an anonymous page may be dropped. @kernel mark_page_lazyfree (spec reclaim 4.10) */
  markPageLazyfree(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    markPageLazyfree(this.state, pfn, cpu);
    this.verify();
  }

  /** Sends a page to the tail of its list. @kernel folio_rotate_reclaimable (spec reclaim 4.10) */
  folioRotateReclaimable(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    folioRotateReclaimable(this.state, pfn, cpu);
    this.verify();
  }

  /** Flushes all batches of a CPU. @kernel lru_add_drain (spec reclaim 4.10) */
  lruAddDrain(cpu = 0): void {
    checkCpu(this.state, cpu);
    lruAddDrain(this.state, cpu);
    this.verify();
  }

  /** Flushes all batches of all CPUs. @kernel lru_add_drain_all (spec reclaim 4.10) */
  lruAddDrainAll(): void {
    lruAddDrainAll(this.state);
    this.verify();
  }

  /** Flushes all batches and lets none fill again until `lruCacheEnable`. Calls nest. @kernel lru_cache_disable (spec reclaim 4.10) */
  lruCacheDisable(): void {
    this.state.lruDisableCount++;
    lruAddDrainAll(this.state);
    this.verify();
  }

  /** Ends what `lruCacheDisable` began. @kernel lru_cache_enable (spec reclaim 4.10) */
  lruCacheEnable(): void {
    checkRange('number of disabled batches', this.state.lruDisableCount, 1, 0x7fffffff);
    this.state.lruDisableCount--;
  }

  /**
   * Takes a page off its LRU list, with a reference; NR_ISOLATED_* is the caller's business.
   * @returns 0, or -16 (EBUSY) when the page is on no list
   * @kernel folio_isolate_lru, isolate_lru_page (spec reclaim 4.30)
   */
  isolateLruPage(pfn: number, cpu = 0): number {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    const result = folioIsolateLru(this.state, pfn, cpu);
    this.verify();
    return result;
  }

  /**
   * Gives an isolated page and its reference back; it returns through the CPU's batch.
   * @kernel folio_putback_lru, putback_lru_page (spec reclaim 4.30)
   */
  putbackLruPage(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkOffLru(this.state, pfn);
    folioPutbackLru(this.state, pfn, cpu);
    this.verify();
  }

  /**
   * Takes a page off its LRU list and clears PG_lru, without a reference.
   * @kernel lruvec_del_folio (spec reclaim 4.9)
   */
  lruvecDelFolio(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkOnLru(this.state, pfn);
    this.state.map.flags[pfn] &= ~PageFlag.PG_lru;
    lruvecDelFolio(this.state, pfn, cpu);
    this.verify();
  }

  /** Locks a page into memory. @kernel mlock_folio (spec reclaim 4.12) */
  mlockFolio(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    mlockFolio(this.state, pfn, cpu);
    this.verify();
  }

  /** Locks a new page into memory, in place of `folioAddLru`. @kernel mlock_new_page (spec reclaim 4.12) */
  mlockNewPage(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkOffLru(this.state, pfn);
    if ((this.state.map.flags[pfn] & (PageFlag.PG_mlocked | PageFlag.PG_unevictable)) !== 0) {
      throw badState(this.state, pfn, 'is not a new page');
    }
    mlockNewPage(this.state, pfn, cpu);
    this.verify();
  }

  /** Takes one lock off a page. @kernel munlock_page (spec reclaim 4.12) */
  munlockPage(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    munlockPage(this.state, pfn, cpu);
    this.verify();
  }

  /**
   * Looks again at pages whose mapping may have become evictable.
   * @kernel check_move_unevictable_folios (spec reclaim 4.12)
   */
  checkMoveUnevictableFolios(pfns: ArrayLike<number>, cpu = 0): void {
    checkCpu(this.state, cpu);
    for (let i = 0; i < pfns.length; i++) checkPage(this.state, pfns[i]);
    checkMoveUnevictableFolios(this.state, pfns, cpu);
    this.verify();
  }

  /** Takes one more reference of a page. @kernel folio_get */
  folioGet(pfn: number): void {
    checkPage(this.state, pfn);
    this.state.map.refcount[pfn]++;
  }

  /** Drops one reference of a page; with the last one the page is freed. @kernel folio_put (spec reclaim 4.14) */
  folioPut(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    folioPut(this.state, pfn, cpu);
    this.verify();
  }

  /**
   * Drops one reference of each page, in order; those without another one are freed together, the
   * last one first.
   * @kernel release_pages (spec reclaim 4.14)
   */
  releasePages(pfns: ArrayLike<number>, cpu = 0): void {
    checkCpu(this.state, cpu);
    const pages = Int32Array.from(pfns);
    for (const pfn of pages) checkPage(this.state, pfn);
    releasePages(this.state, pages, 0, pages.length, cpu);
    this.verify();
  }

  /**
   * Maps a page once more into some address space, as a fault does.
   * @param young whether the new entry has the accessed bit. Default true
   * @kernel page_add_file_rmap, page_add_anon_rmap
   */
  pageAddRmap(pfn: number, young = true, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    pageAddRmap(this.state, pfn, young, cpu);
    this.verify();
  }

  /** Removes one mapping of a page and drops its reference. @kernel page_remove_rmap */
  pageRemoveRmap(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    if (this.state.map.mapcount[pfn] === 0) throw badState(this.state, pfn, 'is not mapped');
    pageRemoveRmap(this.state, pfn, cpu);
    this.verify();
  }

  /** Marks a page dirty. @returns whether it was clean @kernel folio_mark_dirty (spec reclaim 4.13) */
  folioMarkDirty(pfn: number, cpu = 0): boolean {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    const wasClean = folioMarkDirty(this.state, pfn, cpu);
    this.verify();
    return wasClean;
  }

  /** Takes the dirty mark off a page. @returns whether it was dirty @kernel folio_clear_dirty_for_io (spec reclaim 4.13) */
  folioClearDirtyForIo(pfn: number, cpu = 0): boolean {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    const wasDirty = folioClearDirtyForIo(this.state, pfn, cpu);
    this.verify();
    return wasDirty;
  }

  /** Marks a page as being written. @kernel folio_start_writeback (spec reclaim 4.13) */
  folioStartWriteback(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    folioStartWriteback(this.state, pfn, cpu);
    this.verify();
  }

  /** A page was written. @kernel folio_end_writeback (spec reclaim 4.13) */
  folioEndWriteback(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkFlags(this.state, pfn, PageFlag.PG_writeback, 'is not being written');
    folioEndWriteback(this.state, pfn, cpu);
    this.verify();
  }

  /**
   * Takes a page out of its cache without a shadow entry; one reference stays.
   * @returns whether only cache and caller referred to it, and it was clean
   * @kernel remove_mapping (spec reclaim 4.30)
   */
  removeMapping(pfn: number, cpu = 0): boolean {
    checkCpu(this.state, cpu);
    checkPage(this.state, pfn);
    const removed = removeMapping(this.state, pfn, cpu);
    this.verify();
    return removed;
  }

  /**
   * A page comes back that was evicted: call it before the page goes to a batch.
   * @param shadow what `packShadow` made
   * @kernel workingset_refault (spec reclaim 4.13)
   */
  workingsetRefault(pfn: number, shadow: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkOffLru(this.state, pfn);
    checkRange('shadow', shadow, 0, Number.MAX_SAFE_INTEGER);
    workingsetRefault(this.state, pfn, shadow, cpu);
    this.verify();
  }

  /** Checks all invariants if the module was made for it, but not from inside a host callback. */
  protected verify(): void {
    if (this.fullChecks && !this.state.isolating) assertInvariants(this.state);
  }
}
