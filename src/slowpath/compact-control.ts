import type { Zone } from '../mm/zone.ts';
import { CompactPriority, MigrateMode } from './constants.ts';
import type { ZoneCompaction } from './zone-state.ts';

/** What a run of compaction is asked to do; what is left out is 0 or false. */
export interface CompactRequest {
  /** Order wanted, -1 for the whole zone. */
  readonly order: number;
  /** The request's mask. */
  readonly gfp: number;
  /** Allocation flags of the attempt that failed. */
  readonly allocFlags: number;
  /** Highest zone index of the request. */
  readonly highestZoneidx: number;
  /** How much may be waited. */
  readonly mode: number;
  /** On behalf of an allocation, as opposed to kcompactd or a user. */
  readonly direct: boolean;
  /** By kcompactd, to lower the fragmentation score. */
  readonly proactive?: boolean;
  /** Scan the zone from end to end. */
  readonly wholeZone?: boolean;
  /** Do not look at skip hints. */
  readonly ignoreSkipHint?: boolean;
  /** Take free pages from blocks of any type. */
  readonly ignoreBlockSuitable?: boolean;
  /** CPU on which it runs. */
  readonly cpu: number;
}

/** `fastStartPfn` that is not to be touched any more. */
export const FAST_START_DONE = -1;

/**
 * The registers of one run of compaction; kcompactd and per-node runs use one for all their zones.
 * Page lists are stacks: the last element is the head of the kernel's list.
 * @kernel struct compact_control (spec slowpath-compaction 2.4)
 */
export class CompactControl {
  /** Order wanted, -1 for the whole zone. */
  readonly order: number;
  /** The request's mask. */
  readonly gfp: number;
  /** Allocation flags of the attempt that failed. */
  readonly allocFlags: number;
  /** Highest zone index of the request. */
  highestZoneidx: number;
  /** How much may be waited. */
  readonly mode: number;
  /** On behalf of an allocation. */
  readonly direct: boolean;
  /** To lower the fragmentation score. */
  readonly proactive: boolean;
  /** Do not look at skip hints. */
  readonly ignoreSkipHint: boolean;
  /** Take free pages from blocks of any type. */
  readonly ignoreBlockSuitable: boolean;
  /** CPU on which it runs. */
  readonly cpu: number;
  /** Migratetype of the request. */
  migratetype = 0;
  /** Scan the zone from end to end; a partial run may find that it is one. */
  wholeZone: boolean;
  /** Order at which the search for targets starts. */
  searchOrder: number;
  /** Fast searches in a row that found nothing. */
  fastSearchFail = 0;
  /** Zone worked on. */
  zone: Zone;
  /** What compaction remembers of it. */
  state: ZoneCompaction;
  /** Position of the migration scanner. */
  migratePfn = 0;
  /** Position of the free scanner. */
  freePfn = 0;
  /** Lowest source that the fast search passed by; 0 none, `FAST_START_DONE` used up. */
  fastStartPfn = 0;
  /** A signal or a lock stops the run. */
  contended = false;
  /** The block is visited a second time. */
  rescan = false;
  /** Isolated sources, head last. */
  readonly migratepages: number[] = [];
  /** Isolated targets, single pages, head last. */
  readonly freepages: number[] = [];
  /** First pages of free blocks isolated and not yet split, in list order. */
  readonly isolatedPfns: number[] = [];
  /** Their orders. */
  readonly isolatedOrders: number[] = [];
  /** Target pages isolated. */
  nrFreepages = 0;
  /** Pages looked at by the migration scanner. */
  totalMigrateScanned = 0;
  /** Pages looked at by the free scanner. */
  totalFreeScanned = 0;

  constructor(request: CompactRequest, zone: Zone, state: ZoneCompaction) {
    this.order = request.order;
    this.gfp = request.gfp;
    this.allocFlags = request.allocFlags;
    this.highestZoneidx = request.highestZoneidx;
    this.mode = request.mode;
    this.direct = request.direct;
    this.proactive = request.proactive ?? false;
    this.wholeZone = request.wholeZone ?? false;
    this.ignoreSkipHint = request.ignoreSkipHint ?? false;
    this.ignoreBlockSuitable = request.ignoreBlockSuitable ?? false;
    this.cpu = request.cpu;
    this.searchOrder = request.order;
    this.zone = zone;
    this.state = state;
  }

  /** Sources isolated and not yet migrated. */
  get nrMigratepages(): number {
    return this.migratepages.length;
  }

  /** One more fast search in a row found nothing; the kernel's counter has 16 bits. */
  noteFastSearchFailure(): void {
    this.fastSearchFail = (this.fastSearchFail + 1) & 0xffff;
  }

  /** Whether the run may wait at all. */
  get sync(): boolean {
    return this.mode !== MigrateMode.MIGRATE_ASYNC;
  }
}

/**
 * The request of a direct compaction at a priority.
 * @kernel compact_zone_order (spec slowpath-compaction 2.4)
 */
export function directCompactRequest(
  gfp: number,
  order: number,
  allocFlags: number,
  highestZoneidx: number,
  priority: number,
  cpu: number,
): CompactRequest {
  const full = priority === CompactPriority.COMPACT_PRIO_SYNC_FULL;
  const async = priority === CompactPriority.COMPACT_PRIO_ASYNC;
  return {
    order,
    gfp,
    allocFlags,
    highestZoneidx,
    mode: async ? MigrateMode.MIGRATE_ASYNC : MigrateMode.MIGRATE_SYNC_LIGHT,
    direct: true,
    wholeZone: full,
    ignoreSkipHint: full,
    ignoreBlockSuitable: full,
    cpu,
  };
}
