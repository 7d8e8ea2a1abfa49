import { NodeStatItem, ZoneStatItem } from '../mm/vm-items.ts';

/** The LRU lists of a node, by number; a page's flags say which one it belongs on (spec reclaim 2.2). */
export const LruList = {
  /** Anonymous pages that were not used lately. */
  LRU_INACTIVE_ANON: 0,
  /** Anonymous pages in use. */
  LRU_ACTIVE_ANON: 1,
  /** Page cache that was not used lately. */
  LRU_INACTIVE_FILE: 2,
  /** Page cache in use. */
  LRU_ACTIVE_FILE: 3,
  /** Pages that reclaim must not touch; has a size but no order. */
  LRU_UNEVICTABLE: 4,
} as const;

/** Names of the LRU lists as tracepoints print them, by number. */
export const LRU_NAMES: readonly string[] = [
  'inactive_anon',
  'active_anon',
  'inactive_file',
  'active_file',
  'unevictable',
];

/** Lists that pages are threaded on: all but the unevictable one. */
export const EVICTABLE_LRU_LISTS = 4;

/** Kinds of page, as index of per-kind numbers: costs, refaults, deactivation. */
export const LruKind = {
  /** Anonymous and shared memory. */
  ANON: 0,
  /** Page cache, and anonymous pages that may be dropped (MADV_FREE). */
  FILE: 1,
} as const;

/** Per-CPU batches, in the order in which they are drained (spec reclaim 2.4, 4.10). */
export const LruBatch = {
  /** New pages on their way to a list. */
  LRU_ADD: 0,
  /** Pages whose write-back ended, on their way to the tail. */
  LRU_ROTATE: 1,
  /** File pages that a caller does not need any more. */
  LRU_DEACTIVATE_FILE: 2,
  /** Pages to be deactivated. */
  LRU_DEACTIVATE: 3,
  /** Anonymous pages that became droppable. */
  LRU_LAZYFREE: 4,
  /** Pages to be activated. */
  ACTIVATE: 5,
  /** Pages that were locked into memory or released from it. */
  MLOCK: 6,
} as const;

/** Number of per-CPU batches. */
export const NR_LRU_BATCHES = 7;

/** Slots of a batch. */
export const PAGEVEC_SIZE = 15;

/** Pages that reclaim isolates at a time, and the target of direct reclaim. */
export const SWAP_CLUSTER_MAX = 32;
/** Priority at which reclaim begins: it looks at 1/4096 of each list. */
export const DEF_PRIORITY = 12;
/** Priority at which node reclaim begins. */
export const NODE_RECLAIM_PRIORITY = 4;
/** Fruitless runs after which kswapd gives up on a node. */
export const MAX_RECLAIM_RETRIES = 16;
/** Orders above it are costly: reclaim leaves them to compaction. */
export const PAGE_ALLOC_COSTLY_ORDER = 3;
/** A page with that many references may be pinned for DMA. @kernel GUP_PIN_COUNTING_BIAS */
export const GUP_PIN_COUNTING_BIAS = 1024;

/** What `writepage` returns for "not now, make it active". */
export const AOP_WRITEPAGE_ACTIVATE = 0x80000;

/** Bits of a node's reclaim flags. */
export const PgdatFlag = {
  /** kswapd met nothing but dirty file pages at the tail. */
  PGDAT_DIRTY: 1,
  /** kswapd met nothing but pages in write-back. */
  PGDAT_WRITEBACK: 2,
  /** Node reclaim is running. */
  PGDAT_RECLAIM_LOCKED: 4,
} as const;

/** Bits of a node's LRU flags. */
export const LruvecFlag = {
  /** Many dirty pages were met again while in write-back. */
  LRUVEC_CONGESTED: 1,
} as const;

/** Reasons for which a reclaimer sleeps, with the kernel's values. */
export const VmscanThrottle = {
  /** Too many pages in write-back. */
  VMSCAN_THROTTLE_WRITEBACK: 0,
  /** Too many pages isolated. */
  VMSCAN_THROTTLE_ISOLATED: 1,
  /** A full scan freed nothing. */
  VMSCAN_THROTTLE_NOPROGRESS: 2,
  /** Dirty pages are met again and again. */
  VMSCAN_THROTTLE_CONGESTED: 3,
} as const;

/** Bits of `vm.zone_reclaim_mode`. */
export const NodeReclaimMode = {
  /** Node reclaim is on. */
  RECLAIM_ZONE: 1,
  /** It may write dirty pages. */
  RECLAIM_WRITE: 2,
  /** It may unmap pages. */
  RECLAIM_UNMAP: 4,
} as const;

/** What node reclaim answers. */
export const NodeReclaimResult = {
  /** It did not look. */
  NODE_RECLAIM_NOSCAN: -2,
  /** There is nothing worth it. */
  NODE_RECLAIM_FULL: -1,
  /** It freed less than asked for. */
  NODE_RECLAIM_SOME: 0,
  /** It freed enough. */
  NODE_RECLAIM_SUCCESS: 1,
} as const;

/** What `compactionSuitable` answers, with the kernel's values (spec slowpath-compaction 3). */
export const CompactResult = {
  /** Too few free pages for compaction to work with. */
  COMPACT_SKIPPED: 1,
  /** Compaction would have to run. */
  COMPACT_CONTINUE: 4,
  /** The request would succeed already. */
  COMPACT_SUCCESS: 8,
} as const;

/** Bits that `referenced` reports of the mappings that it counted. */
export const VmFlag = {
  /** An executable mapping. */
  VM_EXEC: 0x4,
  /** A mapping that is locked into memory. */
  VM_LOCKED: 0x2000,
} as const;

/** Item of the first LRU size among the node counters. */
export const NR_LRU_BASE: number = NodeStatItem.nr_inactive_anon;
/** Item of the first LRU size among the zone counters. */
export const NR_ZONE_LRU_BASE: number = ZoneStatItem.NR_ZONE_INACTIVE_ANON;
/** Item of the isolated anonymous pages; the file pages follow. */
export const NR_ISOLATED_ANON: number = NodeStatItem.nr_isolated_anon;

/** Twice the pages of a block: what compaction needs free to work with. @kernel compact_gap */
export function compactGap(order: number): number {
  return 2 << order;
}
