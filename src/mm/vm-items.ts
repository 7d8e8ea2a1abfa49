/** Zone counters, in the order of the kernel's enumeration (ZSMALLOC off). */
export const ZoneStatItem = {
  /** Free pages in buddy lists. */
  NR_FREE_PAGES: 0,
  /** LRU sizes of the zone. */
  NR_ZONE_INACTIVE_ANON: 1,
  /** Active anonymous pages. */
  NR_ZONE_ACTIVE_ANON: 2,
  /** Inactive file pages. */
  NR_ZONE_INACTIVE_FILE: 3,
  /** Active file pages. */
  NR_ZONE_ACTIVE_FILE: 4,
  /** Unevictable pages. */
  NR_ZONE_UNEVICTABLE: 5,
  /** Dirty and writeback pages. */
  NR_ZONE_WRITE_PENDING: 6,
  /** mlocked pages. */
  NR_MLOCK: 7,
  /** Bounce buffers. */
  NR_BOUNCE: 8,
  /** Free CMA pages. */
  NR_FREE_CMA_PAGES: 9,
} as const;

/** Names of the zone counters in `/proc/vmstat`, by item. */
export const ZONE_STAT_NAMES: readonly string[] = [
  'nr_free_pages',
  'nr_zone_inactive_anon',
  'nr_zone_active_anon',
  'nr_zone_inactive_file',
  'nr_zone_active_file',
  'nr_zone_unevictable',
  'nr_zone_write_pending',
  'nr_mlock',
  'nr_bounce',
  'nr_free_cma',
];

/** Number of zone counters. */
export const NR_VM_ZONE_STAT_ITEMS = 10;

/** NUMA events of a zone. */
export const NumaStatItem = {
  /** Allocated from the preferred node. */
  NUMA_HIT: 0,
  /** Allocated here, although another node was preferred. */
  NUMA_MISS: 1,
  /** Was preferred, but another node gave the page. */
  NUMA_FOREIGN: 2,
  /** Allocated by interleaving, as planned. */
  NUMA_INTERLEAVE_HIT: 3,
  /** Allocated by a CPU of this node. */
  NUMA_LOCAL: 4,
  /** Allocated by a CPU of another node. */
  NUMA_OTHER: 5,
} as const;

/** Names of the NUMA events, by item. */
export const NUMA_STAT_NAMES: readonly string[] = [
  'numa_hit',
  'numa_miss',
  'numa_foreign',
  'numa_interleave',
  'numa_local',
  'numa_other',
];

/** Number of NUMA events. */
export const NR_VM_NUMA_EVENT_ITEMS = 6;

/** Names of the node counters in `/proc/vmstat` (SWAP on, NUMA_BALANCING off), by item. */
export const NODE_STAT_NAMES = [
  'nr_inactive_anon',
  'nr_active_anon',
  'nr_inactive_file',
  'nr_active_file',
  'nr_unevictable',
  'nr_slab_reclaimable',
  'nr_slab_unreclaimable',
  'nr_isolated_anon',
  'nr_isolated_file',
  'workingset_nodes',
  'workingset_refault_anon',
  'workingset_refault_file',
  'workingset_activate_anon',
  'workingset_activate_file',
  'workingset_restore_anon',
  'workingset_restore_file',
  'workingset_nodereclaim',
  'nr_anon_pages',
  'nr_mapped',
  'nr_file_pages',
  'nr_dirty',
  'nr_writeback',
  'nr_writeback_temp',
  'nr_shmem',
  'nr_shmem_hugepages',
  'nr_shmem_pmdmapped',
  'nr_file_hugepages',
  'nr_file_pmdmapped',
  'nr_anon_transparent_hugepages',
  'nr_vmscan_write',
  'nr_vmscan_immediate_reclaim',
  'nr_dirtied',
  'nr_written',
  'nr_throttled_written',
  'nr_kernel_misc_reclaimable',
  'nr_foll_pin_acquired',
  'nr_foll_pin_released',
  'nr_kernel_stack',
  'nr_page_table_pages',
  'nr_sec_page_table_pages',
  'nr_swapcached',
] as const;

/** Name of a node counter. */
export type NodeStatName = (typeof NODE_STAT_NAMES)[number];

/** Number of node counters. */
export const NR_VM_NODE_STAT_ITEMS: number = NODE_STAT_NAMES.length;

/** Item of each node counter, by its `/proc/vmstat` name. */
export const NodeStatItem: Readonly<Record<NodeStatName, number>> = indexByName(NODE_STAT_NAMES);

/** Pages of a huge page. */
const HPAGE_PMD_NR = 512;
const HUGE_PAGE_COUNTERS: readonly string[] = [
  'nr_shmem_hugepages',
  'nr_shmem_pmdmapped',
  'nr_file_hugepages',
  'nr_file_pmdmapped',
  'nr_anon_transparent_hugepages',
] satisfies NodeStatName[];

/**
 * A counter of a node as text files show it: those of huge pages are kept in pages and shown in huge
 * pages.
 */
export function shownNodeStat(name: string, pages: number): number {
  return HUGE_PAGE_COUNTERS.includes(name) ? Math.floor(pages / HPAGE_PMD_NR) : pages;
}

/** Names of the VM events that the model counts, in `/proc/vmstat` order, by item. */
export const VM_EVENT_NAMES = [
  'pgpgin',
  'pgpgout',
  'pswpin',
  'pswpout',
  'pgalloc_dma',
  'pgalloc_dma32',
  'pgalloc_normal',
  'pgalloc_movable',
  'allocstall_dma',
  'allocstall_dma32',
  'allocstall_normal',
  'allocstall_movable',
  'pgskip_dma',
  'pgskip_dma32',
  'pgskip_normal',
  'pgskip_movable',
  'pgfree',
  'pgactivate',
  'pgdeactivate',
  'pglazyfree',
  'pgfault',
  'pgmajfault',
  'pglazyfreed',
  'pgrefill',
  'pgreuse',
  'pgsteal_kswapd',
  'pgsteal_direct',
  'pgdemote_kswapd',
  'pgdemote_direct',
  'pgscan_kswapd',
  'pgscan_direct',
  'pgscan_direct_throttle',
  'pgscan_anon',
  'pgscan_file',
  'pgsteal_anon',
  'pgsteal_file',
  'zone_reclaim_failed',
  'pginodesteal',
  'slabs_scanned',
  'kswapd_inodesteal',
  'kswapd_low_wmark_hit_quickly',
  'kswapd_high_wmark_hit_quickly',
  'pageoutrun',
  'pgrotated',
  'drop_pagecache',
  'drop_slab',
  'oom_kill',
  'pgmigrate_success',
  'pgmigrate_fail',
  'thp_migration_success',
  'thp_migration_fail',
  'thp_migration_split',
  'compact_migrate_scanned',
  'compact_free_scanned',
  'compact_isolated',
  'compact_stall',
  'compact_fail',
  'compact_success',
  'compact_daemon_wake',
  'compact_daemon_migrate_scanned',
  'compact_daemon_free_scanned',
  'unevictable_pgs_culled',
  'unevictable_pgs_scanned',
  'unevictable_pgs_rescued',
  'unevictable_pgs_mlocked',
  'unevictable_pgs_munlocked',
  'unevictable_pgs_cleared',
  'unevictable_pgs_stranded',
] as const;

/** Name of a VM event. */
export type VmEventName = (typeof VM_EVENT_NAMES)[number];

/** Number of VM events. */
export const NR_VM_EVENT_ITEMS: number = VM_EVENT_NAMES.length;

/** Item of each VM event, by its `/proc/vmstat` name. */
export const VmEvent: Readonly<Record<VmEventName, number>> = indexByName(VM_EVENT_NAMES);

function indexByName<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, item) => [name, item])) as Record<Name, number>;
}
