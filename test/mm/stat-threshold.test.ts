import { expect, test } from 'vitest';
import { refreshZoneStatThresholds, setPgdatPercpuThreshold } from '../../src/mm/stat-threshold.ts';
import { setupPerZoneWmarks } from '../../src/mm/watermark-setup.ts';
import { machineOf } from './support.ts';

const PC = '1-9f 100-c0000 100000-300000';
const E1 = { '0:0': 3840, '0:1': 765000, '0:2': 1280000 };

function machine(cpuNode = [0, 0]) {
  const model = machineOf(PC, E1, { cpuNode });
  model.tunables.minFreeKbytes = 11451;
  setupPerZoneWmarks(model);
  return model;
}

const thresholds = (model: ReturnType<typeof machine>, cpu: number) =>
  [0, 1, 2].map((zone) => model.vmstat.zoneThreshold[cpu * 4 + zone]);

test('kswapd awake: small thresholds, and normal ones again when it sleeps (spec reclaim E3)', () => {
  const model = machine();
  refreshZoneStatThresholds(model);
  model.zones[1].percpuDriftMark = 48;
  setPgdatPercpuThreshold(model, 0, true);
  expect(thresholds(model, 0)).toEqual([1, 125, 28]);
  expect(thresholds(model, 1)).toEqual([1, 125, 28]);
  setPgdatPercpuThreshold(model, 0, false);
  expect(thresholds(model, 1)).toEqual([4, 24, 28]);
  expect([...model.vmstat.nodeThreshold]).toEqual([28, 28]);
});

test('a mark is never cleared', () => {
  const model = machine();
  model.zones[2].percpuDriftMark = 56;
  refreshZoneStatThresholds(model);
  expect(model.zones[2].percpuDriftMark).toBe(56);
  expect(model.zones[0].percpuDriftMark).toBe(11 + 8);
});

test('a drift that just fits between min and low needs no mark', () => {
  const model = machine([0]);
  const [zone] = model.zones;
  zone.watermark.set([5, 7, 9, 11]);
  refreshZoneStatThresholds(model);
  expect(zone.percpuDriftMark).toBe(0);
  zone.watermark.set([5, 6, 7, 8]);
  refreshZoneStatThresholds(model);
  expect(zone.percpuDriftMark).toBe(7 + 2);
});

test('only CPUs that are online get thresholds', () => {
  const model = machine([0, 0, 0]);
  refreshZoneStatThresholds(model, [0, 1]);
  expect(thresholds(model, 1)).toEqual([4, 24, 28]);
  expect(thresholds(model, 2)).toEqual([0, 0, 0]);
});

test('empty zones get none; a node has the largest of its zones', () => {
  const model = machineOf('0:100-8000 1:8000-48000', {}, { cpuNode: [0, 1] });
  refreshZoneStatThresholds(model);
  expect(model.vmstat.zoneThreshold[2]).toBe(0);
  expect([...model.vmstat.nodeThreshold]).toEqual([4, 20, 4, 20]);
});
