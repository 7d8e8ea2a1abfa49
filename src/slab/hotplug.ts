import { NIL } from '../lib/units.ts';
import { drainAlienCaches, freeAlienCaches } from './alien.ts';
import type { CacheState } from './cache-state.ts';
import { drainFreelist, freeBlock, slabsDestroy } from './free-block.ts';
import { ownFree, ownGfp } from './own-memory.ts';
import { startCpuTimer, stopCpuTimer } from './reap.ts';
import type { SlabState } from './state.ts';
import { initCacheNode, setupKmemCacheNode } from './tune.ts';

/** Gives every cache a structure of a node, or a new limit of free objects. @kernel init_cache_node_node */
function initCacheNodes(state: SlabState, node: number, cpu: number): boolean {
  return state.caches.every((cache) => initCacheNode(cache, node, ownGfp(state), cpu));
}

/**
 * Prepares the caches for a CPU that is about to start.
 * @param starting that CPU
 * @param cpu the CPU that does it
 * @returns false when there is no memory: everything is as for a CPU that is gone
 * @kernel slab_prepare_cpu, cpuup_prepare (spec slab 4.23)
 */
export function slabPrepareCpu(state: SlabState, starting: number, cpu: number): boolean {
  const node = state.cpuNode[starting];
  const works =
    initCacheNodes(state, node, cpu) &&
    state.caches.every((cache) => setupKmemCacheNode(cache, node, ownGfp(state), false, cpu));
  if (!works) slabDeadCpu(state, starting, cpu);
  return works;
}

/** Puts a CPU that runs now into the masks of its nodes. */
export function enterMasks(state: SlabState, starting: number): void {
  state.finalNodeCpus.forEach((cpus, node) => {
    if (!cpus.includes(starting) || state.nodeCpus[node].includes(starting)) return;
    state.nodeCpus[node] = [...state.nodeCpus[node], starting].sort((a, b) => a - b);
  });
}

/** Marks a CPU as running and starts its reaping. @kernel slab_online_cpu (spec slab 4.18) */
export function slabOnlineCpu(state: SlabState, starting: number): void {
  enterMasks(state, starting);
  state.cpuOnline[starting] = 1;
  startCpuTimer(state, starting);
  state.updateHooks();
}

/** Stops a CPU: it reaps no more and is in no mask. @kernel slab_offline_cpu */
export function slabOfflineCpu(state: SlabState, leaving: number): void {
  stopCpuTimer(state, leaving);
  state.cpuOnline[leaving] = 0;
  state.nodeCpus = state.nodeCpus.map((cpus) => cpus.filter((cpu) => cpu !== leaving));
  state.updateHooks();
}

/**
 * Takes back what the array of a CPU that is gone holds; with the last CPU of a node also what the
 * CPUs of the node shared.
 * @param dead the CPU that is gone
 * @param cpu the CPU that does it
 * @kernel slab_dead_cpu, cpuup_canceled (spec slab 4.23)
 */
export function slabDeadCpu(state: SlabState, dead: number, cpu: number): void {
  const node = state.cpuNode[dead];
  const isLast = state.nodeCpus[node].length === 0;
  for (const cache of [...state.caches]) emptyDeadCpu(cache, dead, node, isLast, cpu);
  for (const cache of [...state.caches]) {
    if ((cache.nodes[node] ?? null) !== null) {
      drainFreelist(cache, node, Number.POSITIVE_INFINITY, cpu);
    }
  }
}

function emptyDeadCpu(
  cache: CacheState,
  dead: number,
  node: number,
  isLast: boolean,
  cpu: number,
): void {
  const n = cache.nodes[node] ?? null;
  if (n === null) return;
  n.freeLimit -= cache.batchcount;
  const ac = cache.cpuCache[dead];
  let doomed = freeBlock(cache, ac.entries, 0, ac.avail, node, NIL);
  ac.avail = 0;
  if (isLast) {
    const { shared, alien } = n;
    if (shared !== null) doomed = freeBlock(cache, shared.entries, 0, shared.avail, node, doomed);
    n.shared = null;
    n.alien = null;
    ownFree(cache.state, shared?.address ?? NIL, cpu);
    if (alien !== null) {
      drainAlienCaches(cache, alien, cpu);
      freeAlienCaches(cache, alien, cpu);
    }
  }
  slabsDestroy(cache, doomed, cpu);
}

/**
 * Prepares the caches for memory on a node that has none yet.
 * @returns false when there is no memory for the structures
 * @kernel slab_mem_going_online_callback (spec slab 4.23)
 */
export function slabMemGoingOnline(state: SlabState, node: number, cpu: number): boolean {
  if (!initCacheNodes(state, node, cpu)) return false;
  if (!state.onlineNodes.includes(node)) {
    state.onlineNodes = [...state.onlineNodes, node].sort((a, b) => a - b);
    state.updateHooks();
  }
  return true;
}

/**
 * Gives up the free slabs of a node whose memory is about to go.
 * @returns false at the first cache that still has objects there
 * @kernel slab_mem_going_offline_callback (spec slab 4.23)
 */
export function slabMemGoingOffline(state: SlabState, node: number, cpu: number): boolean {
  for (const cache of [...state.caches]) {
    const n = cache.nodes[node] ?? null;
    if (n === null) continue;
    drainFreelist(cache, node, Number.POSITIVE_INFINITY, cpu);
    if (n.totalSlabs > n.freeSlabs) return false;
  }
  return true;
}
