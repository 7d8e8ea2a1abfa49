import { NumaStatItem } from '../mm/vm-items.ts';
import { countNumaEvents } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import type { BuddyState } from './state.ts';

/**
 * Counts where pages came from and where they were wanted.
 * @param preferred the zone that was preferred
 * @param zone the zone that gave them
 * @param count number of requests served
 * @kernel zone_statistics (spec buddy 4.33)
 */
export function zoneStatistics(
  state: BuddyState,
  preferred: Zone,
  zone: Zone,
  cpu: number,
  count: number,
): void {
  const { vmstat, model } = state;
  if (model.tunables.numaStat === 0) return;
  if (zone.node === preferred.node) {
    countNumaEvents(vmstat, cpu, zone.id, NumaStatItem.NUMA_HIT, count);
  } else {
    countNumaEvents(vmstat, cpu, zone.id, NumaStatItem.NUMA_MISS, count);
    countNumaEvents(vmstat, cpu, preferred.id, NumaStatItem.NUMA_FOREIGN, count);
  }
  const local = zone.node === model.cpuNode[cpu];
  const item = local ? NumaStatItem.NUMA_LOCAL : NumaStatItem.NUMA_OTHER;
  countNumaEvents(vmstat, cpu, zone.id, item, count);
}
