import { ArgumentError } from '../lib/errors.ts';
import { type MemoryModel, onlineZones } from '../mm/memory-model.ts';
import {
  NODE_STAT_NAMES,
  NodeStatItem,
  NUMA_STAT_NAMES,
  shownNodeStat,
  VM_EVENT_NAMES,
  VmEvent,
  ZONE_STAT_NAMES,
  ZoneStatItem,
} from '../mm/vm-items.ts';
import { globalNodeState, globalZoneState, vmEvent, zoneNumaEvent } from '../mm/vmstat.ts';
import { WatermarkIndex, wmarkPages } from '../mm/zone.ts';

/** Limits of dirty pages, which the host's write-back decides about. */
export interface DirtyLimits {
  /** Pages above which writers wait. Default 0. */
  readonly threshold?: number;
  /** Pages above which the flusher runs. Default 0. */
  readonly background?: number;
}

/**
 * `/proc/vmstat`: counters of all zones and nodes, then the events that the model counts.
 * @param limits limits of dirty pages
 * @kernel vmstat_show (spec reclaim 5.3)
 */
export function formatVmstat(model: MemoryModel, limits: DirtyLimits = {}): string {
  const { vmstat } = model;
  const lines: [string, number][] = [];
  ZONE_STAT_NAMES.forEach((name, item) => {
    lines.push([name, globalZoneState(vmstat, item)]);
  });
  NUMA_STAT_NAMES.forEach((name, item) => {
    const events = model.zones.map((zone) => zoneNumaEvent(vmstat, zone.id, item));
    lines.push([name, events.reduce((sum, count) => sum + count, 0)]);
  });
  for (const name of NODE_STAT_NAMES) {
    lines.push([name, shownNodeStat(name, globalNodeState(vmstat, NodeStatItem[name]))]);
  }
  lines.push(['nr_dirty_threshold', limits.threshold ?? 0]);
  lines.push(['nr_dirty_background_threshold', limits.background ?? 0]);
  for (const name of VM_EVENT_NAMES) lines.push([name, vmEvent(vmstat, VmEvent[name])]);
  lines.push(['nr_unstable', 0]);
  return lines.map(([name, value]) => `${name} ${value}\n`).join('');
}

/**
 * Reads a text of `/proc/vmstat`, of this model or of a real machine.
 * @returns values by name, in the order of the text
 * @throws ArgumentError `BAD_ARGUMENT` for a line that is not a name and a number
 */
export function parseVmstat(text: string): ReadonlyMap<string, number> {
  const values = new Map<string, number>();
  text.split('\n').forEach((line, index) => {
    if (line === '') return;
    const match = /^(\w+) (\d+)$/.exec(line);
    if (match === null || values.has(match[1])) {
      const message = `line ${index + 1} of vmstat is not a new name and a number: ${line}`;
      throw new ArgumentError(message, { line: index + 1, text: line });
    }
    values.set(match[1], Number(match[2]));
  });
  return values;
}

/**
 * Pages that programs could get without swapping: MemAvailable of `/proc/meminfo`.
 * @kernel si_mem_available (spec reclaim 5.3)
 */
export function siMemAvailable(model: MemoryModel): number {
  const { vmstat } = model;
  const node = (item: number): number => globalNodeState(vmstat, item);
  const low = onlineZones(model).reduce(
    (sum, zone) => sum + wmarkPages(zone, WatermarkIndex.WMARK_LOW),
    0,
  );
  const withoutReserve = (pages: number): number => pages - Math.min(Math.floor(pages / 2), low);
  const cache = node(NodeStatItem.nr_active_file) + node(NodeStatItem.nr_inactive_file);
  const slab =
    node(NodeStatItem.nr_slab_reclaimable) + node(NodeStatItem.nr_kernel_misc_reclaimable);
  const free = globalZoneState(vmstat, ZoneStatItem.NR_FREE_PAGES) - model.totalreservePages;
  return Math.max(0, free + withoutReserve(cache) + withoutReserve(slab));
}
