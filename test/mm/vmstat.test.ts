// covers: src/mm/vm-items.ts src/mm/vmstat.ts
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  NODE_STAT_NAMES,
  NodeStatItem,
  NR_VM_ZONE_STAT_ITEMS,
  NUMA_STAT_NAMES,
  VM_EVENT_NAMES,
  VmEvent,
  ZONE_STAT_NAMES,
  ZoneStatItem,
} from '../../src/mm/vm-items.ts';
import * as stat from '../../src/mm/vmstat.ts';

const { NR_FREE_PAGES } = ZoneStatItem;

describe('names', () => {
  test('stand at the places of their items', () => {
    expect(ZONE_STAT_NAMES).toHaveLength(NR_VM_ZONE_STAT_ITEMS);
    expect(ZONE_STAT_NAMES[NR_FREE_PAGES]).toBe('nr_free_pages');
    expect(NODE_STAT_NAMES[NodeStatItem.nr_inactive_file]).toBe('nr_inactive_file');
    expect(VM_EVENT_NAMES[VmEvent.pgfree]).toBe('pgfree');
    expect(NUMA_STAT_NAMES).toHaveLength(6);
    expect(new Set(VM_EVENT_NAMES).size).toBe(VM_EVENT_NAMES.length);
  });
});

describe('thresholds (spec buddy 4.33)', () => {
  test.each([
    [1, [2, 4, 6, 8, 10, 12]],
    [4, [6, 12, 18, 24, 30, 36]],
    [16, [10, 20, 30, 40, 50, 60]],
  ])('%d CPUs', (cpus, expected) => {
    const managed = [3840, 40000, 65536, 131072, 262144, 1000000];
    expect(managed.map((pages) => stat.normalThreshold(pages, cpus))).toEqual(expected);
  });

  test('end at 125; under pressure they follow the distance of the watermarks', () => {
    expect(stat.normalThreshold(2 ** 29, 4096)).toBe(125);
    expect(stat.pressureThreshold(3, 2)).toBe(1);
    expect(stat.pressureThreshold(0, 4)).toBe(1);
    expect(stat.pressureThreshold(765, 2)).toBe(125);
  });
});

describe('zone counters', () => {
  test('keep small differences per CPU; reads without them lag', () => {
    const vm = new stat.Vmstat(2, 1, 1);
    vm.zoneThreshold.fill(10);
    stat.modZoneState(vm, 0, 0, NR_FREE_PAGES, 10);
    stat.modZoneState(vm, 1, 0, NR_FREE_PAGES, -4);
    expect(stat.zoneState(vm, 0, NR_FREE_PAGES)).toBe(0);
    expect(stat.zoneStateSnapshot(vm, 0, NR_FREE_PAGES)).toBe(6);
    stat.modZoneState(vm, 0, 0, NR_FREE_PAGES, 1);
    expect(stat.zoneState(vm, 0, NR_FREE_PAGES)).toBe(11);
    expect(stat.globalZoneState(vm, NR_FREE_PAGES)).toBe(11);
    expect(stat.zoneStateSnapshot(vm, 0, NR_FREE_PAGES)).toBe(7);
  });

  test('read negative values as 0', () => {
    const vm = new stat.Vmstat(1, 1, 1);
    stat.modZoneState(vm, 0, 0, NR_FREE_PAGES, -3);
    stat.modNodeState(vm, 0, 0, 0, -3);
    expect(stat.zoneState(vm, 0, NR_FREE_PAGES)).toBe(0);
    expect(stat.zoneStateSnapshot(vm, 0, NR_FREE_PAGES)).toBe(0);
    expect(stat.globalZoneState(vm, NR_FREE_PAGES)).toBe(0);
    expect(stat.nodeState(vm, 0, 0)).toBe(0);
    expect(stat.globalNodeState(vm, 0)).toBe(0);
  });

  test('RECLAIM-6: no difference exceeds its threshold, and nothing is lost', () => {
    const update = fc.record({
      cpu: fc.nat(2),
      zone: fc.nat(3),
      delta: fc.integer({ min: -600, max: 600 }),
    });
    fc.assert(
      fc.property(fc.nat(125), fc.array(update), (threshold, updates) => {
        const vm = new stat.Vmstat(3, 4, 2);
        vm.zoneThreshold.fill(threshold);
        vm.nodeThreshold.fill(threshold);
        const exact = [0, 0, 0, 0];
        for (const { cpu, zone, delta } of updates) {
          stat.modZoneState(vm, cpu, zone, NR_FREE_PAGES, delta);
          stat.modNodeState(vm, cpu, zone >> 1, 5, delta);
          exact[zone] += delta;
        }
        expect(vm.zoneDiff.every((diff) => Math.abs(diff) <= threshold)).toBe(true);
        for (let cpu = 0; cpu < 3; cpu++) {
          for (let zone = 0; zone < 4; zone++) stat.foldZoneStats(vm, cpu, zone);
          for (let node = 0; node < 2; node++) stat.foldNodeStats(vm, cpu, node);
        }
        const items = NR_VM_ZONE_STAT_ITEMS;
        expect(exact.map((_, zone) => vm.zone[zone * items + NR_FREE_PAGES])).toEqual(exact);
        expect(vm.node[5]).toBe(exact[0] + exact[1]);
        expect(vm.zoneDiff.every((diff) => diff === 0)).toBe(true);
      }),
    );
  });

  test('folding tells how many counters changed', () => {
    const vm = new stat.Vmstat(1, 1, 1);
    vm.zoneThreshold.fill(5);
    stat.modZoneState(vm, 0, 0, 1, 2);
    stat.modZoneState(vm, 0, 0, 3, -1);
    expect(stat.foldZoneStats(vm, 0, 0)).toBe(2);
    expect(stat.foldZoneStats(vm, 0, 0)).toBe(0);
  });
});

describe('events', () => {
  test('are sums over CPUs without thresholds', () => {
    const vm = new stat.Vmstat(2, 2, 1);
    stat.countVmEvents(vm, 0, VmEvent.pgfree, 3);
    stat.countVmEvents(vm, 1, VmEvent.pgfree, 4);
    stat.countNumaEvents(vm, 0, 1, 2, 5);
    stat.countNumaEvents(vm, 1, 1, 2, 6);
    expect(stat.vmEvent(vm, VmEvent.pgfree)).toBe(7);
    expect(stat.zoneNumaEvent(vm, 1, 2)).toBe(11);
    expect(stat.zoneNumaEvent(vm, 0, 2)).toBe(0);
  });
});

test('a snapshot is a copy that restores everything', () => {
  const vm = new stat.Vmstat(2, 2, 2);
  vm.zoneThreshold.fill(50);
  stat.modZoneState(vm, 1, 1, 0, 20);
  stat.modNodeState(vm, 1, 1, 0, 20);
  stat.countVmEvents(vm, 0, 3, 9);
  stat.countNumaEvents(vm, 0, 0, 1, 2);
  const snapshot = structuredClone(vm.snapshot());
  stat.modZoneState(vm, 1, 1, 0, 1000);
  stat.countVmEvents(vm, 0, 3, 9);
  const other = new stat.Vmstat(2, 2, 2);
  other.restore(snapshot);
  expect(other.snapshot()).toEqual(snapshot);
  expect(vm.snapshot()).not.toEqual(snapshot);
});
