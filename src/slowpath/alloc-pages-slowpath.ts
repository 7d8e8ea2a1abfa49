import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { zoneOfPage } from '../mm/memory-model.ts';
import { Migratetype } from '../mm/migratetype.ts';
import type { CallArguments } from '../mm/trace.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { ZoneType } from '../mm/zone-types.ts';
import { gfpPfmemallocFlags, gfpToAllocFlags } from './alloc-flags.ts';
import type { CompactionContext } from './compaction-context.ts';
import { AllocFlag, CompactPriority, CompactResult, PAGE_ALLOC_COSTLY_ORDER } from './constants.ts';
import { Cookies, checkRetryCookies, noZoneInCpuset } from './cookies.ts';
import { resetPreferredZone } from './each-zone.ts';
import { type RetryState, shouldCompactRetry, shouldReclaimRetry } from './retry.ts';
import { tryToCompactPages } from './try-to-compact.ts';
import type {
  OomKiller,
  SlowPathPages,
  SlowPathReclaim,
  SlowPathRequest,
  StallRound,
} from './types.ts';
import { wakeAllKswapds } from './wake-all-kswapds.ts';
import { compactionDeferReset } from './zone-state.ts';

/** What the state machine reports to its surroundings. */
export interface SlowPathReports {
  /** A request failed for good and may be reported. @kernel warn_alloc */
  warnAlloc(gfp: number, order: number, request: SlowPathRequest, cpu: number): void;
  /** The kernel would complain once. */
  warnOnce(text: string): void;
  /** The next round starts after one that ended in OOM or NOFAIL. */
  onStall(round: StallRound): void;
  /** Whether storage is suspended, so that nobody should be killed. @kernel pm_suspended_storage */
  storageSuspended(): boolean;
}

/** Where a call goes next when it has no page (spec slowpath-compaction 4.5); a page is 0 or more. */
const Next = {
  /** From the start, with fresh registers. */
  RESTART: -2,
  /** One more round. */
  LOOP: -3,
  /** No page: give up, unless the request may not fail. */
  NOPAGE: -4,
  /** Give up. */
  FAIL: -5,
} as const;

/** More rounds than the retry rules allow without progress; every so many after that are told. */
const RETRIES_MAX = 64;
const RETRIES_TOLD = 16;

/** The registers of one call of the slow path. */
class SlowCall implements RetryState {
  gfp: number;
  readonly order: number;
  readonly request: SlowPathRequest;
  readonly cpu: number;
  readonly costly: boolean;
  readonly canDirectReclaim: boolean;
  readonly cookies: Cookies = new Cookies();
  allocFlags = 0;
  progress = 0;
  noProgressLoops = 0;
  compactResult: number = CompactResult.COMPACT_SKIPPED;
  compactPriority: number = CompactPriority.COMPACT_PRIO_SYNC_LIGHT;
  compactRetries = 0;
  stalls = 0;
  retries = 0;

  constructor(gfp: number, order: number, request: SlowPathRequest, cpu: number) {
    this.gfp = gfp;
    this.order = order;
    this.request = request;
    this.cpu = cpu;
    this.costly = order > PAGE_ALLOC_COSTLY_ORDER;
    this.canDirectReclaim = (gfp & Gfp.__GFP_DIRECT_RECLAIM) !== 0;
  }

  /** Whether the request has any of the bits. */
  has(bits: number): boolean {
    return (this.gfp & bits) !== 0;
  }
}

/**
 * What happens when the first attempt fails: kswapd, reserves, direct reclaim, direct compaction,
 * retries, the OOM killer, and giving up.
 *
 * @kernel __alloc_pages_slowpath (spec slowpath-compaction 4.5)
 */
export class AllocPagesSlowpath {
  private readonly ctx: CompactionContext;
  private readonly pages: SlowPathPages;
  private readonly reclaim: SlowPathReclaim;
  private readonly oom: OomKiller;
  private readonly reports: SlowPathReports;
  /** Whether a call is in the OOM state. @kernel oom_lock */
  private oomLocked = false;

  constructor(
    ctx: CompactionContext,
    pages: SlowPathPages,
    reclaim: SlowPathReclaim,
    oom: OomKiller,
    reports: SlowPathReports,
  ) {
    this.ctx = ctx;
    this.pages = pages;
    this.reclaim = reclaim;
    this.oom = oom;
    this.reports = reports;
  }

  /**
   * Finds a block for a request that the fast path refused.
   * @param gfp the request's mask, the task's scope flags applied
   * @param order log2 of the number of pages
   * @param request the prepared request
   * @param cpu the CPU that asks
   * @returns first page frame of a prepared block, -1 for none
   */
  allocPagesSlowpath(gfp: number, order: number, request: SlowPathRequest, cpu: number): number {
    this.ctx.trace?.functionEntry?.('__alloc_pages_slowpath', { gfp_mask: gfp, order });
    const call = new SlowCall(gfp, order, request, cpu);
    if (call.has(Gfp.__GFP_ATOMIC) && call.canDirectReclaim) {
      this.reports.warnOnce('__GFP_ATOMIC with __GFP_DIRECT_RECLAIM');
      call.gfp &= ~Gfp.__GFP_ATOMIC;
    }
    let next: number = Next.RESTART;
    while (next < 0) {
      if (next === Next.RESTART) next = this.restart(call);
      else if (next === Next.LOOP) next = this.round(call);
      else if (next === Next.NOPAGE) next = this.noPage(call);
      else {
        this.reports.warnAlloc(call.gfp, order, request, cpu);
        return NIL;
      }
    }
    return next;
  }

  /** RESTART, PREP, FIRST and EARLY. */
  private restart(call: SlowCall): number {
    const { request } = call;
    call.compactRetries = 0;
    call.noProgressLoops = 0;
    call.compactResult = CompactResult.COMPACT_SKIPPED;
    call.compactPriority = CompactPriority.COMPACT_PRIO_SYNC_LIGHT;
    call.cookies.read(this.ctx);
    call.allocFlags = gfpToAllocFlags(call.gfp, call.order, this.ctx.task);
    resetPreferredZone(request);
    if (request.preferredZoneref >= request.zonelist.length) return Next.NOPAGE;
    if (noZoneInCpuset(this.ctx, call.gfp, request)) return Next.NOPAGE;
    this.wakeKswapds(call);
    const page = this.attempt(call, call.gfp, call.allocFlags);
    if (page >= 0) return page;
    const wantsBlock =
      call.costly || (call.order > 0 && request.migratetype !== Migratetype.MIGRATE_MOVABLE);
    if (!call.canDirectReclaim || !this.canCompact(call) || !wantsBlock) return Next.LOOP;
    if (gfpPfmemallocFlags(call.gfp, this.ctx.task) !== 0) return Next.LOOP;
    return this.earlyCompaction(call);
  }

  /** EARLY: compaction before reclaim, for requests that need a block more than memory. */
  private earlyCompaction(call: SlowCall): number {
    const page = this.directCompact(call, CompactPriority.COMPACT_PRIO_ASYNC);
    if (page >= 0) return page;
    if (!call.costly || !call.has(Gfp.__GFP_NORETRY)) return Next.LOOP;
    const { compactResult } = call;
    if (
      compactResult === CompactResult.COMPACT_SKIPPED ||
      compactResult === CompactResult.COMPACT_DEFERRED
    ) {
      return Next.NOPAGE;
    }
    if (call.has(Gfp.__GFP_THISNODE)) return Next.NOPAGE;
    call.compactPriority = CompactPriority.COMPACT_PRIO_ASYNC;
    return Next.LOOP;
  }

  /** LOOP, TRY, RECLAIM, COMPACT and OOM: one round. */
  private round(call: SlowCall): number {
    if (this.isStale(call)) return Next.RESTART;
    this.prepareRound(call);
    let page = this.attempt(call, call.gfp, call.allocFlags);
    if (page >= 0) return page;
    if (!call.canDirectReclaim || this.ctx.task.pfMemalloc) return Next.NOPAGE;
    page = this.directReclaim(call);
    if (page >= 0) return page;
    page = this.directCompact(call, call.compactPriority);
    if (page >= 0) return page;
    if (call.has(Gfp.__GFP_NORETRY)) return Next.NOPAGE;
    const mayRetryCostly = this.canCompact(call) && call.has(Gfp.__GFP_RETRY_MAYFAIL);
    if (call.costly && !mayRetryCostly) return Next.NOPAGE;
    if (this.mayRetry(call)) {
      call.retries++;
      if (call.retries > RETRIES_MAX && call.retries % RETRIES_TOLD === 0)
        this.stall(call, 'retry');
      return Next.LOOP;
    }
    if (this.isStale(call)) return Next.RESTART;
    return this.mayOom(call);
  }

  private canCompact(call: SlowCall): boolean {
    return this.ctx.compaction && call.has(Gfp.__GFP_IO);
  }

  private wakeKswapds({ allocFlags, gfp, order, request }: SlowCall): void {
    if ((allocFlags & AllocFlag.ALLOC_KSWAPD) === 0) return;
    wakeAllKswapds(this.ctx, this.reclaim, gfp, order, request);
  }

  private isStale(call: SlowCall): boolean {
    return checkRetryCookies(this.ctx, call.cookies, call.request);
  }

  private mayRetry(call: SlowCall): boolean {
    const { ctx, pages, reclaim } = this;
    const { request, order, allocFlags, cpu } = call;
    const progress = call.progress > 0;
    if (shouldReclaimRetry(ctx, pages, reclaim, request, order, allocFlags, progress, call, cpu)) {
      return true;
    }
    if (!progress || !this.canCompact(call)) return false;
    return shouldCompactRetry(ctx, reclaim, request, order, allocFlags, call);
  }

  /** LOOP: wakes kswapd again and takes the reserves that the caller may use. */
  private prepareRound(call: SlowCall): void {
    this.wakeKswapds(call);
    const reserve = gfpPfmemallocFlags(call.gfp, this.ctx.task);
    if (reserve !== 0) {
      call.allocFlags = reserve | (call.allocFlags & AllocFlag.ALLOC_KSWAPD);
    }
    if ((call.allocFlags & AllocFlag.ALLOC_CPUSET) === 0 || reserve !== 0) {
      call.request.nodemask = null;
      resetPreferredZone(call.request);
    }
  }

  /** Direct reclaim, then an attempt; once more after letting reserves and CPU lists go. (spec 4.6) */
  private directReclaim(call: SlowCall): number {
    this.ctx.trace?.functionEntry?.('__alloc_pages_direct_reclaim', argumentsOf(call));
    const { request, order, gfp, cpu } = call;
    call.progress = this.withMemalloc(() =>
      this.reclaim.tryToFreePages(request.zonelist, order, gfp, request.nodemask, cpu),
    );
    if (call.progress === 0) return NIL;
    const page = this.attempt(call, gfp, call.allocFlags);
    if (page >= 0) return page;
    this.pages.unreserveHighatomicPageblock(request, false, cpu);
    this.pages.drainAllPages(cpu);
    return this.attempt(call, gfp, call.allocFlags);
  }

  /** Direct compaction, then an attempt. @kernel __alloc_pages_direct_compact (spec 4.7) */
  private directCompact(call: SlowCall, priority: number): number {
    this.ctx.trace?.functionEntry?.('__alloc_pages_direct_compact', {
      ...argumentsOf(call),
      prio: priority,
    });
    if (call.order === 0) return NIL;
    const { ctx } = this;
    const { vmstat } = ctx.model;
    const { order, gfp, allocFlags, cpu } = call;
    const outcome = this.withMemalloc(() =>
      tryToCompactPages(ctx, call.request, gfp, order, allocFlags, priority, cpu),
    );
    call.compactResult = outcome.result;
    if (outcome.result === CompactResult.COMPACT_SKIPPED) return NIL;
    countVmEvents(vmstat, cpu, VmEvent.compact_stall, 1);
    let page = outcome.captured;
    if (page >= 0) this.pages.prepNewPage(page, order, gfp, allocFlags);
    else page = this.attempt(call, gfp, allocFlags);
    if (page < 0) {
      countVmEvents(vmstat, cpu, VmEvent.compact_fail, 1);
      return NIL;
    }
    const zone = zoneOfPage(ctx.model, page);
    const state = ctx.zones[zone.id];
    state.blockskipFlush = false;
    compactionDeferReset(state, zone, order, true, ctx.trace);
    countVmEvents(vmstat, cpu, VmEvent.compact_success, 1);
    return page;
  }

  /** OOM: a last look, then a victim. (spec 4.10) */
  private mayOom(call: SlowCall): number {
    this.ctx.trace?.functionEntry?.('__alloc_pages_may_oom', argumentsOf(call));
    const page = this.oomLocked ? this.oomBusy(call) : this.lookAndKill(call);
    if (page >= 0) return page;
    const dying =
      this.ctx.task.oomVictim &&
      ((call.allocFlags & AllocFlag.ALLOC_OOM) !== 0 || call.has(Gfp.__GFP_NOMEMALLOC));
    if (dying || call.progress === 0) return Next.NOPAGE;
    call.noProgressLoops = 0;
    this.stall(call, 'oom');
    return Next.LOOP;
  }

  /** A host callback of the killer asks for memory itself: somebody is at it already. */
  private oomBusy(call: SlowCall): number {
    call.progress = 1;
    return NIL;
  }

  /** The last look, and the killer, under the kernel's oom_lock. */
  private lookAndKill(call: SlowCall): number {
    call.progress = 0;
    this.oomLocked = true;
    try {
      const page = this.lastLook(call);
      return page < 0 && this.killerMayRun(call) ? this.killOrHelp(call) : page;
    } finally {
      this.oomLocked = false;
    }
  }

  /** Whether somebody else has freed memory meanwhile: an attempt at the high mark. */
  private lastLook(call: SlowCall): number {
    const gfp = (call.gfp | Gfp.__GFP_HARDWALL) & ~Gfp.__GFP_DIRECT_RECLAIM;
    return this.attempt(call, gfp, AllocFlag.ALLOC_WMARK_HIGH | AllocFlag.ALLOC_CPUSET);
  }

  private killerMayRun(call: SlowCall): boolean {
    if (this.ctx.task.pfDumpcore || call.costly) return false;
    if (call.has(Gfp.__GFP_RETRY_MAYFAIL | Gfp.__GFP_THISNODE)) return false;
    if (call.request.highestZoneidx < ZoneType.ZONE_NORMAL) return false;
    return !this.reports.storageSuspended();
  }

  /** Runs the OOM killer; a request that may not fail gets the reserves, whatever came of it. */
  private killOrHelp(call: SlowCall): number {
    const { request, gfp, order, cpu } = call;
    const { zonelist, nodemask } = request;
    const noFail = call.has(Gfp.__GFP_NOFAIL);
    const killed = this.oom.outOfMemory({ zonelist, nodemask, gfp, order, cpu });
    if (!killed && !noFail) return NIL;
    if (!killed && !call.has(Gfp.__GFP_NOWARN)) {
      this.reports.warnOnce('__GFP_NOFAIL and the OOM killer cannot help');
    }
    call.progress = 1;
    return noFail ? this.cpusetFallback(call, AllocFlag.ALLOC_NO_WATERMARKS) : NIL;
  }

  /** NOPAGE: requests that may not fail get the reserves and go on; the others fail. */
  private noPage(call: SlowCall): number {
    if (this.isStale(call)) return Next.RESTART;
    if (!call.has(Gfp.__GFP_NOFAIL)) return Next.FAIL;
    const warn = !call.has(Gfp.__GFP_NOWARN);
    if (!call.canDirectReclaim) {
      if (warn) this.reports.warnOnce('__GFP_NOFAIL without __GFP_DIRECT_RECLAIM');
      return Next.FAIL;
    }
    if (warn && this.ctx.task.pfMemalloc) this.reports.warnOnce('__GFP_NOFAIL with PF_MEMALLOC');
    if (warn && call.costly) this.reports.warnOnce('__GFP_NOFAIL of a costly order');
    const page = this.cpusetFallback(call, AllocFlag.ALLOC_MIN_RESERVE);
    if (page >= 0) return page;
    this.stall(call, 'nofail');
    return Next.LOOP;
  }

  private stall(call: SlowCall, cause: StallRound['cause']): void {
    call.stalls++;
    const { gfp, order, stalls } = call;
    this.reports.onStall({ gfp, order, rounds: stalls, cause });
  }

  /** @kernel __alloc_pages_cpuset_fallback */
  private cpusetFallback(call: SlowCall, allocFlags: number): number {
    const page = this.attempt(call, call.gfp, allocFlags | AllocFlag.ALLOC_CPUSET);
    return page >= 0 ? page : this.attempt(call, call.gfp, allocFlags);
  }

  private attempt(call: SlowCall, gfp: number, allocFlags: number): number {
    return this.pages.getPageFromFreelist(gfp, call.order, allocFlags, call.request, call.cpu);
  }

  /** Reclaim and compaction run with PF_MEMALLOC: what they allocate ignores watermarks. */
  private withMemalloc<Result>(run: () => Result): Result {
    const { task } = this.ctx;
    const before = task.pfMemalloc;
    task.pfMemalloc = true;
    try {
      return run();
    } finally {
      task.pfMemalloc = before;
    }
  }
}

/** What the functions of a call are told, for who follows them. */
function argumentsOf({ gfp, order, allocFlags }: SlowCall): CallArguments {
  return { gfp_mask: gfp, order, alloc_flags: allocFlags };
}
