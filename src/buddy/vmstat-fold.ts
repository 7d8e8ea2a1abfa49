import { pagesetIndex } from '../mm/pageset.ts';
import { NR_VM_NODE_STAT_ITEMS, NR_VM_ZONE_STAT_ITEMS } from '../mm/vm-items.ts';
import { foldNodeStats, foldZoneStats } from '../mm/vmstat.ts';
import { isPopulated } from '../mm/zone.ts';
import { drainZonePages } from './drain.ts';
import type { BuddyState } from './state.ts';

/** Folds until a quiet page set of a remote node is drained. */
const REMOTE_PAGESET_EXPIRE = 3;

/**
 * Moves what a CPU keeps to itself to the global counters, and lets the page sets of remote nodes
 * that it no longer uses run dry, a batch at a time.
 * @param doPagesets false when the CPU goes idle: then page sets are left alone
 * @returns number of counters that changed and page sets that were drained
 * @kernel refresh_cpu_vm_stats (spec buddy 4.33)
 */
export function refreshCpuVmStats(state: BuddyState, cpu: number, doPagesets: boolean): number {
  const { vmstat, pagesets, model } = state;
  let changes = 0;
  for (const zone of state.zones) {
    if (!isPopulated(zone)) continue;
    const cell = pagesetIndex(pagesets, cpu, zone.id);
    const folded = foldZoneStats(vmstat, cpu, zone.id);
    changes += folded;
    if (folded > 0) pagesets.expire[cell] = REMOTE_PAGESET_EXPIRE;
    if (!doPagesets || pagesets.expire[cell] === 0 || pagesets.count[cell] === 0) continue;
    if (zone.node === model.cpuNode[cpu]) {
      pagesets.expire[cell] = 0;
      continue;
    }
    pagesets.expire[cell]--;
    if (pagesets.expire[cell] > 0) continue;
    drainZonePages(state, zone, cpu, cpu);
    changes++;
  }
  for (const node of model.nodes) {
    if (node.online) changes += foldNodeStats(vmstat, cpu, node.id);
  }
  return changes;
}

/**
 * Whether a CPU keeps anything to itself: then the supervisor starts its periodic fold again.
 * @kernel need_update (spec buddy 4.33)
 */
export function needsVmstatUpdate({ vmstat }: BuddyState, cpu: number): boolean {
  const zones = cpu * vmstat.zoneCount * NR_VM_ZONE_STAT_ITEMS;
  const nodes = cpu * vmstat.nodeCount * NR_VM_NODE_STAT_ITEMS;
  const isNonzero = (difference: number): boolean => difference !== 0;
  return (
    vmstat.zoneDiff
      .subarray(zones, zones + vmstat.zoneCount * NR_VM_ZONE_STAT_ITEMS)
      .some(isNonzero) ||
    vmstat.nodeDiff
      .subarray(nodes, nodes + vmstat.nodeCount * NR_VM_NODE_STAT_ITEMS)
      .some(isNonzero)
  );
}
