import { refreshZoneStatThresholds } from '../mm/stat-threshold.ts';
import { NR_VM_EVENT_ITEMS, NR_VM_NUMA_EVENT_ITEMS } from '../mm/vm-items.ts';
import { foldNodeStats, foldZoneStats } from '../mm/vmstat.ts';
import { zonePcpUpdate } from '../mm/watermark-setup.ts';
import { isPopulated } from '../mm/zone.ts';
import { drainPages } from './drain.ts';
import type { BuddyState } from './state.ts';

/**
 * Clears away what a CPU that went offline leaves: its page lists, its events, its differences. Then
 * the page lists of the others are sized anew, and the thresholds of their counters.
 * @param dead the CPU that is gone
 * @param cpu the CPU that does it
 * @kernel page_alloc_cpu_dead, vmstat_cpu_dead (spec buddy 4.29, reclaim 4.1)
 */
export function cpuDead(state: BuddyState, dead: number, cpu: number): void {
  const { model, vmstat } = state;
  drainPages(state, dead, cpu);
  const { events, numa } = vmstat;
  for (let item = 0; item < NR_VM_EVENT_ITEMS; item++) {
    events[cpu * NR_VM_EVENT_ITEMS + item] += events[dead * NR_VM_EVENT_ITEMS + item];
    events[dead * NR_VM_EVENT_ITEMS + item] = 0;
  }
  const row = vmstat.zoneCount * NR_VM_NUMA_EVENT_ITEMS;
  for (let item = 0; item < row; item++) {
    numa[cpu * row + item] += numa[dead * row + item];
    numa[dead * row + item] = 0;
  }
  for (const zone of state.zones) foldZoneStats(vmstat, dead, zone.id);
  for (const node of model.nodes) {
    foldNodeStats(vmstat, dead, node.id);
    node.cpus = node.cpus.filter((of) => of !== dead);
  }
  for (const zone of state.zones) if (isPopulated(zone)) zonePcpUpdate(model, zone, 0);
  refreshZoneStatThresholds(model);
}

/**
 * Sizes the page lists for a CPU that is being brought up, which then joins its node's mask; the
 * thresholds of the counters follow from the number of CPUs.
 * @kernel page_alloc_cpu_online, vmstat_cpu_online (spec buddy 4.30, reclaim 4.1)
 */
export function cpuOnline(state: BuddyState, cpu: number): void {
  const { model } = state;
  for (const zone of state.zones) if (isPopulated(zone)) zonePcpUpdate(model, zone, 1);
  const node = model.nodes[model.cpuNode[cpu]];
  if (!node.cpus.includes(cpu)) node.cpus = [...node.cpus, cpu].sort((a, b) => a - b);
  refreshZoneStatThresholds(model);
}
