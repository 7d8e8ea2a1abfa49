import type { MemoryModel } from '../mm/memory-model.ts';
import { MIGRATE_PCPTYPES } from '../mm/migratetype.ts';
import type { TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import { isPopulated, type Zone } from '../mm/zone.ts';
import type { AllocContext } from './alloc-context.ts';
import { drainAllPages, drainPagesZone } from './drain.ts';
import { BuddyError } from './errors.ts';
import { findSuitableFallback, moveFreepagesBlock } from './fallback.ts';
import { extfragForOrder, fragmentationIndex, unusableFreeIndex } from './frag-index.ts';
import { freeThePage } from './free.ts';
import { freeUnrefPageList, wipeList } from './free-list-of-pages.ts';
import { wipeFreed } from './free-prepare.ts';
import { unreserveHighatomicPageblock } from './high-atomic.ts';
import { assertInvariants } from './invariants.ts';
import { isolateFreePage, putbackIsolatedPage } from './isolate-free-page.ts';
import {
  checkBlock,
  checkCpu,
  checkFreeBlock,
  checkMigratetype,
  checkOrder,
  checkPage,
  checkUnreferenced,
  checkUnreferencedList,
} from './misuse.ts';
import { prepNewPage } from './new-page.ts';
import { BuddyState } from './state.ts';
import type { BuddyHooks, BuddyOptions, CaptureControl, SlowPath } from './types.ts';
import { wakeAllKswapds, wakeupKswapd } from './wakeup.ts';
import {
  zoneWatermarkFast,
  zoneWatermarkOk,
  zoneWatermarkOkFree,
  zoneWatermarkOkSafe,
} from './watermark.ts';
import { getPageFromFreelist } from './zone-walk.ts';

/**
 * The operations that reclaim, compaction and the slow path call, under the kernel's names, and what
 * they plug in. Zones are named by their id. Users of the allocator want `BuddyAllocator`.
 */
export class BuddyOperations {
  /** What the allocator works on; read it, but change it through the methods. */
  readonly state: BuddyState;

  /**
   * @param model the machine: its zones, lists and counters
   * @param options contents, tracing, checks and surroundings
   */
  constructor(model: MemoryModel, options: BuddyOptions = {}) {
    this.state = new BuddyState(model, options);
  }

  /** The machine. */
  get model(): MemoryModel {
    return this.state.model;
  }

  /** The running task. */
  get task(): TaskContext {
    return this.state.task;
  }
  set task(task: TaskContext) {
    this.state.task = task;
  }

  /** Tracepoints, null for none. */
  get trace(): TraceSink | null {
    return this.state.trace;
  }
  set trace(trace: TraceSink | null) {
    this.state.trace = trace;
    this.state.updateShortcuts();
  }

  /** The kernel's log, null for none. */
  get log(): LogSink | null {
    return this.state.log;
  }
  set log(log: LogSink | null) {
    this.state.log = log;
  }

  /** What takes over when the free lists refuse a request, null for the short form. */
  get slowPath(): SlowPath | null {
    return this.state.slowPath;
  }
  set slowPath(slowPath: SlowPath | null) {
    this.state.slowPath = slowPath;
  }

  /** What is asked of the surroundings. */
  get hooks(): BuddyHooks {
    return this.state.hooks;
  }
  set hooks(hooks: BuddyHooks) {
    this.state.hooks = hooks;
    this.state.updateShortcuts();
  }

  /** Bits that requests keep: `GFP_BOOT_MASK` before interrupts are on, then all. @kernel gfp_allowed_mask */
  get gfpAllowedMask(): number {
    return this.state.gfpAllowedMask;
  }
  set gfpAllowedMask(mask: number) {
    this.state.gfpAllowedMask = mask;
    this.state.updateShortcuts();
  }

  /** What direct compaction waits for, null for nothing. @kernel current.capture_control (spec buddy 4.3) */
  get captureControl(): CaptureControl | null {
    return this.state.captureControl;
  }
  set captureControl(control: CaptureControl | null) {
    this.state.captureControl = control;
  }

  /**
   * One walk over the zones of a prepared request.
   * @param gfp the request's mask
   * @param order log2 of the number of pages
   * @param allocFlags bits of `AllocFlag`
   * @param ac the prepared request
   * @param cpu the CPU that asks
   * @returns first page frame of a prepared block, -1 for none
   * @kernel get_page_from_freelist (spec buddy 4.18)
   */
  getPageFromFreelist(
    gfp: number,
    order: number,
    allocFlags: number,
    ac: AllocContext,
    cpu: number,
  ): number {
    return getPageFromFreelist(this.state, gfp, order, allocFlags, ac, cpu);
  }

  /**
   * Whether a zone may give a block: the mark, the reserves, and a block of a fitting order.
   * @param mark watermark in pages, boost included
   * @param highestZoneidx highest zone index that the request may use
   * @kernel zone_watermark_ok (spec buddy 4.17)
   */
  zoneWatermarkOk(
    zone: number | Zone,
    order: number,
    mark: number,
    highestZoneidx: number,
    allocFlags: number,
  ): boolean {
    const of = this.zone(zone);
    return zoneWatermarkOk(this.state, of, order, mark, highestZoneidx, allocFlags);
  }

  /**
   * The same with a given number of free pages.
   * @param freePages free pages to assume
   * @kernel __zone_watermark_ok (spec buddy 4.17)
   */
  watermarkOkWith(
    zone: number | Zone,
    order: number,
    mark: number,
    highestZoneidx: number,
    allocFlags: number,
    freePages: number,
  ): boolean {
    const of = this.zone(zone);
    return zoneWatermarkOkFree(this.state, of, order, mark, highestZoneidx, allocFlags, freePages);
  }

  /**
   * The check of kswapd: no flags, the exact count of free pages where the cheap one is too far off.
   * @kernel zone_watermark_ok_safe (spec buddy 4.17)
   */
  zoneWatermarkOkSafe(
    zone: number | Zone,
    order: number,
    mark: number,
    highestZoneidx: number,
  ): boolean {
    return zoneWatermarkOkSafe(this.state, this.zone(zone), order, mark, highestZoneidx);
  }

  /**
   * The check of the zone walk.
   * @param gfp the request's mask: `__GFP_ATOMIC` gives a second chance without boost
   * @kernel zone_watermark_fast (spec buddy 4.17)
   */
  zoneWatermarkFast(
    zone: number | Zone,
    order: number,
    mark: number,
    highestZoneidx: number,
    allocFlags: number,
    gfp: number,
  ): boolean {
    const of = this.zone(zone);
    return zoneWatermarkFast(this.state, of, order, mark, highestZoneidx, allocFlags, gfp);
  }

  /**
   * Frees order-0 pages whose last references were just dropped, in list order.
   * @throws BuddyError `FOREIGN_PAGE`, `DOUBLE_FREE`, `WRONG_ORDER`, `PAGE_ON_LIST`, `BAD_STATE`;
   * then none is freed
   * @kernel free_unref_page_list (spec buddy 4.28)
   */
  freeUnrefPageList(pfns: ArrayLike<number>, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkUnreferencedList(this.state, pfns);
    wipeList(this.state, pfns);
    freeUnrefPageList(this.state, pfns, cpu);
    this.verify();
  }

  /**
   * Frees one block whose last reference was just dropped, through the CPU's own list.
   * @param pfn first page frame
   * @param order log2 of the number of pages, one that has per-CPU lists
   * @throws BuddyError `FOREIGN_PAGE`, `DOUBLE_FREE`, `WRONG_ORDER`, `PAGE_ON_LIST`, `BAD_STATE`
   * @kernel free_unref_page (spec buddy 4.26)
   */
  freeUnrefPage(pfn: number, order: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkUnreferenced(this.state, pfn, order);
    wipeFreed(this.state, pfn, 1 << order);
    freeThePage(this.state, pfn, order, cpu);
    this.verify();
  }

  /**
   * Moves the pages of a CPU's lists to the free lists.
   * @param cpu the CPU
   * @param zoneId only of this zone. Default: of all
   * @kernel drain_local_pages (spec buddy 4.29)
   */
  drainLocalPages(cpu = 0, zoneId = -1): void {
    checkCpu(this.state, cpu);
    for (const zone of zoneId < 0 ? this.state.zones : [this.zone(zoneId)]) {
      if (isPopulated(zone)) drainPagesZone(this.state, zone, cpu, cpu);
    }
    this.verify();
  }

  /**
   * Moves the pages of all CPUs' lists to the free lists; counters move on the calling CPU.
   * @param cpu the CPU that does it
   * @param zoneId only of this zone. Default: of all
   * @kernel drain_all_pages (spec buddy 4.29)
   */
  drainAllPages(cpu = 0, zoneId = -1): void {
    checkCpu(this.state, cpu);
    drainAllPages(this.state, zoneId < 0 ? null : this.zone(zoneId), cpu);
    this.verify();
  }

  /**
   * Moves the pages of one CPU's lists of one zone to the free lists.
   * @param owner CPU whose lists are emptied
   * @param cpu CPU that does it. Default: the owner
   * @kernel drain_pages_zone (spec buddy 4.29)
   */
  drainPagesZone(zoneId: number, owner: number, cpu: number = owner): void {
    checkCpu(this.state, owner);
    checkCpu(this.state, cpu);
    drainPagesZone(this.state, this.zone(zoneId), owner, cpu);
    this.verify();
  }

  /**
   * Gives a pageblock of the HIGHATOMIC reserve back.
   * @param ac the request that needs it: its zones and its type
   * @param force also the last pageblock of a zone
   * @param _cpu the CPU that asks; no counter moves
   * @returns whether free pages became available
   * @kernel unreserve_highatomic_pageblock (spec buddy 4.16)
   */
  unreserveHighatomicPageblock(ac: AllocContext, force: boolean, _cpu = 0): boolean {
    const freed = unreserveHighatomicPageblock(this.state, ac, force);
    this.verify();
    return freed;
  }

  /**
   * Takes a whole free block off its list if the zone can spare it. It is then nobody's: prepare it,
   * split it or put it back.
   * @param pfn first page frame of a free block of exactly `order`
   * @returns number of pages, 0 if the zone is too low on memory
   * @throws BuddyError `BAD_STATE`, `FOREIGN_PAGE` where no free block of that order starts
   * @kernel __isolate_free_page (spec buddy 4.34)
   */
  isolateFreePage(pfn: number, order: number, cpu = 0): number {
    checkCpu(this.state, cpu);
    checkFreeBlock(this.state.map, pfn, order);
    return isolateFreePage(this.state, pfn, order, cpu);
  }

  /**
   * Puts back what `isolateFreePage` took, or a captured block.
   * @param migratetype list to put it on
   * @kernel __putback_isolated_page (spec buddy 4.34)
   */
  putbackIsolatedPage(pfn: number, order: number, migratetype: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkBlock(this.state.map, pfn, order);
    checkMigratetype(migratetype);
    putbackIsolatedPage(this.state, pfn, order, migratetype, cpu);
  }

  /**
   * Makes a block that is nobody's an allocated one.
   * @param gfp the request's mask: zeroing, compound page
   * @param allocFlags bits of `AllocFlag` that it was found with
   * @kernel prep_new_page (spec buddy 4.21)
   */
  prepNewPage(pfn: number, order: number, gfp: number, allocFlags: number): void {
    checkBlock(this.state.map, pfn, order);
    prepNewPage(this.state, pfn, order, gfp, allocFlags);
  }

  /**
   * Moves the free blocks of a pageblock to the lists of a type; the pageblock keeps its own.
   * @returns pages moved
   * @kernel move_freepages_block (spec buddy 4.6)
   */
  moveFreepagesBlock(zoneId: number, pfn: number, migratetype: number): number {
    checkPage(this.state.map, pfn);
    checkMigratetype(migratetype);
    return moveFreepagesBlock(this.state, this.zone(zoneId), pfn, migratetype);
  }

  /**
   * Where a request of a type would look when its own list of an order is empty.
   * @param onlyStealable only if it could claim the pageblock
   * @returns a migratetype, -1 for none
   * @kernel find_suitable_fallback (spec buddy 4.7)
   */
  findSuitableFallback(
    zoneId: number,
    order: number,
    migratetype: number,
    onlyStealable: boolean,
  ): number {
    checkOrder(order);
    checkMigratetype(migratetype, MIGRATE_PCPTYPES);
    const { id } = this.zone(zoneId);
    return findSuitableFallback(this.state, id, order, migratetype, onlyStealable);
  }

  /** Wakes kswapd of a zone's node. @kernel wakeup_kswapd (spec buddy 4.20) */
  wakeupKswapd(zoneId: number, gfp: number, order: number, highestZoneidx: number): void {
    wakeupKswapd(this.state, this.zone(zoneId).id, gfp, order, highestZoneidx);
  }

  /** Wakes kswapd of all nodes of a request. @kernel wake_all_kswapds (spec buddy 4.20) */
  wakeAllKswapds(gfp: number, order: number, ac: AllocContext): void {
    wakeAllKswapds(this.state, gfp, order, ac);
  }

  /**
   * Whether a request of an order would fail for lack of memory (towards 0) or for fragmentation
   * (towards 1000); -1000 if it would not.
   * @kernel fragmentation_index (spec buddy 4.36)
   */
  fragmentationIndex(zoneId: number, order: number): number {
    return fragmentationIndex(this.state.areas, this.zone(zoneId).id, order);
  }

  /** Part of the free memory useless for an order, 1/1000. @kernel unusable_free_index (spec buddy 4.36) */
  unusableFreeIndex(zoneId: number, order: number): number {
    return unusableFreeIndex(this.state.areas, this.zone(zoneId).id, order);
  }

  /** Part of the free memory useless for an order, percent. @kernel extfrag_for_order (spec buddy 4.36) */
  extfragForOrder(zoneId: number, order: number): number {
    return extfragForOrder(this.state.areas, this.zone(zoneId).id, order);
  }

  /** The zone itself, or the zone of an id. @throws BuddyError `BAD_REQUEST` */
  protected zone(zone: number | Zone): Zone {
    const found = this.state.zones[typeof zone === 'number' ? zone : zone?.id];
    if (found !== undefined && (found === zone || found.id === zone)) return found;
    throw new BuddyError('BAD_REQUEST', `there is no zone ${String(zone)}`, { zoneId: zone });
  }

  /** Checks all invariants if the allocator was made for it. */
  protected verify(): void {
    if (this.state.fullChecks) assertInvariants(this.state);
  }
}
