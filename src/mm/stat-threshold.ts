import { type MemoryModel, onlineCpus } from './memory-model.ts';
import { normalThreshold, pressureThreshold } from './vmstat.ts';
import { isPopulated, WatermarkIndex, type Zone } from './zone.ts';

/**
 * Sets the thresholds of all counters to their normal values, and the drift mark of every zone whose
 * counters could hide more pages than lie between its min and low watermark.
 * @param cpus CPUs online at this moment; at boot they come up one after another
 * @kernel refresh_zone_stat_thresholds (spec reclaim 4.1)
 */
export function refreshZoneStatThresholds(
  model: MemoryModel,
  cpus: readonly number[] = onlineCpus(model),
): void {
  const { vmstat } = model;
  vmstat.nodeThreshold.fill(0);
  for (const zone of model.zones) {
    if (!isPopulated(zone)) continue;
    const threshold = normalThreshold(zone.managedPages, cpus.length);
    setZoneThreshold(model, zone, threshold, cpus);
    for (const cpu of cpus) {
      const cell = cpu * vmstat.nodeCount + zone.node;
      vmstat.nodeThreshold[cell] = Math.max(vmstat.nodeThreshold[cell], threshold);
    }
    const maxDrift = cpus.length * threshold;
    if (maxDrift > minToLow(zone)) {
      zone.percpuDriftMark = zone.watermark[WatermarkIndex.WMARK_HIGH] + maxDrift;
    }
  }
}

/**
 * Sets the thresholds of a node's zones that have a drift mark: small ones while kswapd is awake,
 * normal ones when it goes to sleep.
 * @param node node id
 * @param pressure true for the values of a waking kswapd
 * @kernel set_pgdat_percpu_threshold (spec reclaim 4.1)
 */
export function setPgdatPercpuThreshold(model: MemoryModel, node: number, pressure: boolean): void {
  const { nrZones, zones } = model.nodes[node];
  const cpus = onlineCpus(model);
  for (let index = 0; index < nrZones; index++) {
    const zone = zones[index];
    if (zone.percpuDriftMark === 0) continue;
    const threshold = pressure
      ? pressureThreshold(minToLow(zone), cpus.length)
      : normalThreshold(zone.managedPages, cpus.length);
    setZoneThreshold(model, zone, threshold, cpus);
  }
}

function setZoneThreshold(
  { vmstat }: MemoryModel,
  zone: Zone,
  threshold: number,
  cpus: readonly number[],
): void {
  for (const cpu of cpus) {
    vmstat.zoneThreshold[cpu * vmstat.zoneCount + zone.id] = threshold;
  }
}

function minToLow({ watermark }: Zone): number {
  return watermark[WatermarkIndex.WMARK_LOW] - watermark[WatermarkIndex.WMARK_MIN];
}
