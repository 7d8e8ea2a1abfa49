import { gfpMigratetype } from '../mm/gfp.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { pageblockMigratetype, pageblockSkip } from '../mm/page-map.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { zoneEndPfn } from '../mm/zone.ts';
import type { CompactControl } from './compact-control.ts';
import { compactFinished, scannersMet } from './compact-finished.ts';
import type { CompactionContext } from './compaction-context.ts';
import { CompactResult, MigrateMode } from './constants.ts';
import { fastFindMigrateblock } from './fast-migrate-search.ts';
import { ENOMEM, migratePages } from './migrate.ts';
import {
  ISOLATE_ASYNC_MIGRATE,
  ISOLATE_UNEVICTABLE,
  isolateMigratepagesBlock,
} from './migrate-scanner.ts';
import {
  blockEndPfn,
  blockIsInZone,
  blockStartPfn,
  isHugeCompound,
  pageblockEndPfn,
  pageblockStartPfn,
} from './pageblock.ts';
import { putbackMovablePages } from './putback.ts';
import { resetZoneIsolationSuitable, updateCachedMigrate } from './skip-hints.ts';
import { compactionSuitable } from './suitable.ts';
import type { CaptureControl } from './types.ts';
import { compactionRestarting } from './zone-state.ts';

/** What isolating sources came to. */
const Isolate = { ABORT: 0, NONE: 1, SUCCESS: 2 } as const;

/**
 * Compacts one zone: moves pages from its start to free frames near its end until a block of the
 * order exists or the two scanners meet.
 *
 * @param capture where a free may leave the block wanted; null for none
 * @returns a value of `CompactResult`
 * @kernel compact_zone (spec slowpath-compaction 4.15)
 */
export function compactZone(
  ctx: CompactionContext,
  cc: CompactControl,
  capture: CaptureControl | null,
): number {
  ctx.trace?.functionEntry?.('compact_zone', { zone: cc.zone.id, order: cc.order, mode: cc.mode });
  cc.totalMigrateScanned = 0;
  cc.totalFreeScanned = 0;
  cc.nrFreepages = 0;
  cc.migratetype = ctx.model.mobilityDisabled
    ? Migratetype.MIGRATE_UNMOVABLE
    : gfpMigratetype(cc.gfp);
  const { zone, state } = cc;
  const suitable = compactionSuitable(ctx, zone, cc.order, cc.allocFlags, cc.highestZoneidx);
  if (suitable !== CompactResult.COMPACT_CONTINUE) return suitable;
  if (compactionRestarting(state, cc.order)) resetZoneIsolationSuitable(ctx.model, zone, state);
  placeScanners(ctx, cc);
  ctx.trace?.mmCompactionBegin?.(
    zone.startPfn,
    cc.migratePfn,
    cc.freePfn,
    zoneEndPfn(zone),
    cc.sync,
  );
  ctx.lru.lruAddDrain(cc.cpu);
  let result: number;
  ctx.runs++;
  try {
    result = moveUntilFinished(ctx, cc, capture);
  } catch (error) {
    // A host callback threw: nothing may be lost. Sources go back, targets are freed below.
    putbackMovablePages(ctx, cc);
    throw error;
  } finally {
    releaseFreepages(ctx, cc);
    ctx.runs--;
  }
  const { vmstat } = ctx.model;
  countVmEvents(vmstat, cc.cpu, VmEvent.compact_migrate_scanned, cc.totalMigrateScanned);
  countVmEvents(vmstat, cc.cpu, VmEvent.compact_free_scanned, cc.totalFreeScanned);
  ctx.trace?.mmCompactionEnd?.(
    zone.startPfn,
    cc.migratePfn,
    cc.freePfn,
    zoneEndPfn(zone),
    cc.sync,
    result,
  );
  return result;
}

/** Where the scanners start: at the zone's ends, or where the last run stopped. */
function placeScanners(ctx: CompactionContext, cc: CompactControl): void {
  const { zone, state } = cc;
  const start = zone.startPfn;
  const end = zoneEndPfn(zone);
  const lastBlock = pageblockStartPfn(ctx.model.map, end - 1);
  cc.fastStartPfn = 0;
  if (cc.wholeZone) {
    cc.migratePfn = start;
    cc.freePfn = lastBlock;
    return;
  }
  cc.migratePfn = state.cachedMigratePfn[cc.sync ? 1 : 0];
  cc.freePfn = state.cachedFreePfn;
  if (cc.freePfn < start || cc.freePfn >= end) {
    cc.freePfn = lastBlock;
    state.cachedFreePfn = lastBlock;
  }
  if (cc.migratePfn < start || cc.migratePfn >= end) {
    cc.migratePfn = start;
    state.cachedMigratePfn[0] = start;
    state.cachedMigratePfn[1] = start;
  }
  if (cc.migratePfn <= state.initMigratePfn) cc.wholeZone = true;
}

function moveUntilFinished(
  ctx: CompactionContext,
  cc: CompactControl,
  capture: CaptureControl | null,
): number {
  const { map } = ctx.model;
  const cached = cc.state.cachedMigratePfn;
  let updateCached = !cc.sync && cached[0] === cached[1];
  let lastMigrated = 0;
  for (;;) {
    const finished = compactFinished(ctx, cc);
    if (finished !== CompactResult.COMPACT_CONTINUE) return finished;
    const from = cc.migratePfn;
    cc.rescan = pageblockStartPfn(map, lastMigrated) === pageblockStartPfn(map, from);
    const isolated = isolateMigratepages(ctx, cc);
    if (isolated === Isolate.ABORT) {
      putbackMovablePages(ctx, cc);
      return CompactResult.COMPACT_CONTENDED;
    }
    if (isolated === Isolate.NONE) {
      if (updateCached) cached[1] = cached[0];
    } else {
      updateCached = false;
      lastMigrated = from;
      const outcome = migrateIsolated(ctx, cc);
      if (outcome === MigrateRound.CONTENDED) return CompactResult.COMPACT_CONTENDED;
      if (outcome === MigrateRound.SKIP_REST) lastMigrated = 0;
    }
    lastMigrated = drainBehind(ctx, cc, lastMigrated);
    if (capture !== null && capture.page >= 0) return CompactResult.COMPACT_SUCCESS;
  }
}

/** What migrating a batch asks the loop to do. */
const MigrateRound = { GO_ON: 0, SKIP_REST: 1, CONTENDED: 2 } as const;

function migrateIsolated(ctx: CompactionContext, cc: CompactControl): number {
  const wanted = cc.nrMigratepages;
  const error = migratePages(ctx, cc);
  const left = cc.nrMigratepages;
  ctx.trace?.mmCompactionMigratepages?.(wanted - left, left);
  if (error === 0) return MigrateRound.GO_ON;
  putbackMovablePages(ctx, cc);
  if (error === ENOMEM && !scannersMet(ctx, cc)) return MigrateRound.CONTENDED;
  if (!cc.direct || cc.mode !== MigrateMode.MIGRATE_ASYNC) return MigrateRound.GO_ON;
  // The block asked for cannot come from here any more: go on behind it.
  cc.migratePfn = blockEndPfn(cc.migratePfn - 1, cc.order);
  return MigrateRound.SKIP_REST;
}

/** Once the scanner has left an order-aligned block, what was freed in it may merge. */
function drainBehind(ctx: CompactionContext, cc: CompactControl, lastMigrated: number): number {
  if (cc.order <= 0 || lastMigrated === 0) return lastMigrated;
  if (lastMigrated >= blockStartPfn(cc.migratePfn, cc.order)) return lastMigrated;
  ctx.lru.lruAddDrain(cc.cpu);
  ctx.pages.drainLocalPages(cc.cpu, cc.zone.id);
  return 0;
}

/**
 * Chooses a pageblock and isolates its movable pages.
 * @kernel isolate_migratepages (spec slowpath-compaction 4.17)
 */
function isolateMigratepages(ctx: CompactionContext, cc: CompactControl): number {
  ctx.trace?.functionEntry?.('isolate_migratepages', {
    migrate_pfn: cc.migratePfn,
    free_pfn: cc.freePfn,
  });
  const { model } = ctx;
  const { map } = model;
  const mode =
    (ctx.unevictableAllowed ? ISOLATE_UNEVICTABLE : 0) |
    (cc.mode === MigrateMode.MIGRATE_SYNC ? 0 : ISOLATE_ASYNC_MIGRATE);
  const step = 1 << map.pageblockOrder;
  let low = fastFindMigrateblock(model, cc);
  let block = Math.max(pageblockStartPfn(map, low), cc.zone.startPfn);
  let fast = low !== cc.migratePfn && cc.fastSearchFail === 0;
  let end = pageblockEndPfn(map, low);
  while (end <= cc.freePfn) {
    if (isSource(ctx, cc, block, low, end, fast)) {
      if (!isolateMigratepagesBlock(ctx, cc, low, end, mode)) return Isolate.ABORT;
      break;
    }
    fast = false;
    cc.migratePfn = end;
    low = end;
    block = end;
    end += step;
  }
  return cc.nrMigratepages > 0 ? Isolate.SUCCESS : Isolate.NONE;
}

function isSource(
  ctx: CompactionContext,
  cc: CompactControl,
  block: number,
  low: number,
  end: number,
  fast: boolean,
): boolean {
  const { model } = ctx;
  const { map } = model;
  if (!blockIsInZone(map, cc.zone, block, end)) return false;
  const aligned = low === pageblockStartPfn(map, low);
  if (aligned && !fast && !cc.ignoreSkipHint && pageblockSkip(map, low)) return false;
  if (isSuitableSource(ctx, cc, block)) return true;
  updateCachedMigrate(model, cc, end);
  return false;
}

/** Whether a block may give up pages. @kernel suitable_migration_source */
function isSuitableSource(ctx: CompactionContext, cc: CompactControl, block: number): boolean {
  const { map } = ctx.model;
  if (isHugeCompound(map, block)) return false;
  if (!cc.direct || cc.sync) return true;
  return pageblockMigratetype(map, block) === cc.migratetype;
}

/** Frees the targets that were not used. @kernel release_freepages */
function releaseFreepages(ctx: CompactionContext, cc: CompactControl): void {
  if (cc.nrFreepages === 0) return;
  let highest = 0;
  for (let pfn = cc.freepages.pop(); pfn !== undefined; pfn = cc.freepages.pop()) {
    if (pfn > highest) highest = pfn;
    ctx.pages.freePages(pfn, 0, cc.cpu);
  }
  cc.nrFreepages = 0;
  const block = pageblockStartPfn(ctx.model.map, highest);
  if (block > cc.state.cachedFreePfn) cc.state.cachedFreePfn = block;
}
