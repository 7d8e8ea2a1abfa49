import { Gfp } from '../mm/gfp.ts';
import { takeObject } from './alloc.ts';
import { flushCpu } from './cpu-slab.ts';
import { addNode } from './create.ts';
import { shrinkCache } from './shrink.ts';
import type { SlubState } from './state.ts';

/**
 * A CPU went away: all caches take their slabs from it, newest cache first.
 * @param dead the CPU that is gone
 * @param cpu the CPU that does the work
 * @kernel slub_cpu_dead (spec slub 4.28)
 */
export function cpuDead(state: SlubState, dead: number, cpu: number): void {
  for (const cache of state.caches) flushCpu(state, cache, dead, cpu);
}

/** Memory is about to go: every cache is flushed and shrunk. @kernel slab_mem_going_offline_callback */
export function memoryGoingOffline(state: SlubState, cpu: number): void {
  for (const cache of state.caches) shrinkCache(state, cache, cpu);
}

function setMemoryNodes(state: SlubState, nodes: readonly number[]): void {
  state.memoryNodes = nodes;
  state.isMemoryNode.fill(0);
  for (const node of nodes) state.isMemoryNode[node] = 1;
}

/** A node has no memory any more; the structures of the caches stay. @kernel slab_mem_offline_callback */
export function nodeOffline(state: SlubState, node: number): void {
  setMemoryNodes(
    state,
    state.memoryNodes.filter((id) => id !== node),
  );
}

/**
 * A node gets memory: every cache without structures for it gets them.
 * @returns false when there is no memory for them: the node is then not used
 * @kernel slab_mem_going_online_callback (spec slub 4.28)
 */
export function nodeOnline(state: SlubState, node: number, cpu: number): boolean {
  if (state.isMemoryNode[node] === 1) return true;
  for (const cache of state.caches) {
    if (cache.hasNode[node] === 1) continue;
    const from = state.kmemCacheNode;
    const object =
      from === null ? -1 : takeObject(state, from, Gfp.GFP_KERNEL, -1, from.objectSize, cpu);
    if (from !== null && object < 0) return false;
    addNode(state, cache, node, object);
  }
  setMemoryNodes(
    state,
    [...state.memoryNodes, node].sort((a, b) => a - b),
  );
  return true;
}
