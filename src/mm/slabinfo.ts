import type { KmemCacheStats } from './kmem-cache.ts';

/** The two lines above the caches in `/proc/slabinfo`. @kernel print_slabinfo_header (spec slub 5.2) */
export const SLABINFO_HEADER: readonly string[] = [
  'slabinfo - version: 2.1',
  '# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>',
];

function left(value: number, width: number): string {
  return String(value).padStart(width);
}

/** The line of one cache in `/proc/slabinfo`. @kernel cache_show (spec slub 5.2) */
export function formatSlabinfoLine(name: string, stats: KmemCacheStats): string {
  const objects = `${left(stats.activeObjects, 6)} ${left(stats.totalObjects, 6)}`;
  const shape = `${left(stats.size, 6)} ${left(stats.objectsPerSlab, 4)} ${left(stats.pagesPerSlab, 4)}`;
  const tunables = `${left(stats.limit, 4)} ${left(stats.batchcount, 4)} ${left(stats.shared, 4)}`;
  const slabs = `${left(stats.activeSlabs, 6)} ${left(stats.slabs, 6)} ${left(stats.sharedAvailable, 6)}`;
  return `${name.padEnd(17)} ${objects} ${shape} : tunables ${tunables} : slabdata ${slabs}`;
}

/**
 * The text of `/proc/slabinfo`.
 * @param caches all caches, newest first
 */
export function formatSlabinfo(
  caches: readonly { readonly name: string; stats(): KmemCacheStats }[],
): string {
  const lines = caches.map((cache) => formatSlabinfoLine(cache.name, cache.stats()));
  return `${[...SLABINFO_HEADER, ...lines].join('\n')}\n`;
}

/**
 * The lines of an OOM report about slab memory that cannot be reclaimed.
 * @param caches all caches, newest first
 * @param isReclaimable whether a cache has SLAB_RECLAIM_ACCOUNT
 * @kernel dump_unreclaimable_slab (spec slub 5.3)
 */
export function formatUnreclaimableSlab<
  C extends {
    /** Name of the cache. */
    readonly name: string;
    /** Its figures now. */
    stats(): KmemCacheStats;
  },
>(caches: readonly C[], isReclaimable: (cache: C) => boolean): string[] {
  const lines = ['Unreclaimable slab info:', 'Name                      Used          Total'];
  for (const cache of caches) {
    if (isReclaimable(cache)) continue;
    const { activeObjects, totalObjects, size } = cache.stats();
    if (totalObjects === 0) continue;
    const used = left(Math.floor((activeObjects * size) / 1024), 10);
    const total = left(Math.floor((totalObjects * size) / 1024), 10);
    lines.push(`${cache.name.padEnd(17)} ${used}KB ${total}KB`);
  }
  return lines;
}
