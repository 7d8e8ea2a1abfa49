/** Allocation flags of one attempt (spec slowpath-compaction 3). */
export const AllocFlag = {
  /** The minimum watermark. */
  ALLOC_WMARK_MIN: 0,
  /** The low watermark. */
  ALLOC_WMARK_LOW: 1,
  /** The high watermark. */
  ALLOC_WMARK_HIGH: 2,
  /** Mask of the watermark index. */
  ALLOC_WMARK_MASK: 3,
  /** No watermark check. */
  ALLOC_NO_WATERMARKS: 0x4,
  /** OOM victim. */
  ALLOC_OOM: 0x8,
  /** The caller cannot reclaim. */
  ALLOC_NON_BLOCK: 0x10,
  /** May go below the mark; the same bit as `__GFP_HIGH`. */
  ALLOC_MIN_RESERVE: 0x20,
  /** Obey the cpuset. */
  ALLOC_CPUSET: 0x40,
  /** May use CMA pageblocks. */
  ALLOC_CMA: 0x80,
  /** May use the HIGHATOMIC reserve. */
  ALLOC_HIGHATOMIC: 0x200,
  /** May wake kswapd; the same bit as `__GFP_KSWAPD_RECLAIM`. */
  ALLOC_KSWAPD: 0x800,
} as const;

/** Largest order that is not costly. */
export const PAGE_ALLOC_COSTLY_ORDER = 3;
/** Rounds without progress before reclaim is given up. */
export const MAX_RECLAIM_RETRIES = 16;
/** Successful compactions without a page before it is given up. */
export const MAX_COMPACT_RETRIES = 16;
/** Pages migrated in one go. */
export const COMPACT_CLUSTER_MAX = 32;
/** Largest exponent of compaction deferral. */
export const COMPACT_MAX_DEFER_SHIFT = 6;

/** How hard compaction tries; lower is harder. */
export const CompactPriority = {
  /** All blocks, no hints. */
  COMPACT_PRIO_SYNC_FULL: 0,
  /** The default. */
  COMPACT_PRIO_SYNC_LIGHT: 1,
  /** Never waits. */
  COMPACT_PRIO_ASYNC: 2,
} as const;

/** What compaction of a zone came to; a larger value wins over several zones. */
export const CompactResult = {
  /** Only inside: the failure is not external fragmentation. */
  COMPACT_NOT_SUITABLE_ZONE: 0,
  /** Not tried: not enough free pages, or not worth it. */
  COMPACT_SKIPPED: 1,
  /** Not tried: failed too often before. */
  COMPACT_DEFERRED: 2,
  /** Only inside: no block yet. */
  COMPACT_NO_SUITABLE_PAGE: 3,
  /** Go on. */
  COMPACT_CONTINUE: 4,
  /** The whole zone was scanned without result. */
  COMPACT_COMPLETE: 5,
  /** Part of the zone was scanned without result. */
  COMPACT_PARTIAL_SKIPPED: 6,
  /** Stopped by contention or a signal. */
  COMPACT_CONTENDED: 7,
  /** A block is there. */
  COMPACT_SUCCESS: 8,
} as const;

/** How much a migration may wait. */
export const MigrateMode = {
  /** Never blocks. */
  MIGRATE_ASYNC: 0,
  /** Blocks on most things, but not on writeback. */
  MIGRATE_SYNC_LIGHT: 1,
  /** Blocks. */
  MIGRATE_SYNC: 2,
} as const;

/** Outcome of one page's migration. */
export const MigrateOutcome = {
  /** The target holds the page now. */
  OK: 0,
  /** Try again in the next pass (-EAGAIN). */
  AGAIN: 1,
  /** Cannot be migrated now (-EBUSY and other errors). */
  BUSY: 2,
} as const;

/** Order of a transparent huge page. @kernel COMPACTION_HPAGE_ORDER */
export const COMPACTION_HPAGE_ORDER = 9;
