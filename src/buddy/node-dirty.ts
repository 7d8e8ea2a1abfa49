import { NodeStatItem, ZoneStatItem } from '../mm/vm-items.ts';
import { globalNodeState, globalZoneState, nodeState, zoneState } from '../mm/vmstat.ts';
import { isPopulated } from '../mm/zone.ts';
import type { BuddyState } from './state.ts';

const { nr_inactive_file, nr_active_file, nr_dirty, nr_writeback } = NodeStatItem;

/** Pages of a node that may be dirty: free ones beyond the reserve, and page cache. @kernel node_dirtyable_memory */
function nodeDirtyableMemory(state: BuddyState, node: number): number {
  const { vmstat, model } = state;
  let free = 0;
  for (const zone of model.nodes[node].zones) {
    if (isPopulated(zone)) free += zoneState(vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES);
  }
  free -= Math.min(free, model.nodes[node].totalreservePages);
  const cache = nodeState(vmstat, node, nr_inactive_file) + nodeState(vmstat, node, nr_active_file);
  return free + cache;
}

/** The same for the whole machine. @kernel global_dirtyable_memory */
function globalDirtyableMemory(state: BuddyState): number {
  const { vmstat, model } = state;
  const free = globalZoneState(vmstat, ZoneStatItem.NR_FREE_PAGES);
  const cache = globalNodeState(vmstat, nr_inactive_file) + globalNodeState(vmstat, nr_active_file);
  return Math.max(1, free - Math.min(free, model.totalreservePages) + cache);
}

/** Dirty pages that a node may hold. @kernel node_dirty_limit (spec buddy 4.18 step 2) */
export function nodeDirtyLimit(state: BuddyState, node: number): number {
  const dirtyable = nodeDirtyableMemory(state, node);
  const { dirtyBytes, dirtyRatio } = state;
  const limit =
    dirtyBytes > 0
      ? Math.floor((Math.ceil(dirtyBytes / 4096) * dirtyable) / globalDirtyableMemory(state))
      : Math.floor((dirtyRatio * dirtyable) / 100);
  return state.task.rtTask ? limit + Math.floor(limit / 4) : limit;
}

/** Whether a node has room for more dirty pages. @kernel node_dirty_ok (spec buddy 4.18 step 2) */
export function nodeDirtyOk(state: BuddyState, node: number): boolean {
  const { vmstat } = state;
  const dirty = nodeState(vmstat, node, nr_dirty) + nodeState(vmstat, node, nr_writeback);
  return dirty <= nodeDirtyLimit(state, node);
}
