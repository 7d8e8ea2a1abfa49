import { Gfp, gfpZone } from '../mm/gfp.ts';
import { NodeStatItem, VmEvent } from '../mm/vm-items.ts';
import { countVmEvents, nodeState } from '../mm/vmstat.ts';
import {
  LruList,
  NODE_RECLAIM_PRIORITY,
  NodeReclaimMode,
  NodeReclaimResult,
  PgdatFlag,
  SWAP_CLUSTER_MAX,
} from './constants.ts';
import { currentGfpContext } from './direct.ts';
import { lruNodeSize } from './lru.ts';
import { ScanControl } from './scan-control.ts';
import { shrinkNode } from './shrink-node.ts';
import type { ReclaimState } from './state.ts';

/**
 * Reclaims page cache of a node before a request goes to another one, as far as
 * `vm.zone_reclaim_mode` allows. The caller has checked that the mode is on.
 * @param node node id
 * @param gfp mask of the request
 * @param order order of the request
 * @param cpu the CPU that asks
 * @returns a `NodeReclaimResult`
 * @kernel node_reclaim (spec reclaim 4.29)
 */
export function nodeReclaim(
  state: ReclaimState,
  node: number,
  gfp: number,
  order: number,
  cpu: number,
): number {
  const { model, pgdatFlags, task } = state;
  if (!worthReclaiming(state, node)) return NodeReclaimResult.NODE_RECLAIM_FULL;
  if ((gfp & Gfp.__GFP_DIRECT_RECLAIM) === 0 || task.pfMemalloc) {
    return NodeReclaimResult.NODE_RECLAIM_NOSCAN;
  }
  if (model.nodes[node].cpus.length > 0 && model.cpuNode[cpu] !== node) {
    return NodeReclaimResult.NODE_RECLAIM_NOSCAN;
  }
  if ((pgdatFlags[node] & PgdatFlag.PGDAT_RECLAIM_LOCKED) !== 0) {
    return NodeReclaimResult.NODE_RECLAIM_NOSCAN;
  }
  pgdatFlags[node] |= PgdatFlag.PGDAT_RECLAIM_LOCKED;
  try {
    return doNodeReclaim(state, node, gfp, order, cpu);
  } finally {
    pgdatFlags[node] &= ~PgdatFlag.PGDAT_RECLAIM_LOCKED;
  }
}

function doNodeReclaim(
  state: ReclaimState,
  node: number,
  gfp: number,
  order: number,
  cpu: number,
): number {
  const { model, task, trace, vm } = state;
  const pages = 1 << order;
  const mode = model.tunables.nodeReclaimMode;
  const sc = new ScanControl();
  sc.nrToReclaim = Math.max(pages, SWAP_CLUSTER_MAX);
  sc.gfpMask = currentGfpContext(state, gfp);
  sc.order = order;
  sc.priority = NODE_RECLAIM_PRIORITY;
  sc.mayWritepage = (mode & NodeReclaimMode.RECLAIM_WRITE) !== 0;
  sc.mayUnmap = (mode & NodeReclaimMode.RECLAIM_UNMAP) !== 0;
  sc.maySwap = true;
  sc.reclaimIdx = gfpZone(gfp);
  trace?.mmVmscanNodeReclaimBegin?.(node, order, sc.gfpMask);
  const hadMemalloc = task.pfMemalloc;
  task.pfMemalloc = true;
  state.reclaimState.reclaimedSlab = 0;
  try {
    do {
      shrinkNode(state, node, sc, cpu);
    } while (sc.nrReclaimed < pages && --sc.priority >= 0);
  } finally {
    task.pfMemalloc = hadMemalloc;
  }
  trace?.mmVmscanNodeReclaimEnd?.(sc.nrReclaimed);
  if (sc.nrReclaimed >= pages) return NodeReclaimResult.NODE_RECLAIM_SUCCESS;
  countVmEvents(vm, cpu, VmEvent.zone_reclaim_failed, 1);
  return NodeReclaimResult.NODE_RECLAIM_SOME;
}

/** Whether the node has more unmapped page cache or reclaimable slab than its limits say. */
function worthReclaiming(state: ReclaimState, nodeId: number): boolean {
  const node = state.model.nodes[nodeId];
  const slab = nodeState(state.vm, nodeId, NodeStatItem.nr_slab_reclaimable);
  return pagecacheReclaimable(state, nodeId) > node.minUnmappedPages || slab > node.minSlabPages;
}

/** Page cache that node reclaim may take. @kernel node_pagecache_reclaimable (spec reclaim 4.29) */
function pagecacheReclaimable(state: ReclaimState, node: number): number {
  const { model, vm } = state;
  const mode = model.tunables.nodeReclaimMode;
  let pages = 0;
  if ((mode & NodeReclaimMode.RECLAIM_UNMAP) !== 0) {
    pages = nodeState(vm, node, NodeStatItem.nr_file_pages);
  } else {
    const lru =
      lruNodeSize(state, node, LruList.LRU_INACTIVE_FILE) +
      lruNodeSize(state, node, LruList.LRU_ACTIVE_FILE);
    pages = Math.max(0, lru - nodeState(vm, node, NodeStatItem.nr_mapped));
  }
  if ((mode & NodeReclaimMode.RECLAIM_WRITE) === 0) {
    pages -= Math.min(nodeState(vm, node, NodeStatItem.nr_dirty), pages);
  }
  return pages;
}
