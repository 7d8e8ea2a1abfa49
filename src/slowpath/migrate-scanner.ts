import { MAX_ORDER } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { PageFlag } from '../mm/page-flags.ts';
import {
  buddyOrder,
  compoundHead,
  compoundOrder,
  isCompound,
  setPageblockSkip,
} from '../mm/page-map.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import type { CompactControl } from './compact-control.ts';
import type { CompactionContext } from './compaction-context.ts';
import { COMPACT_CLUSTER_MAX, MigrateMode } from './constants.ts';
import { hasMapping } from './migrate.ts';
import { blockEndPfn } from './pageblock.ts';
import { countIsolated, isMovableNonLru, putbackMovablePages } from './putback.ts';
import { isSkipped, updateCachedMigrate } from './skip-hints.ts';

/** Isolate unevictable pages too. */
export const ISOLATE_UNEVICTABLE = 0x8;
/** Leave pages on which migration would have to wait. */
export const ISOLATE_ASYNC_MIGRATE = 0x4;

/**
 * Isolates the movable pages of a piece of a pageblock.
 *
 * @param lowPfn where to start
 * @param endPfn one past the last page, at most the block's end
 * @param mode isolation mode
 * @returns false when it was stopped by a signal
 * @kernel isolate_migratepages_block (spec slowpath-compaction 4.18)
 */
export function isolateMigratepagesBlock(
  ctx: CompactionContext,
  cc: CompactControl,
  lowPfn: number,
  endPfn: number,
  mode: number,
): boolean {
  if (!mayIsolate(ctx, cc)) return false;
  const scan = new BlockScan(ctx, cc, lowPfn, endPfn, mode);
  const { map } = ctx.model;
  cc.migratePfn = lowPfn;
  for (; scan.low < endPfn; scan.low++) {
    if (scan.atBoundary()) break;
    if (scan.low % COMPACT_CLUSTER_MAX === 0 && ctx.task.fatalSignalPending) {
      cc.contended = true;
      scan.account();
      return false;
    }
    scan.scanned++;
    if (scan.blockIsSkipped()) {
      scan.low = endPfn;
      break;
    }
    const order = buddyOrder(map, scan.low);
    if (order >= 0) {
      // A stale order could lead anywhere in the kernel; here it is exact, only the limit is shared.
      if (order > 0 && order < MAX_ORDER) scan.low += (1 << order) - 1;
      continue;
    }
    if (!scan.tryTake()) {
      scan.fail();
      continue;
    }
    if (cc.nrMigratepages >= COMPACT_CLUSTER_MAX && !cc.rescan && !cc.contended) {
      scan.low++;
      break;
    }
  }
  scan.finish();
  return true;
}

/** Waits while too many pages are isolated; false if the run has to give up instead. */
function mayIsolate(ctx: CompactionContext, cc: CompactControl): boolean {
  while (ctx.host.tooManyIsolated?.(cc.zone.node) ?? false) {
    if (cc.nrMigratepages > 0 || !cc.sync || ctx.task.fatalSignalPending) return false;
  }
  return true;
}

/** The registers of one scan of a block. */
class BlockScan {
  readonly ctx: CompactionContext;
  readonly cc: CompactControl;
  readonly start: number;
  readonly end: number;
  readonly mode: number;
  /** Give up an order-aligned piece at its first page that cannot move. */
  readonly skipOnFailure: boolean;
  low: number;
  scanned = 0;
  isolated = 0;
  private boundary = 0;
  private validPfn = -1;
  private skipUpdated = false;

  constructor(ctx: CompactionContext, cc: CompactControl, low: number, end: number, mode: number) {
    this.ctx = ctx;
    this.cc = cc;
    this.start = low;
    this.low = low;
    this.end = end;
    this.mode = mode;
    this.skipOnFailure = cc.direct && cc.mode === MigrateMode.MIGRATE_ASYNC;
    if (this.skipOnFailure) this.boundary = blockEndPfn(low, cc.order);
  }

  /** Whether a piece was isolated as a whole: the allocation may be served. */
  atBoundary(): boolean {
    if (!this.skipOnFailure || this.low < this.boundary) return false;
    if (this.isolated > 0) return true;
    this.boundary = blockEndPfn(this.low, this.cc.order);
    return false;
  }

  /** On the first page of a block: whether its skip hint is set and obeyed. */
  blockIsSkipped(): boolean {
    const { low } = this;
    if (this.validPfn >= 0 || !this.isBlockStart(low)) return false;
    if (isSkipped(this.ctx.model, this.cc, low)) return true;
    this.validPfn = low;
    return false;
  }

  /** Isolates the page at the cursor, if it can move. */
  tryTake(): boolean {
    const { ctx, low } = this;
    const { map } = ctx.model;
    if (isCompound(map, low)) {
      if (compoundHead(map, low) === low) this.low += (1 << compoundOrder(map, low)) - 1;
      return false;
    }
    if ((map.flags[low] & PageFlag.PG_lru) === 0) return this.tryTakeNonLru();
    if (!this.canMigrate()) return false;
    this.markBlockOnce();
    map.refcount[low] += 1;
    ctx.lru.lruvecDelFolio(low, this.cc.cpu);
    countIsolated(ctx, low, this.cc.cpu, 1);
    this.take();
    return true;
  }

  /** The page at the cursor could not be taken. */
  fail(): void {
    if (!this.skipOnFailure) return;
    if (this.isolated > 0) {
      putbackMovablePages(this.ctx, this.cc);
      this.isolated = 0;
    }
    if (this.low < this.boundary) {
      this.low = this.boundary - 1;
      this.boundary += 1 << this.cc.order;
    }
  }

  /** The scan ended at the cursor without an error. */
  finish(): void {
    const { ctx, cc } = this;
    if (this.low > this.end) this.low = this.end;
    if (this.low === this.end && (this.isolated === 0 || cc.rescan)) {
      if (this.validPfn >= 0 && !this.skipUpdated) {
        setPageblockSkip(ctx.model.map, this.validPfn, true);
      }
      updateCachedMigrate(ctx.model, cc, this.low);
    }
    ctx.trace?.mmCompactionIsolateMigratepages?.(this.start, this.low, this.scanned, this.isolated);
    this.account();
  }

  /** Adds up what was scanned and isolated. */
  account(): void {
    const { ctx, cc } = this;
    cc.totalMigrateScanned += this.scanned;
    if (this.isolated > 0) {
      countVmEvents(ctx.model.vmstat, cc.cpu, VmEvent.compact_isolated, this.isolated);
    }
    cc.migratePfn = this.low;
  }

  private isBlockStart(pfn: number): boolean {
    return (pfn & ((1 << this.ctx.model.map.pageblockOrder) - 1)) === 0;
  }

  private take(): void {
    this.cc.migratepages.push(this.low);
    this.isolated++;
  }

  private tryTakeNonLru(): boolean {
    const { ctx, low } = this;
    const { map } = ctx.model;
    if (!isMovableNonLru(ctx, low) || map.refcount[low] === 0) return false;
    if ((map.flags[low] & PageFlag.PG_locked) !== 0) return false;
    if (!(ctx.host.isolatePage?.(low) ?? false)) return false;
    map.refcount[low] += 1;
    this.take();
    return true;
  }

  /** The filters for a page on an LRU list. */
  private canMigrate(): boolean {
    const { ctx, cc, low, mode } = this;
    const { map } = ctx.model;
    const flags = map.flags[low];
    const references = map.refcount[low];
    if (references === 0) return false;
    const mapped = hasMapping(flags);
    if (!mapped && references > map.mapcount[low]) return false;
    if (mapped && (cc.gfp & Gfp.__GFP_FS) === 0) return false;
    if ((flags & PageFlag.PG_unevictable) !== 0 && (mode & ISOLATE_UNEVICTABLE) === 0) return false;
    if ((mode & ISOLATE_ASYNC_MIGRATE) === 0) return true;
    if ((flags & PageFlag.PG_writeback) !== 0) return false;
    if ((flags & PageFlag.PG_dirty) === 0) return true;
    if ((flags & PageFlag.PG_locked) !== 0) return false;
    return !mapped || (ctx.host.hasMigrateCallback?.(low) ?? true);
  }

  /** The first page taken off an LRU list marks the block, if the scan stands at its start. */
  private markBlockOnce(): void {
    if (this.skipUpdated) return;
    this.skipUpdated = true;
    if (!this.cc.ignoreSkipHint && this.isBlockStart(this.low)) {
      setPageblockSkip(this.ctx.model.map, this.low, true);
    }
  }
}
