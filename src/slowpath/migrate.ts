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

/** Flags that belong to the content and move with it. */
const MOVING_FLAGS =
  PageFlag.PG_error |
  PageFlag.PG_referenced |
  PageFlag.PG_uptodate |
  PageFlag.PG_active |
  PageFlag.PG_unevictable |
  PageFlag.PG_workingset |
  PageFlag.PG_owner_priv_1 |
  PageFlag.PG_mappedtodisk |
  PageFlag.PG_dirty |
  PageFlag.PG_swapbacked |
  PageFlag.PG_private |
  PageFlag.PG_reclaim |
  PageMark.MAPPING |
  PageMark.MAPPING_ANON |
  PageMark.MAPPING_MOVABLE;

/**
 * Migrates the isolated sources of a run, the highest first, each to the head of the list of
 * targets. What could not be migrated stays on the list of sources: first what failed for good, in
 * the order of failure, then the rest.
 *
 * @returns 0, the number of pages that could not be migrated, or `ENOMEM`
 * @kernel migrate_pages (spec slowpath-compaction 4.19)
 */
export function migratePages(ctx: CompactionContext, cc: CompactControl): number {
  ctx.trace?.mmMigratePagesStart?.(cc.mode);
  let waiting: number[] = cc.migratepages.toReversed();
  const failed: number[] = [];
  let succeeded = 0;
  let again = waiting.length;
  let outOfTargets = false;
  for (let pass = 0; pass < MIGRATE_PASSES && again > 0 && !outOfTargets; pass++) {
    const kept: number[] = [];
    again = 0;
    for (let index = 0; index < waiting.length; index++) {
      const pfn = waiting[index];
      const outcome = migrateOne(ctx, cc, pfn);
      if (outcome === ENOMEM) {
        outOfTargets = true;
        kept.push(...waiting.slice(index));
        break;
      }
      if (outcome === MigrateOutcome.OK) succeeded++;
      else if (outcome === MigrateOutcome.BUSY) failed.push(pfn);
      else {
        kept.push(pfn);
        again++;
      }
    }
    waiting = kept;
  }
  const failures = failed.length + again + (outOfTargets ? 1 : 0);
  finish(ctx, cc, succeeded, failures);
  cc.migratepages.length = 0;
  cc.migratepages.push(...waiting.toReversed(), ...failed.toReversed());
  return outOfTargets ? ENOMEM : failures;
}

function finish(
  ctx: CompactionContext,
  cc: CompactControl,
  succeeded: number,
  failures: number,
): void {
  const { vmstat } = ctx.model;
  countVmEvents(vmstat, cc.cpu, VmEvent.pgmigrate_success, succeeded);
  countVmEvents(vmstat, cc.cpu, VmEvent.pgmigrate_fail, failures);
  ctx.trace?.mmMigratePages?.(succeeded, failures, cc.mode);
}

/** Migrates one page: a value of `MigrateOutcome`, or `ENOMEM`. @kernel unmap_and_move */
function migrateOne(ctx: CompactionContext, cc: CompactControl, from: number): number {
  const { map } = ctx.model;
  if (map.refcount[from] === 1) {
    releaseSource(ctx, cc, from);
    return MigrateOutcome.OK;
  }
  const to = compactionAlloc(ctx, cc);
  if (to < 0) return ENOMEM;
  const outcome = moveToTarget(ctx, cc, from, to);
  if (outcome === MigrateOutcome.OK) return outcome;
  cc.freepages.push(to);
  cc.nrFreepages++;
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

function moveToTarget(
  ctx: CompactionContext,
  cc: CompactControl,
  from: number,
  to: number,
): number {
  const { map } = ctx.model;
  const wasMapped = map.mapcount[from] > 0;
  const underWriteback = (map.flags[from] & PageFlag.PG_writeback) !== 0;
  if (underWriteback && cc.mode !== MigrateMode.MIGRATE_SYNC) return MigrateOutcome.BUSY;
  const outcome = ctx.host.migrate?.(from, to, cc.mode) ?? MigrateOutcome.OK;
  if (outcome !== MigrateOutcome.OK) return outcome;
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
  return outcome;
}

function releaseSource(ctx: CompactionContext, cc: CompactControl, pfn: number): void {
  if (!isMovableNonLru(ctx, pfn)) countIsolated(ctx, pfn, cc.cpu, -1);
  freeSource(ctx, cc, pfn);
}

function freeSource(ctx: CompactionContext, cc: CompactControl, pfn: number): void {
  ctx.model.map.flags[pfn] = 0;
  ctx.pages.freePages(pfn, 0, cc.cpu);
}
