import { NIL } from '../lib/units.ts';
import { Gfp, gfpZone } from '../mm/gfp.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { zoneRefIndex, zoneRefNode } from '../mm/slab-topology.ts';
import { inTask } from '../mm/task.ts';
import type { CacheState } from './cache-state.ts';
import type { SlabState } from './state.ts';
import type { SlabTaskPolicy } from './types.ts';

/** The node of `nodes` that comes after `node`, in a circle. */
function nextNodeAfter(nodes: readonly number[], node: number): number {
  return nodes.find((other) => other > node) ?? nodes[0];
}

/** Whether the running task has a memory policy of its own. */
export function hasPolicy({ policy }: SlabState): boolean {
  return policy !== null && policy.mode !== 'local' && policy.nodes.length > 0;
}

/**
 * The node that the task's memory policy wants slab pages from. Interleaving moves on.
 * @kernel mempolicy_slab_node (spec slab 4.10)
 */
export function mempolicySlabNode(state: SlabState, cpu: number): number {
  const { policy, task } = state;
  const local = state.cpuNode[cpu];
  if (policy === null || !hasPolicy(state) || !inTask(task)) return local;
  switch (policy.mode) {
    case 'preferred':
      return policy.nodes[0];
    case 'interleave': {
      const node = nextNodeAfter(policy.nodes, policy.ilPrev);
      policy.ilPrev = node;
      return node;
    }
    case 'bind':
    case 'preferred-many':
      return firstAllowedNode(state, policy, local);
    default:
      return local;
  }
}

function firstAllowedNode(state: SlabState, { nodes }: SlabTaskPolicy, local: number): number {
  const highest = gfpZone(Gfp.GFP_KERNEL);
  for (const zone of state.topology.zonelists[local]) {
    if (zoneRefIndex(zone) <= highest && nodes.includes(zoneRefNode(zone)))
      return zoneRefNode(zone);
  }
  return local;
}

/**
 * The node other than the local one that spreading or the memory policy sends a request to.
 * @returns node, NIL for the normal path
 * @kernel alternate_node_alloc (spec slab 4.10)
 */
export function alternateNode(cache: CacheState, gfp: number, cpu: number): number {
  const { state } = cache;
  const { policy, task } = state;
  if (policy === null || (!policy.spreadSlab && !hasPolicy(state))) return NIL;
  state.calls?.enter('alternate_node_alloc');
  if (task.inInterrupt || (gfp & Gfp.__GFP_THISNODE) !== 0) return NIL;
  const local = state.cpuNode[cpu];
  let target = local;
  if (policy.spreadSlab && (cache.flags & SlabFlag.SLAB_MEM_SPREAD) !== 0) {
    target = spreadNode(state, policy);
  } else if (hasPolicy(state)) {
    target = mempolicySlabNode(state, cpu);
  }
  return target === local ? NIL : target;
}

/** @kernel cpuset_slab_spread_node */
function spreadNode(state: SlabState, policy: SlabTaskPolicy): number {
  const nodes = policy.memsAllowed ?? state.topology.memoryNodes;
  policy.spreadRotor = nextNodeAfter(nodes, policy.spreadRotor);
  return policy.spreadRotor;
}
