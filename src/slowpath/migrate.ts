import { PAGE_SIZE, pfnToAddr } from '../lib/units.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import type { CompactControl } from './compact-control.ts';
import type { CompactionContext } from './compaction-context.ts';
import { MigrateMode, MigrateOutcome } from './constants.ts';
import { isolateFreepages } from './free-scanner.ts';
import { countIsolated, isMovableNonLru } from './putback.ts';

/** Passes over pages that ask to be tried again. */
const MIGRATE_PASSES = 10;
/** No target page could be had. @kernel ENOMEM */
export const ENOMEM = -12;

/** Passes in which nothing is waited for; afterwards a synchronous caller waits. */
const PASSES_WITHOUT_WAIT = 3;

/** Flags and marks that belong to the content and move with it. */
const MOVING_FLAGS =
  PageFlag.PG_error |
  PageFlag.PG_referenced |
  PageFlag.PG_uptodate |
  PageFlag.PG_active |
  PageFlag.PG_unevictable |
  PageFlag.PG_mlocked |
  PageFlag.PG_workingset |
  PageFlag.PG_owner_priv_1 |
  PageFlag.PG_mappedtodisk |
  PageFlag.PG_dirty |
  PageFlag.PG_swapbacked |
  PageFlag.PG_private |
  PageFlag.PG_reclaim |
  PageMark.MAPPING |
  PageMark.MAPPING_ANON |
  PageMark.MAPPING_MOVABLE |
  PageMark.MAPPING_UNEVICTABLE;

const SWAPCACHE_BITS = PageFlag.PG_owner_priv_1 | PageFlag.PG_swapbacked;
const ANON_BITS = PageMark.MAPPING | PageMark.MAPPING_ANON;

/** Whether a page with these flags is in a page cache or in the swap cache. @kernel folio_mapping */
export function hasMapping(flags: number): boolean {
  if ((flags & SWAPCACHE_BITS) === SWAPCACHE_BITS) return true;
  return (flags & ANON_BITS) === PageMark.MAPPING;
}

/** The work of one `migratePages`. */
class Migration {
  /** Pages of this pass, in order. */
  waiting: readonly number[];
  /** Next one of them. */
  position = 0;
  /** Pages for the next pass. */
  again: number[] = [];
  /** Pages that failed for good, in order. */
  readonly failed: number[] = [];
  /** Pages moved. */
  succeeded = 0;

  constructor(pages: readonly number[]) {
    this.waiting = pages;
  }

  /** Everything that was not moved: what failed for good, what wants another pass, what was not tried. */
  left(): number[] {
    return [...this.failed, ...this.again, ...this.waiting.slice(this.position)];
  }
}

/**
 * Migrates the isolated sources of a run, the highest first, each to the head of the list of
 * targets. What could not be migrated stays on the list of sources: first what failed for good, in
 * the order of failure, then the rest. A host callback that throws ends it; all pages are on one of
 * the two lists then.
 *
 * @returns 0, the number of pages that could not be migrated, or `ENOMEM`
 * @kernel migrate_pages (spec slowpath-compaction 4.19)
 */
export function migratePages(ctx: CompactionContext, cc: CompactControl): number {
  ctx.trace?.functionEntry?.('migrate_pages', { pages: cc.migratepages.length, mode: cc.mode });
  ctx.trace?.mmMigratePagesStart?.(cc.mode);
  const { vmstat } = ctx.model;
  const work = new Migration(cc.migratepages.toReversed());
  let outOfTargets = false;
  try {
    let again = work.waiting.length;
    for (let pass = 0; pass < MIGRATE_PASSES && again > 0 && !outOfTargets; pass++) {
      outOfTargets = !migratePass(ctx, cc, work, pass >= PASSES_WITHOUT_WAIT);
      again = work.again.length;
      if (outOfTargets) break;
      work.waiting = work.again;
      work.position = 0;
      work.again = [];
    }
  } finally {
    cc.migratepages.length = 0;
    cc.migratepages.push(...work.left().reverse());
    countVmEvents(vmstat, cc.cpu, VmEvent.pgmigrate_success, work.succeeded);
  }
  const waiting = outOfTargets ? work.again.length + 1 : work.waiting.length;
  const failures = work.failed.length + waiting;
  countVmEvents(vmstat, cc.cpu, VmEvent.pgmigrate_fail, failures);
  ctx.trace?.mmMigratePages?.(work.succeeded, failures, cc.mode);
  return outOfTargets ? ENOMEM : failures;
}

/** One pass over the pages that wait; false when there was no target any more. */
function migratePass(
  ctx: CompactionContext,
  cc: CompactControl,
  work: Migration,
  mayWait: boolean,
): boolean {
  while (work.position < work.waiting.length) {
    const pfn = work.waiting[work.position];
    const outcome = migrateOne(ctx, cc, pfn, mayWait);
    if (outcome === ENOMEM) return false;
    work.position++;
    if (outcome === MigrateOutcome.OK) work.succeeded++;
    else if (outcome === MigrateOutcome.AGAIN) work.again.push(pfn);
    else work.failed.push(pfn);
  }
  return true;
}

/** Migrates one page: a value of `MigrateOutcome`, or `ENOMEM`. @kernel unmap_and_move */
function migrateOne(
  ctx: CompactionContext,
  cc: CompactControl,
  from: number,
  mayWait: boolean,
): number {
  const { map } = ctx.model;
  if (map.refcount[from] === 1) {
    releaseSource(ctx, cc, from);
    return MigrateOutcome.OK;
  }
  const to = compactionAlloc(ctx, cc);
  if (to < 0) return ENOMEM;
  let outcome: number = MigrateOutcome.BUSY;
  try {
    outcome = tryToMove(ctx, cc, from, to, mayWait);
  } finally {
    if (outcome !== MigrateOutcome.OK) compactionFree(cc, to);
  }
  if (outcome === MigrateOutcome.OK) finishMove(ctx, cc, from, to);
  return outcome;
}

/** Takes a target page. @kernel compaction_alloc (spec slowpath-compaction 4.20) */
function compactionAlloc(ctx: CompactionContext, cc: CompactControl): number {
  if (cc.freepages.length === 0) isolateFreepages(ctx, cc);
  const pfn = cc.freepages.pop();
  if (pfn === undefined) return -1;
  cc.nrFreepages--;
  return pfn;
}

/** Gives a target page back. @kernel compaction_free (spec slowpath-compaction 4.20) */
function compactionFree(cc: CompactControl, pfn: number): void {
  cc.freepages.push(pfn);
  cc.nrFreepages++;
}

/** What the kernel looks at before it asks the page's owner; then the owner. */
function tryToMove(
  ctx: CompactionContext,
  cc: CompactControl,
  from: number,
  to: number,
  mayWait: boolean,
): number {
  const flags = ctx.model.map.flags[from];
  const { AGAIN, BUSY } = MigrateOutcome;
  if ((flags & PageFlag.PG_locked) !== 0) return AGAIN;
  const full = cc.mode === MigrateMode.MIGRATE_SYNC;
  if ((flags & PageFlag.PG_writeback) !== 0) {
    if (!full) return BUSY;
    if (!mayWait) return AGAIN;
  }
  if ((flags & PageFlag.PG_dirty) !== 0 && hasMapping(flags) && !full) {
    if (!(ctx.host.hasMigrateCallback?.(from) ?? true)) return BUSY;
  }
  const outcome = ctx.host.migrate?.(from, to, cc.mode) ?? MigrateOutcome.OK;
  return outcome === MigrateOutcome.OK || outcome === AGAIN ? outcome : BUSY;
}

/** The owner holds the target now: content, flags and counts follow, the source is freed. */
function finishMove(ctx: CompactionContext, cc: CompactControl, from: number, to: number): void {
  const { map } = ctx.model;
  const wasMapped = map.mapcount[from] > 0;
  const nonLru = isMovableNonLru(ctx, from);
  if (!nonLru) countIsolated(ctx, from, cc.cpu, -1);
  ctx.memory?.copy(pfnToAddr(to), pfnToAddr(from), PAGE_SIZE);
  map.flags[to] = map.flags[from] & MOVING_FLAGS;
  map.private[to] = map.private[from];
  map.mapcount[to] = map.mapcount[from];
  // The isolation reference stays with the source; the owner's references move.
  map.refcount[to] = map.refcount[from];
  map.refcount[from] = 1;
  map.mapcount[from] = 0;
  if (nonLru) map.refcount[to] -= 1;
  // Putting the target back drops the isolation reference that came along.
  else ctx.lru.putbackLruPage(to, cc.cpu);
  if (wasMapped) ctx.lru.lruAddDrain(cc.cpu);
  freeSource(ctx, cc, from);
}

/** Whoever held the source is gone: only the isolation kept it. */
function releaseSource(ctx: CompactionContext, cc: CompactControl, pfn: number): void {
  if (!isMovableNonLru(ctx, pfn)) countIsolated(ctx, pfn, cc.cpu, -1);
  freeSource(ctx, cc, pfn);
}

function freeSource(ctx: CompactionContext, cc: CompactControl, pfn: number): void {
  ctx.model.map.flags[pfn] = 0;
  ctx.pages.freePages(pfn, 0, cc.cpu);
}
