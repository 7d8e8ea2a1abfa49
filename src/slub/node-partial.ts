import { Gfp, gfpZone } from '../mm/gfp.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { mayUseReserves } from '../mm/slab-gfp.ts';
import { zoneRefIndex, zoneRefNode } from '../mm/slab-topology.ts';
import type { CacheState } from './cache-state.ts';
import { putCpuPartial } from './cpu-slab.ts';
import { allocFromDebugPartial } from './debug-alloc.ts';
import { removePartial } from './node-lists.ts';
import type { SlubState } from './state.ts';
import { countStat, Stat } from './statistics.ts';

/** The cycle counter is compared with the ratio modulo this. */
const DEFRAG_SCALE = 1024;

/** Whether a slab was made of emergency reserves. @kernel slab_test_pfmemalloc */
export function isReserveSlab(state: SlubState, slab: number): boolean {
  return (state.map.flags[state.slabs.pfn[slab]] & PageFlag.PG_active) !== 0;
}

/** Whether a request may have objects of a slab. @kernel pfmemalloc_match */
export function reservesMatch(state: SlubState, slab: number, gfp: number): boolean {
  if (!isReserveSlab(state, slab)) return true;
  const { task } = state;
  return mayUseReserves(gfp, task !== null && (task.pfMemalloc || task.oomVictim));
}

/**
 * Takes partial slabs from a node's list: the first one for the caller, some more for the CPU's list.
 * @returns the slab, frozen, its freelist still its own; -1 for none
 * @kernel get_partial_node (spec slub 4.13)
 */
function getPartialNode(
  state: SlubState,
  cache: CacheState,
  node: number,
  gfp: number,
  cpu: number,
): number {
  if (cache.nrPartial[node] === 0) return -1;
  const { map, slabs, config } = state;
  const head = cache.partialHead[node];
  const most = cache.cpuPartialSlabs >> 1;
  let first = -1;
  let further = 0;
  for (let pfn = map.next[head]; pfn !== head; ) {
    const slab = map.private[pfn];
    pfn = map.next[pfn];
    if (!reservesMatch(state, slab, gfp)) continue;
    removePartial(state, cache, slab);
    slabs.frozen[slab] = 1;
    if (first < 0) {
      first = slab;
      countStat(cache.stats, cpu, Stat.alloc_from_partial);
    } else {
      putCpuPartial(state, cache, slab, false, cpu);
      countStat(cache.stats, cpu, Stat.cpu_partial_node);
      further++;
    }
    if (!config.cpuPartial || further > most) break;
  }
  return first;
}

/**
 * Takes one object from the partial slabs of a node, for a debug cache.
 * @returns its address, 0 for none
 */
function getDebugObjectNode(
  state: SlubState,
  cache: CacheState,
  node: number,
  gfp: number,
  origSize: number,
  cpu: number,
): number {
  if (cache.nrPartial[node] === 0) return 0;
  const { map } = state;
  const head = cache.partialHead[node];
  for (let pfn = map.next[head]; pfn !== head; ) {
    const slab = map.private[pfn];
    pfn = map.next[pfn];
    if (!reservesMatch(state, slab, gfp)) continue;
    const object = allocFromDebugPartial(state, cache, slab, origSize, cpu);
    if (object !== 0) return object;
  }
  return 0;
}

/** A slab (normal cache) or the address of an object (debug cache) of a node; -1 for none. */
function searchNode(
  state: SlubState,
  cache: CacheState,
  node: number,
  gfp: number,
  origSize: number,
  cpu: number,
): number {
  if (!cache.isDebug) return getPartialNode(state, cache, node, gfp, cpu);
  const object = getDebugObjectNode(state, cache, node, gfp, origSize, cpu);
  return object === 0 ? -1 : object;
}

/** The same from any node that has slabs to spare. @kernel get_any_partial (spec slub 4.13) */
function searchRemote(
  state: SlubState,
  cache: CacheState,
  gfp: number,
  origSize: number,
  cpu: number,
): number {
  const ratio = cache.remoteNodeDefragRatio;
  if (!state.config.numa || ratio === 0 || state.cycles() % DEFRAG_SCALE > ratio) return -1;
  const { topology } = state;
  const lists = (gfp & Gfp.__GFP_THISNODE) === 0 ? topology.zonelists : topology.thisNodeZonelists;
  const zones = lists[state.cpuMemoryNode[cpu]];
  const highest = gfpZone(gfp);
  for (let i = 0; i < zones.length; i++) {
    const node = zoneRefNode(zones[i]);
    if (zoneRefIndex(zones[i]) > highest || cache.nrPartial[node] <= cache.minPartial) continue;
    const found = searchNode(state, cache, node, gfp, origSize, cpu);
    if (found >= 0) return found;
  }
  return -1;
}

/**
 * Looks for a partial slab of the wanted node, or of any.
 * @param origSize bytes asked for, which a debug cache records
 * @returns normal caches: the slab, frozen, its freelist still its own; debug caches: the address of
 * the object; -1 for none
 * @kernel get_partial (spec slub 4.13)
 */
export function getPartial(
  state: SlubState,
  cache: CacheState,
  gfp: number,
  node: number,
  origSize: number,
  cpu: number,
): number {
  const here = node < 0 ? state.cpuMemoryNode[cpu] : node;
  const found = searchNode(state, cache, here, gfp, origSize, cpu);
  if (found >= 0 || node >= 0) return found;
  return searchRemote(state, cache, gfp, origSize, cpu);
}
