import { NR_VM_NODE_STAT_ITEMS, NR_VM_ZONE_STAT_ITEMS } from '../mm/vm-items.ts';
import type { Vmstat } from '../mm/vmstat.ts';

/**
 * Adds 1 to a node counter `count` times, or takes 1 off: what as many single updates do, also to
 * the moments at which the difference is passed on, but in one go.
 * @param step 1 or -1
 */
export function stepNodeState(
  vm: Vmstat,
  cpu: number,
  node: number,
  item: number,
  step: number,
  count: number,
): void {
  const perCpu = cpu * vm.nodeCount + node;
  const cell = perCpu * NR_VM_NODE_STAT_ITEMS + item;
  const before = vm.nodeDiff[cell];
  const after = differenceAfter(before, step, count, vm.nodeThreshold[perCpu]);
  vm.nodeDiff[cell] = after;
  vm.node[node * NR_VM_NODE_STAT_ITEMS + item] += before + step * count - after;
}

/** The same for a zone counter. */
export function stepZoneState(
  vm: Vmstat,
  cpu: number,
  zone: number,
  item: number,
  step: number,
  count: number,
): void {
  const perCpu = cpu * vm.zoneCount + zone;
  const cell = perCpu * NR_VM_ZONE_STAT_ITEMS + item;
  const before = vm.zoneDiff[cell];
  const after = differenceAfter(before, step, count, vm.zoneThreshold[perCpu]);
  vm.zoneDiff[cell] = after;
  vm.zone[zone * NR_VM_ZONE_STAT_ITEMS + item] += before + step * count - after;
}

/**
 * The difference that a CPU keeps after `count` updates by `step`: every update that takes it beyond
 * the threshold passes it on and begins again at 0. (spec reclaim 4.1)
 */
function differenceAfter(before: number, step: number, count: number, threshold: number): number {
  if (count === 0) return before;
  // Seen in the direction of the steps, so that they count up.
  let difference = before * step;
  let left = count;
  if (difference + 1 < -threshold) {
    // A threshold that was lowered: the first update passes everything on.
    difference = 0;
    left--;
  }
  const room = Math.max(0, threshold - difference);
  if (left <= room) return (difference + left) * step;
  return ((left - room - 1) % (threshold + 1)) * step;
}
