import { formatGfp, Gfp } from '../mm/gfp.ts';
import { getOrder } from '../mm/slab-create.ts';
import type { CacheState } from './cache-state.ts';
import { slabsOfList } from './node-lists.ts';
import type { SlubState } from './state.ts';

/** At most this many reports in a window of this many seconds. */
const REPORTS_MAX = 10;
const WINDOW_SECONDS = 5;

/** Free objects on the partial list of a node. @kernel count_partial(count_free) */
export function freeOnPartial(state: SlubState, cache: CacheState, node: number): number {
  const { slabs } = state;
  let free = 0;
  for (const slab of slabsOfList(state, cache.partialHead[node])) {
    free += slabs.objects[slab] - slabs.inuse[slab];
  }
  return free;
}

/** Whether one more report may be printed now. @kernel __ratelimit */
function mayReport(state: SlubState): boolean {
  const now = state.jiffies();
  const expired = now - state.oomWindowStart > WINDOW_SECONDS * state.hz;
  if (state.oomWindowStart < 0 || expired) {
    state.oomWindowStart = now;
    state.oomReports = 0;
  }
  return state.oomReports++ < REPORTS_MAX;
}

/**
 * Says that there is no page for a slab.
 * @param node as the caller wants it, -1 for any
 * @kernel slab_out_of_memory (spec slub 5.8)
 */
export function outOfMemoryReport(
  state: SlubState,
  cache: CacheState,
  gfp: number,
  node: number,
): void {
  const { log } = state;
  if (log === null || !state.config.debug || (gfp & Gfp.__GFP_NOWARN) !== 0) return;
  if (!mayReport(state)) return;
  const { name, objectSize, size, order, minOrder } = cache;
  const mask = `0x${(gfp >>> 0).toString(16)}(${formatGfp(gfp)})`;
  log(`SLUB: Unable to allocate memory on node ${node}, gfp=${mask}`);
  log(
    `  cache: ${name}, object size: ${objectSize}, buffer size: ${size}, ` +
      `default order: ${order}, min order: ${minOrder}`,
  );
  if (minOrder > getOrder(objectSize)) {
    log(`  ${name} debugging increased min order, use slub_debug=O to disable.`);
  }
  for (let id = 0; id < cache.hasNode.length; id++) {
    if (cache.hasNode[id] === 0) continue;
    const free = freeOnPartial(state, cache, id);
    log(
      `  node ${id}: slabs: ${cache.nrSlabs[id]}, objs: ${cache.totalObjects[id]}, free: ${free}`,
    );
  }
}
