import { fls } from '../lib/bits.ts';
import {
  NR_VM_EVENT_ITEMS,
  NR_VM_NODE_STAT_ITEMS,
  NR_VM_NUMA_EVENT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
} from './vm-items.ts';

/** Largest difference that a CPU keeps to itself. */
const STAT_THRESHOLD_MAX = 125;

/** Plain copy of all counters. */
export interface VmstatSnapshot {
  /** Zone counters, `zone * NR_VM_ZONE_STAT_ITEMS + item`. */
  readonly zone: Int32Array;
  /** Differentials, `(cpu * zones + zone) * NR_VM_ZONE_STAT_ITEMS + item`. */
  readonly zoneDiff: Int8Array;
  /** Thresholds, `cpu * zones + zone`. */
  readonly zoneThreshold: Uint8Array;
  /** Node counters, `node * NR_VM_NODE_STAT_ITEMS + item`. */
  readonly node: Float64Array;
  /** Differentials, `(cpu * nodes + node) * NR_VM_NODE_STAT_ITEMS + item`. */
  readonly nodeDiff: Int8Array;
  /** Thresholds, `cpu * nodes + node`. */
  readonly nodeThreshold: Uint8Array;
  /** NUMA events, `(cpu * zones + zone) * NR_VM_NUMA_EVENT_ITEMS + item`. */
  readonly numa: Float64Array;
  /** VM events, `cpu * NR_VM_EVENT_ITEMS + item`. */
  readonly events: Float64Array;
}

/**
 * The kernel's counters: per zone and per node a global value, per CPU a small signed difference and
 * a threshold. Watermark checks read the global value only, so the drift is visible in results.
 * Whole-system totals are the sums over zones or nodes, because both move at the same moments.
 *
 * @kernel vm_zone_stat, vm_node_stat, vm_event_states (spec reclaim 4.1, buddy 4.33)
 */
export class Vmstat {
  /** Simulated CPUs. */
  readonly cpuCount: number;
  /** Zones, empty ones included. */
  readonly zoneCount: number;
  /** Nodes. */
  readonly nodeCount: number;
  /** Zone counters, `zone * NR_VM_ZONE_STAT_ITEMS + item`. */
  readonly zone: Int32Array;
  /** Differentials, `(cpu * zoneCount + zone) * NR_VM_ZONE_STAT_ITEMS + item`. */
  readonly zoneDiff: Int8Array;
  /** Thresholds, `cpu * zoneCount + zone`; 0 until first computed: every update is immediate. */
  readonly zoneThreshold: Uint8Array;
  /** Node counters, `node * NR_VM_NODE_STAT_ITEMS + item`; sums of events go beyond 2^31. */
  readonly node: Float64Array;
  /** Differentials, `(cpu * nodeCount + node) * NR_VM_NODE_STAT_ITEMS + item`. */
  readonly nodeDiff: Int8Array;
  /** Thresholds, `cpu * nodeCount + node`. */
  readonly nodeThreshold: Uint8Array;
  /** NUMA events, `(cpu * zoneCount + zone) * NR_VM_NUMA_EVENT_ITEMS + item`. */
  readonly numa: Float64Array;
  /** VM events, `cpu * NR_VM_EVENT_ITEMS + item`. */
  readonly events: Float64Array;

  constructor(cpuCount: number, zoneCount: number, nodeCount: number) {
    this.cpuCount = cpuCount;
    this.zoneCount = zoneCount;
    this.nodeCount = nodeCount;
    this.zone = new Int32Array(zoneCount * NR_VM_ZONE_STAT_ITEMS);
    this.zoneDiff = new Int8Array(cpuCount * zoneCount * NR_VM_ZONE_STAT_ITEMS);
    this.zoneThreshold = new Uint8Array(cpuCount * zoneCount);
    this.node = new Float64Array(nodeCount * NR_VM_NODE_STAT_ITEMS);
    this.nodeDiff = new Int8Array(cpuCount * nodeCount * NR_VM_NODE_STAT_ITEMS);
    this.nodeThreshold = new Uint8Array(cpuCount * nodeCount);
    this.numa = new Float64Array(cpuCount * zoneCount * NR_VM_NUMA_EVENT_ITEMS);
    this.events = new Float64Array(cpuCount * NR_VM_EVENT_ITEMS);
  }

  /** Plain data to `restore` later. */
  snapshot(): VmstatSnapshot {
    return {
      zone: this.zone.slice(),
      zoneDiff: this.zoneDiff.slice(),
      zoneThreshold: this.zoneThreshold.slice(),
      node: this.node.slice(),
      nodeDiff: this.nodeDiff.slice(),
      nodeThreshold: this.nodeThreshold.slice(),
      numa: this.numa.slice(),
      events: this.events.slice(),
    };
  }

  /** Takes back what `snapshot` gave; of a model with as many CPUs, zones and nodes. */
  restore(from: VmstatSnapshot): void {
    this.zone.set(from.zone);
    this.zoneDiff.set(from.zoneDiff);
    this.zoneThreshold.set(from.zoneThreshold);
    this.node.set(from.node);
    this.nodeDiff.set(from.nodeDiff);
    this.nodeThreshold.set(from.nodeThreshold);
    this.numa.set(from.numa);
    this.events.set(from.events);
  }
}

/** Adds `delta` to a zone counter on a CPU. @kernel __mod_zone_page_state */
export function modZoneState(
  vm: Vmstat,
  cpu: number,
  zone: number,
  item: number,
  delta: number,
): void {
  const perCpu = cpu * vm.zoneCount + zone;
  const cell = perCpu * NR_VM_ZONE_STAT_ITEMS + item;
  const threshold = vm.zoneThreshold[perCpu];
  const difference = vm.zoneDiff[cell] + delta;
  if (difference > threshold || difference < -threshold) {
    vm.zone[zone * NR_VM_ZONE_STAT_ITEMS + item] += difference;
    vm.zoneDiff[cell] = 0;
  } else {
    vm.zoneDiff[cell] = difference;
  }
}

/**
 * Adds 1 to a zone counter on a CPU `count` times: what the threshold makes of single steps is not
 * what it makes of their sum.
 * @kernel __inc_zone_page_state
 */
export function modZoneStateByOne(
  vm: Vmstat,
  cpu: number,
  zone: number,
  item: number,
  count: number,
): void {
  const perCpu = cpu * vm.zoneCount + zone;
  const cell = perCpu * NR_VM_ZONE_STAT_ITEMS + item;
  const threshold = vm.zoneThreshold[perCpu];
  let left = count;
  if (vm.zoneDiff[cell] > threshold || vm.zoneDiff[cell] < -threshold) {
    // The threshold fell since the last update.
    modZoneState(vm, cpu, zone, item, 1);
    left--;
  }
  const difference = vm.zoneDiff[cell] + left;
  // From here on the difference is folded whenever it gets past the threshold.
  const folded = difference <= threshold ? 0 : difference - (difference % (threshold + 1));
  if (folded !== 0) vm.zone[zone * NR_VM_ZONE_STAT_ITEMS + item] += folded;
  vm.zoneDiff[cell] = difference - folded;
}

/** Adds `delta` to a node counter on a CPU. @kernel __mod_node_page_state */
export function modNodeState(
  vm: Vmstat,
  cpu: number,
  node: number,
  item: number,
  delta: number,
): void {
  const perCpu = cpu * vm.nodeCount + node;
  const cell = perCpu * NR_VM_NODE_STAT_ITEMS + item;
  const threshold = vm.nodeThreshold[perCpu];
  const difference = vm.nodeDiff[cell] + delta;
  if (difference > threshold || difference < -threshold) {
    vm.node[node * NR_VM_NODE_STAT_ITEMS + item] += difference;
    vm.nodeDiff[cell] = 0;
  } else {
    vm.nodeDiff[cell] = difference;
  }
}

/** A zone counter without the CPUs' differences, negative as 0. @kernel zone_page_state */
export function zoneState(vm: Vmstat, zone: number, item: number): number {
  const value = vm.zone[zone * NR_VM_ZONE_STAT_ITEMS + item];
  return value < 0 ? 0 : value;
}

/** A zone counter with all CPUs' differences, negative as 0. @kernel zone_page_state_snapshot */
export function zoneStateSnapshot(vm: Vmstat, zone: number, item: number): number {
  let value = vm.zone[zone * NR_VM_ZONE_STAT_ITEMS + item];
  for (let cpu = 0; cpu < vm.cpuCount; cpu++) {
    value += vm.zoneDiff[(cpu * vm.zoneCount + zone) * NR_VM_ZONE_STAT_ITEMS + item];
  }
  return value < 0 ? 0 : value;
}

/** A zone counter summed over all zones, without differences, negative as 0. @kernel global_zone_page_state */
export function globalZoneState(vm: Vmstat, item: number): number {
  let value = 0;
  for (let zone = 0; zone < vm.zoneCount; zone++) {
    value += vm.zone[zone * NR_VM_ZONE_STAT_ITEMS + item];
  }
  return value < 0 ? 0 : value;
}

/** A node counter without the CPUs' differences, negative as 0. @kernel node_page_state */
export function nodeState(vm: Vmstat, node: number, item: number): number {
  const value = vm.node[node * NR_VM_NODE_STAT_ITEMS + item];
  return value < 0 ? 0 : value;
}

/** A node counter summed over all nodes, without differences, negative as 0. @kernel global_node_page_state */
export function globalNodeState(vm: Vmstat, item: number): number {
  let value = 0;
  for (let node = 0; node < vm.nodeCount; node++) {
    value += vm.node[node * NR_VM_NODE_STAT_ITEMS + item];
  }
  return value < 0 ? 0 : value;
}

/** Adds `count` to a VM event on a CPU. @kernel __count_vm_events */
export function countVmEvents(vm: Vmstat, cpu: number, item: number, count: number): void {
  vm.events[cpu * NR_VM_EVENT_ITEMS + item] += count;
}

/** A VM event summed over all CPUs. @kernel all_vm_events */
export function vmEvent(vm: Vmstat, item: number): number {
  let sum = 0;
  for (let cpu = 0; cpu < vm.cpuCount; cpu++) sum += vm.events[cpu * NR_VM_EVENT_ITEMS + item];
  return sum;
}

/** Adds `count` to a NUMA event of a zone on a CPU. @kernel __count_numa_events */
export function countNumaEvents(
  vm: Vmstat,
  cpu: number,
  zone: number,
  item: number,
  count: number,
): void {
  vm.numa[(cpu * vm.zoneCount + zone) * NR_VM_NUMA_EVENT_ITEMS + item] += count;
}

/** A NUMA event of a zone, summed over all CPUs. @kernel zone_numa_event_state */
export function zoneNumaEvent(vm: Vmstat, zone: number, item: number): number {
  let sum = 0;
  for (let cpu = 0; cpu < vm.cpuCount; cpu++) {
    sum += vm.numa[(cpu * vm.zoneCount + zone) * NR_VM_NUMA_EVENT_ITEMS + item];
  }
  return sum;
}

/**
 * Threshold of a zone's counters in normal times.
 * @param managedPages managed pages of the zone
 * @param onlineCpus number of online CPUs
 * @kernel calculate_normal_threshold (spec reclaim 4.1)
 */
export function normalThreshold(managedPages: number, onlineCpus: number): number {
  const threshold = 2 * fls(onlineCpus) * (1 + fls(managedPages >> 15));
  return Math.min(STAT_THRESHOLD_MAX, threshold);
}

/**
 * Threshold of a zone's counters while kswapd works on its node.
 * @param minToLowPages low minus min watermark, pages
 * @kernel calculate_pressure_threshold (spec reclaim 4.1)
 */
export function pressureThreshold(minToLowPages: number, onlineCpus: number): number {
  return Math.min(STAT_THRESHOLD_MAX, Math.max(1, Math.floor(minToLowPages / onlineCpus)));
}

/**
 * Moves all differences of one CPU and zone to the global values.
 * @returns how many counters changed
 * @kernel refresh_cpu_vm_stats, zone part (spec buddy 4.33)
 */
export function foldZoneStats(vm: Vmstat, cpu: number, zone: number): number {
  const from = (cpu * vm.zoneCount + zone) * NR_VM_ZONE_STAT_ITEMS;
  const to = zone * NR_VM_ZONE_STAT_ITEMS;
  let changed = 0;
  for (let item = 0; item < NR_VM_ZONE_STAT_ITEMS; item++) {
    const difference = vm.zoneDiff[from + item];
    if (difference === 0) continue;
    vm.zone[to + item] += difference;
    vm.zoneDiff[from + item] = 0;
    changed++;
  }
  return changed;
}

/**
 * Moves all differences of one CPU and node to the global values.
 * @returns how many counters changed
 * @kernel refresh_cpu_vm_stats, node part (spec buddy 4.33)
 */
export function foldNodeStats(vm: Vmstat, cpu: number, node: number): number {
  const from = (cpu * vm.nodeCount + node) * NR_VM_NODE_STAT_ITEMS;
  const to = node * NR_VM_NODE_STAT_ITEMS;
  let changed = 0;
  for (let item = 0; item < NR_VM_NODE_STAT_ITEMS; item++) {
    const difference = vm.nodeDiff[from + item];
    if (difference === 0) continue;
    vm.node[to + item] += difference;
    vm.nodeDiff[from + item] = 0;
    changed++;
  }
  return changed;
}
