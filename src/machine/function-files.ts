/** Files of this package and the kernel functions in them that tell when they are entered. */
const FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  'src/buddy/alloc.ts': ['__alloc_pages'],
  'src/buddy/fallback.ts': ['steal_suitable_fallback'],
  'src/buddy/free-list-of-pages.ts': ['free_unref_page_list'],
  'src/buddy/new-page.ts': ['prep_new_page'],
  'src/buddy/rmqueue-bulk.ts': ['rmqueue_bulk'],
  'src/buddy/rmqueue.ts': ['rmqueue'],
  'src/buddy/zone-walk.ts': ['get_page_from_freelist'],
  'src/reclaim/balance-pgdat.ts': ['balance_pgdat', 'kswapd_shrink_node'],
  'src/reclaim/direct.ts': ['try_to_free_pages', 'do_try_to_free_pages', 'shrink_zones'],
  'src/reclaim/isolate.ts': ['isolate_lru_folios'],
  'src/reclaim/kswapd-wake.ts': ['wakeup_kswapd'],
  'src/reclaim/kswapd.ts': ['kswapd', 'prepare_kswapd_sleep'],
  'src/reclaim/shrink-folio-list.ts': ['shrink_folio_list'],
  'src/reclaim/shrink-lists.ts': ['shrink_inactive_list', 'shrink_active_list'],
  'src/reclaim/shrink-lruvec.ts': ['shrink_lruvec'],
  'src/reclaim/shrink-node.ts': ['shrink_node'],
  'src/reclaim/shrinker.ts': ['do_shrink_slab'],
  'src/slab/cache.ts': ['kmem_cache_alloc'],
  'src/slab/free-block.ts': ['free_block', 'slab_destroy'],
  'src/slab/grow.ts': ['cache_grow_begin'],
  'src/slab/pages.ts': ['kmem_getpages'],
  'src/slab/refill.ts': ['____cache_alloc', 'cache_alloc_refill'],
  'src/slowpath/alloc-pages-slowpath.ts': [
    '__alloc_pages_slowpath',
    '__alloc_pages_direct_reclaim',
    '__alloc_pages_direct_compact',
    '__alloc_pages_may_oom',
  ],
  'src/slowpath/compact-zone.ts': ['compact_zone', 'isolate_migratepages'],
  'src/slowpath/free-scanner.ts': ['isolate_freepages'],
  'src/slowpath/kcompactd.ts': ['kcompactd_do_work'],
  'src/slowpath/migrate.ts': ['migrate_pages'],
  'src/slowpath/oom-killer.ts': ['out_of_memory', 'oom_kill_process'],
  'src/slowpath/try-to-compact.ts': ['try_to_compact_pages'],
  'src/slub/alloc.ts': ['___slab_alloc'],
  'src/slub/free.ts': ['__slab_free'],
  'src/slub/new-slab.ts': ['new_slab', 'discard_slab'],
};

const FILES: ReadonlyMap<string, string> = new Map(
  Object.entries(FUNCTIONS).flatMap(([file, names]) => names.map((name) => [name, file] as const)),
);

/** The file of this package that has a function of the kernel, null for a function that does not tell. */
export function functionFile(name: string): string | null {
  return FILES.get(name) ?? null;
}
