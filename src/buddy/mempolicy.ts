import { NIL } from '../lib/units.ts';
import { Gfp, gfpZone } from '../mm/gfp.ts';
import { nodeOfPage } from '../mm/memory-model.ts';
import { inTask } from '../mm/task.ts';
import { NumaStatItem } from '../mm/vm-items.ts';
import { countNumaEvents } from '../mm/vmstat.ts';
import { policyZone } from '../mm/zonelist.ts';
import { allocPages, nodemaskOf } from './alloc.ts';
import { allocPagesBulkArray, type PageSlots } from './bulk.ts';
import type { BuddyState } from './state.ts';

/** How a memory policy places pages. */
export type MempolicyMode = 'preferred' | 'bind' | 'preferred-many' | 'interleave';

/**
 * The NUMA policy of a task. Interleaving remembers where it is, so an object belongs to one task.
 *
 * @kernel struct mempolicy (spec buddy 4.32)
 */
export class Mempolicy {
  /** What to do with the nodes. */
  readonly mode: MempolicyMode;
  /** The nodes, ascending. */
  readonly nodes: readonly number[];
  /** Node to start from in place of the CPU's, -1 for none (bind and preferred-many). */
  readonly homeNode: number;
  /** Node that interleaving used last; before the first use, one before all. */
  ilPrev = -1;

  /**
   * @param mode what to do with the nodes
   * @param nodes the nodes, in any order
   * @param homeNode node to start from in place of the CPU's
   */
  constructor(mode: MempolicyMode, nodes: readonly number[], homeNode = -1) {
    this.mode = mode;
    this.nodes = [...new Set(nodes)].sort((a, b) => a - b);
    this.homeNode = homeNode;
  }
}

/** Next node of an interleaving policy. @kernel interleave_nodes (spec buddy 4.32) */
function interleaveNode(policy: Mempolicy, local: number): number {
  const { nodes } = policy;
  if (nodes.length === 0) return local;
  const next = nodes.find((node) => node > policy.ilPrev) ?? nodes[0];
  policy.ilPrev = next;
  return next;
}

/** Whether a policy counts for a request. @kernel get_task_policy, apply_policy_zone (spec buddy 4.32) */
function applies(state: BuddyState, gfp: number): boolean {
  return inTask(state.task) && (gfp & Gfp.__GFP_THISNODE) === 0;
}

function homeNode(policy: Mempolicy, local: number): number {
  return policy.homeNode >= 0 ? policy.homeNode : local;
}

/**
 * Allocates a block where a policy wants it.
 * @param policy the task's policy, null for the default: the node of the CPU
 * @returns first page frame, -1 for none
 * @kernel alloc_pages (spec buddy 4.32)
 */
export function allocPagesPolicy(
  state: BuddyState,
  gfp: number,
  order: number,
  policy: Mempolicy | null,
  cpu: number,
): number {
  const local = state.model.cpuNode[cpu];
  if (policy === null || !applies(state, gfp)) {
    return allocPages(state, gfp, order, local, null, cpu);
  }
  if (policy.mode === 'interleave') return allocInterleaved(state, gfp, order, policy, cpu);
  if (policy.mode === 'preferred-many') return allocPreferredMany(state, gfp, order, policy, cpu);
  if (policy.mode === 'preferred') {
    return allocPages(state, gfp, order, policy.nodes[0] ?? local, null, cpu);
  }
  const bound = gfpZone(gfp) >= policyZone(state.model);
  const mask = bound ? nodemaskOf(state, policy.nodes) : null;
  return allocPages(state, gfp, order, homeNode(policy, local), mask, cpu);
}

/** @kernel alloc_page_interleave */
function allocInterleaved(
  state: BuddyState,
  gfp: number,
  order: number,
  policy: Mempolicy,
  cpu: number,
): number {
  const { model, vmstat, map } = state;
  const node = interleaveNode(policy, model.cpuNode[cpu]);
  const pfn = allocPages(state, gfp, order, node, null, cpu);
  if (pfn !== NIL && model.tunables.numaStat !== 0 && nodeOfPage(model, pfn) === node) {
    countNumaEvents(vmstat, cpu, map.zone[pfn] - 1, NumaStatItem.NUMA_INTERLEAVE_HIT, 1);
  }
  return pfn;
}

/** First quietly from the preferred nodes, then from all. @kernel alloc_pages_preferred_many */
function allocPreferredMany(
  state: BuddyState,
  gfp: number,
  order: number,
  policy: Mempolicy,
  cpu: number,
): number {
  const node = homeNode(policy, state.model.cpuNode[cpu]);
  const quiet = (gfp | Gfp.__GFP_NOWARN) & ~(Gfp.__GFP_DIRECT_RECLAIM | Gfp.__GFP_NOFAIL);
  const pfn = allocPages(state, quiet, order, node, nodemaskOf(state, policy.nodes), cpu);
  return pfn !== NIL ? pfn : allocPages(state, gfp, order, node, null, cpu);
}

/**
 * Allocates order-0 pages into the empty slots of an array where a policy wants them: interleaving
 * divides them among its nodes.
 * @param slots the array; -1 marks an empty slot
 * @returns slots in use, from the first on
 * @kernel alloc_pages_bulk_array_mempolicy (spec buddy 4.22)
 */
export function allocPagesBulkPolicy(
  state: BuddyState,
  gfp: number,
  policy: Mempolicy | null,
  slots: PageSlots,
  cpu: number,
): number {
  const local = state.model.cpuNode[cpu];
  const mode = policy !== null && applies(state, gfp) ? policy.mode : 'default';
  if (policy === null || mode === 'default') {
    return allocPagesBulkArray(state, gfp, local, null, slots, cpu);
  }
  if (mode === 'interleave') return bulkInterleaved(state, gfp, policy, slots, cpu);
  if (mode === 'preferred') {
    return allocPagesBulkArray(state, gfp, policy.nodes[0] ?? local, null, slots, cpu);
  }
  const node = homeNode(policy, local);
  if (mode === 'preferred-many') return bulkPreferredMany(state, gfp, policy, node, slots, cpu);
  const bound = gfpZone(gfp) >= policyZone(state.model);
  const mask = bound ? nodemaskOf(state, policy.nodes) : null;
  return allocPagesBulkArray(state, gfp, node, mask, slots, cpu);
}

/** @kernel alloc_pages_bulk_array_interleave */
function bulkInterleaved(
  state: BuddyState,
  gfp: number,
  policy: Mempolicy,
  slots: PageSlots,
  cpu: number,
): number {
  const nodes = Math.max(1, policy.nodes.length);
  const share = Math.floor(slots.length / nodes);
  let rest = slots.length - share * nodes;
  let done = 0;
  for (let i = 0; i < nodes; i++) {
    const wanted = share + (rest > 0 ? 1 : 0);
    if (rest > 0) rest--;
    // Slots that are in use already are counted, as in any bulk request.
    const part = Array.from(slots.slice(done, done + wanted));
    const node = interleaveNode(policy, state.model.cpuNode[cpu]);
    const got = allocPagesBulkArray(state, gfp, node, null, part, cpu);
    for (let j = 0; j < wanted; j++) slots[done + j] = part[j];
    done += got;
  }
  return done;
}

/** @kernel alloc_pages_bulk_array_preferred_many */
function bulkPreferredMany(
  state: BuddyState,
  gfp: number,
  policy: Mempolicy,
  node: number,
  slots: PageSlots,
  cpu: number,
): number {
  const quiet = (gfp | Gfp.__GFP_NOWARN) & ~(Gfp.__GFP_DIRECT_RECLAIM | Gfp.__GFP_NOFAIL);
  const mask = nodemaskOf(state, policy.nodes);
  const got = allocPagesBulkArray(state, quiet, node, mask, slots, cpu);
  if (got === slots.length) return got;
  return allocPagesBulkArray(state, gfp, node, null, slots, cpu);
}
