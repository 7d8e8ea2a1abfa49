import { hex } from '../lib/units.ts';
import { formatGfp, Gfp } from '../mm/gfp.ts';
import type { CacheState } from './cache-state.ts';

/** Reports in one interval; the kernel's DEFAULT_RATELIMIT_BURST. */
const BURST = 10;
/** Length of an interval in seconds; the kernel's DEFAULT_RATELIMIT_INTERVAL. */
const INTERVAL_SECONDS = 5;

/** Whether one more report may be printed now. @kernel __ratelimit */
function mayReport({ state }: CacheState): boolean {
  const { oomReports } = state;
  const now = state.jiffies();
  if (oomReports.printed === 0 || now - oomReports.begin > INTERVAL_SECONDS * state.hz) {
    oomReports.begin = now;
    oomReports.printed = 0;
  }
  if (oomReports.printed >= BURST) return false;
  oomReports.printed += 1;
  return true;
}

/**
 * Reports that a slab could not be made; only in DEBUG_SLAB builds.
 * @param gfp mask of the failed request
 * @kernel slab_out_of_memory (spec slab 5.4)
 */
export function warnOutOfMemory(cache: CacheState, gfp: number, node: number): void {
  const { state } = cache;
  if (!state.debug || (gfp & Gfp.__GFP_NOWARN) !== 0 || state.log === null) return;
  if (!mayReport(cache)) return;
  const mask = `${hex(gfp)}(${formatGfp(gfp)})`;
  state.log(`SLAB: Unable to allocate memory on node ${node}, gfp=${mask}`);
  state.log(`  cache: ${cache.name}, object size: ${cache.size}, order: ${cache.gfporder}`);
  for (const n of cache.nodes) {
    if (n === null) continue;
    const objects = n.totalSlabs * cache.num;
    state.log(
      `  node ${n.node}: slabs: ${n.totalSlabs - n.freeSlabs}/${n.totalSlabs}, ` +
        `objs: ${objects - n.freeObjects}/${objects}`,
    );
  }
}
