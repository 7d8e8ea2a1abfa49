import type { KmemCacheStats } from '../mm/kmem-cache.ts';
import type { CacheState } from './cache-state.ts';
import { freeOnPartial } from './oom-report.ts';
import type { SlubState } from './state.ts';
import type { SlubParameters } from './types.ts';

/** Sums of the nodes of a cache. @kernel get_slabinfo (spec slub 5.2) */
export function cacheStats(state: SlubState, cache: CacheState): KmemCacheStats {
  let slabs = 0;
  let objects = 0;
  let free = 0;
  for (let node = 0; node < cache.hasNode.length; node++) {
    if (cache.hasNode[node] === 0) continue;
    slabs += cache.nrSlabs[node];
    objects += cache.totalObjects[node];
    free += freeOnPartial(state, cache, node);
  }
  return {
    activeObjects: objects - free,
    totalObjects: objects,
    size: cache.size,
    objectsPerSlab: cache.objects,
    pagesPerSlab: 2 ** cache.order,
    limit: 0,
    batchcount: 0,
    shared: 0,
    activeSlabs: slabs,
    slabs,
    sharedAvailable: 0,
  };
}

/** What the boot line tells. */
export interface BootLineInput {
  /** Boot parameters. */
  readonly parameters: Pick<SlubParameters, 'minOrder' | 'maxOrder' | 'minObjects'>;
  /** `nr_cpu_ids`. */
  readonly cpus: number;
  /** `nr_node_ids`. */
  readonly nodes: number;
}

/** The line of the boot log. @kernel kmem_cache_init (spec slub 5.1) */
export function formatBootLine({ parameters, cpus, nodes }: BootLineInput): string {
  const { minOrder, maxOrder, minObjects } = parameters;
  return `SLUB: HWalign=64, Order=${minOrder}-${maxOrder}, MinObjects=${minObjects}, CPUs=${cpus}, Nodes=${nodes}`;
}
