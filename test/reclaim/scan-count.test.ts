// covers: src/reclaim/scan-count.ts src/reclaim/scan-control.ts
import { describe, expect, test } from 'vitest';
import { NodeStatItem, type NodeStatName, ZoneStatItem } from '../../src/mm/vm-items.ts';
import { modNodeState, modZoneState } from '../../src/mm/vmstat.ts';
import { LruKind } from '../../src/reclaim/constants.ts';
import { clearPassCounts, ScanControl } from '../../src/reclaim/scan-control.ts';
import { getScanCount, inactiveIsLow, prepareScanCount } from '../../src/reclaim/scan-count.ts';
import { World } from './support.ts';

const LRU_STATS: readonly NodeStatName[] = [
  'nr_inactive_anon',
  'nr_active_anon',
  'nr_inactive_file',
  'nr_active_file',
];

/** A node whose counters say that its four lists have these sizes; the lists stay empty. */
function sized(sizes: readonly number[], swapPages = 0): World {
  const world = new World({ swapPages, checks: 'basic' });
  sizes.forEach((pages, lru) => {
    const item = NodeStatItem[LRU_STATS[lru]];
    modNodeState(world.model.vmstat, 0, 0, item, pages);
    modZoneState(world.model.vmstat, 0, 2, ZoneStatItem.NR_ZONE_INACTIVE_ANON + lru, pages);
  });
  return world;
}

function counts(world: World, change: Partial<ScanControl>): number[] {
  const sc = Object.assign(new ScanControl(), { maySwap: true }, change);
  const nr = new Float64Array(4);
  getScanCount(world.state, 0, sc, nr);
  return [...nr];
}

describe('scan counts (spec 4.19)', () => {
  const SIZES = [8000, 4000, 4000, 12000];

  test('E5: shares by cost', () => {
    const world = sized(SIZES, 10);
    const costs = { anonCost: 100, fileCost: 300 };
    expect(counts(world, { priority: 6, ...costs })).toEqual([46, 23, 38, 116]);
    expect(counts(world, { priority: 6 })).toEqual([37, 18, 43, 130]);
  });

  test('E5: swappiness 0 and 200', () => {
    const world = sized(SIZES, 10);
    world.model.tunables.swappiness = 0;
    expect(counts(world, { priority: 6 })).toEqual([0, 0, 62, 187]);
    world.model.tunables.swappiness = 200;
    expect(counts(world, { priority: 6 })).toEqual([125, 62, 0, 0]);
  });

  test('which balance comes first', () => {
    const world = sized(SIZES, 10);
    const file = [0, 0, 4000, 12000];
    const all = [8000, 4000, 4000, 12000];
    const anon = [8000, 4000, 0, 0];
    const scaled = (nr: readonly number[], priority: number): number[] =>
      nr.map((pages) => pages >> priority);
    expect(counts(world, { priority: 0, maySwap: false })).toEqual(file);
    expect(counts(world, { priority: 0, fileIsTiny: true })).toEqual(all);
    world.model.tunables.swappiness = 0;
    expect(counts(world, { priority: 0, fileIsTiny: true })).toEqual(anon);
    world.model.tunables.swappiness = 60;
    expect(counts(world, { priority: 3, fileIsTiny: true, cacheTrimMode: true })).toEqual(
      scaled(anon, 3),
    );
    expect(counts(world, { priority: 3, cacheTrimMode: true })).toEqual(scaled(file, 3));
    expect(counts(sized(SIZES), { priority: 3, fileIsTiny: true })).toEqual(scaled(file, 3));
  });
});

describe('what a pass may do (spec 4.18)', () => {
  test('deactivation follows from refaults or from a short inactive list', () => {
    const world = sized([5, 5, 5, 6], 10);
    const sc = new ScanControl();
    prepareScanCount(world.state, 0, sc);
    expect(sc.mayDeactivate).toBe(2);
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem.workingset_activate_anon, 1);
    prepareScanCount(world.state, 0, sc);
    expect(sc.mayDeactivate).toBe(3);
    world.reclaim.snapshotRefaults(0);
    prepareScanCount(world.state, 0, sc);
    expect(sc.mayDeactivate).toBe(2);
    const even = sized([5, 5, 6, 6]);
    sc.mayDeactivate = 0;
    prepareScanCount(even.state, 0, sc);
    expect(sc.mayDeactivate).toBe(0);
    sc.forceDeactivate = true;
    prepareScanCount(even.state, 0, sc);
    expect(sc.mayDeactivate).toBe(3);
  });

  test('costs are copied', () => {
    const world = sized([1, 1, 1, 1]);
    world.state.anonCost[0] = 3;
    world.state.fileCost[0] = 4;
    const sc = new ScanControl();
    prepareScanCount(world.state, 0, sc);
    expect([sc.anonCost, sc.fileCost]).toEqual([3, 4]);
  });

  test('cache trim mode needs inactive file pages at this priority', () => {
    const world = sized([0, 0, 64, 10]);
    const sc = new ScanControl();
    sc.priority = 6;
    prepareScanCount(world.state, 0, sc);
    expect(sc.cacheTrimMode).toBe(true);
    sc.priority = 7;
    prepareScanCount(world.state, 0, sc);
    expect(sc.cacheTrimMode).toBe(false);
    sc.priority = 6;
    sc.forceDeactivate = true;
    prepareScanCount(world.state, 0, sc);
    expect(sc.cacheTrimMode).toBe(false);
  });

  test('page cache is tiny below the high watermarks, if there are inactive anonymous pages', () => {
    const world = sized([64, 1, 10, 10], 10);
    const zone = world.zone();
    const tiny = (): boolean => {
      const sc = new ScanControl();
      sc.priority = 6;
      prepareScanCount(world.state, 0, sc);
      return sc.fileIsTiny;
    };
    // 20 file pages and 4096 free ones.
    zone.watermark[2] = 4115;
    expect(tiny()).toBe(false);
    zone.watermark[2] = 4116;
    expect(tiny()).toBe(true);
    zone.watermark[2] = 4115;
    zone.watermarkBoost = 1;
    expect(tiny()).toBe(true);
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem.nr_inactive_anon, -1);
    expect(tiny()).toBe(false);
  });

  test('the wanted ratio of active pages grows with memory', () => {
    const low = (inactive: number, active: number): boolean =>
      inactiveIsLow(sized([0, 0, inactive, active]).state, 0, LruKind.FILE);
    expect(low(10, 10)).toBe(false);
    expect(low(10, 11)).toBe(true);
    // 1 GiB: ratio floor(sqrt(10)) = 3.
    expect(low(65536, 3 * 65536)).toBe(false);
    expect(low(65535, 3 * 65536 + 1)).toBe(true);
    // One page less than 1 GiB: ratio 1.
    expect(low(65536, 3 * 65536 - 1)).toBe(true);
  });
});

test('the counts of a pass are forgotten at the next', () => {
  const sc = new ScanControl();
  Object.assign(sc, { nrDirty: 1, nrUnqueuedDirty: 2, nrCongested: 3, nrWriteback: 4 });
  Object.assign(sc, { nrImmediate: 5, nrFileTaken: 6, nrTaken: 7, nrScanned: 8, nrReclaimed: 9 });
  clearPassCounts(sc);
  expect({ ...sc }).toEqual({ ...new ScanControl(), nrScanned: 8, nrReclaimed: 9 });
});
