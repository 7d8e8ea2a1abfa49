import { MAX_ORDER, NIL } from '../lib/units.ts';
import { Gfp, gfpMigratetype, gfpZone } from '../mm/gfp.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { inTask } from '../mm/task.ts';
import { ZonelistIndex } from '../mm/zone.ts';
import { AllocContext, nextZoneref } from './alloc-context.ts';
import { AllocFlag, allocFlagsNofragment, currentGfpContext } from './alloc-flags.ts';
import { shortSlowPath } from './short-slow-path.ts';
import type { BuddyState } from './state.ts';
import { getPageFromFreelist } from './zone-walk.ts';

/** The context for the request that begins now; give it back by lowering `state.depth`. */
export function enterContext(state: BuddyState): AllocContext {
  const { contexts } = state;
  const depth = state.depth++;
  if (depth === contexts.length) contexts.push(new AllocContext());
  return contexts[depth];
}

/** Nodemask of a list of nodes. */
export function nodemaskOf(state: BuddyState, nodes: readonly number[]): Uint8Array {
  const mask = new Uint8Array(state.model.nodes.length);
  for (const node of nodes) mask[node] = 1;
  return mask;
}

/**
 * Fills in a request: zones in order, type, first zone.
 * @param gfp the mask, scope flags applied
 * @param node preferred node
 * @param nodemask allowed nodes, null for all
 * @kernel prepare_alloc_pages (spec buddy 4.19 step 3)
 */
export function prepareAllocPages(
  state: BuddyState,
  ac: AllocContext,
  gfp: number,
  node: number,
  nodemask: Uint8Array | null,
): void {
  const thisNode = (gfp & Gfp.__GFP_THISNODE) !== 0;
  const which = thisNode ? ZonelistIndex.ZONELIST_NOFALLBACK : ZonelistIndex.ZONELIST_FALLBACK;
  const { model } = state;
  ac.highestZoneidx = gfpZone(gfp);
  ac.zonelist = model.nodes[node].zonelists[which];
  ac.nodemask = nodemask;
  ac.migratetype = model.mobilityDisabled ? Migratetype.MIGRATE_UNMOVABLE : gfpMigratetype(gfp);
  ac.spreadDirtyPages = (gfp & Gfp.__GFP_WRITE) !== 0;
  ac.preferredZoneref = nextZoneref(ac.zonelist, 0, ac.highestZoneidx, nodemask);
}

/**
 * Fills in a request and gives the flags of its first attempt. With cpusets in use, the task's nodes
 * replace a missing nodemask in task context, else the zone walk asks the cpuset.
 * @param gfp the mask, scope flags applied
 * @returns bits of `AllocFlag`, without NOFRAGMENT and KSWAPD
 */
export function prepareFastPath(
  state: BuddyState,
  ac: AllocContext,
  gfp: number,
  node: number,
  nodemask: Uint8Array | null,
): number {
  const { cpusets } = state;
  if (cpusets === null) {
    prepareAllocPages(state, ac, gfp, node, nodemask);
    return AllocFlag.ALLOC_WMARK_LOW;
  }
  const mask = gfp | Gfp.__GFP_HARDWALL;
  if (nodemask === null && inTask(state.task)) {
    prepareAllocPages(state, ac, mask, node, nodemaskOf(state, cpusets.memsAllowed()));
    return AllocFlag.ALLOC_WMARK_LOW;
  }
  prepareAllocPages(state, ac, mask, node, nodemask);
  return AllocFlag.ALLOC_WMARK_LOW | AllocFlag.ALLOC_CPUSET;
}

/**
 * Allocates a block: fast path, then slow path.
 * @param gfp the caller's mask
 * @param order log2 of the number of pages, 0 to 10
 * @param node preferred node
 * @param nodemask allowed nodes, null for all
 * @returns first page frame, -1 for none
 * @kernel __alloc_pages (spec buddy 4.19)
 */
export function allocPages(
  state: BuddyState,
  gfp: number,
  order: number,
  node: number,
  nodemask: Uint8Array | null,
  cpu: number,
): number {
  state.trace?.functionEntry?.('__alloc_pages', { gfp, order, preferred_nid: node, cpu });
  if (order >= MAX_ORDER) return refuseOrder(state, gfp, order);
  const mask = currentGfpContext(state, gfp & state.gfpAllowedMask);
  const fastMask = state.cpusets === null ? mask : mask | Gfp.__GFP_HARDWALL;
  const ac = enterContext(state);
  try {
    let flags = prepareFastPath(state, ac, mask, node, nodemask);
    let traced = fastMask;
    let pfn = NIL;
    if (ac.preferredZoneref < ac.zonelist.length) {
      const preferred = ac.zonelist[ac.preferredZoneref];
      flags |= allocFlagsNofragment(state, preferred, fastMask);
      pfn = getPageFromFreelist(state, fastMask, order, flags, ac, cpu);
    }
    if (pfn === NIL) {
      traced = mask;
      ac.spreadDirtyPages = false;
      ac.nodemask = nodemask;
      pfn =
        state.slowPath === null
          ? shortSlowPath(state, mask, order, ac, cpu)
          : state.slowPath.allocPagesSlowpath(mask, order, ac, cpu);
    }
    state.trace?.mmPageAlloc?.(pfn, order, traced, ac.migratetype);
    return pfn;
  } finally {
    state.depth--;
  }
}

/** No block is that large: the kernel says so once and gives nothing. */
function refuseOrder(state: BuddyState, gfp: number, order: number): number {
  if ((gfp & Gfp.__GFP_NOWARN) === 0 && !state.warnedOrder) {
    state.warnedOrder = true;
    state.log?.(`WARNING: allocation of order ${order}, orders go to ${MAX_ORDER - 1}`);
  }
  return NIL;
}
