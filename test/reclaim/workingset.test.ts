import { describe, expect, test } from 'vitest';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { NodeStatItem, type NodeStatName } from '../../src/mm/vm-items.ts';
import { modNodeState, nodeState } from '../../src/mm/vmstat.ts';
import {
  ancientEviction,
  formatWorkingsetInit,
  packShadow,
  shadowSlotValue,
  workingsetEviction,
} from '../../src/reclaim/workingset.ts';
import { World } from './support.ts';

function count(world: World, name: NodeStatName): number {
  return nodeState(world.model.vmstat, 0, NodeStatItem[name]);
}

/** A node whose counters say that its lists have these sizes; the lists stay empty. */
function sized(sizes: Partial<Record<NodeStatName, number>>, swapPages = 0): World {
  const world = new World({ swapPages, checks: 'basic' });
  for (const [name, pages] of Object.entries(sizes)) {
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem[name as NodeStatName], pages);
  }
  return world;
}

describe('shadow entries (spec 4.13)', () => {
  test('E12: the slot values', () => {
    expect(packShadow(1000, 0, false)).toBe(128000);
    expect(shadowSlotValue(packShadow(1000, 0, false))).toBe(256001n);
    expect(packShadow(1000, 1, true)).toBe(128003);
    expect(shadowSlotValue(packShadow(1000, 1, true))).toBe(256007n);
  });

  test('a distance is counted across the end of the clock', () => {
    const world = sized({ nr_active_file: 5 });
    // Ages count modulo 2^45: evicted 5 ticks ago, then 6.
    world.state.nonresidentAge[0] = 2 ** 45 + 3;
    const [near, far] = [world.page(), world.page()];
    world.reclaim.workingsetRefault(far, packShadow(2 ** 45 - 3, 0, false));
    expect(world.has(far, PageFlag.PG_active)).toBe(false);
    world.reclaim.workingsetRefault(near, packShadow(2 ** 45 - 2, 0, false));
    expect(world.has(near, PageFlag.PG_active)).toBe(true);
    expect(packShadow(2 ** 45 + 7, 1, true)).toBe(packShadow(7, 1, true));
  });

  test('E12: an eviction takes the age along, and the clock ticks', () => {
    const world = new World();
    world.state.nonresidentAge[0] = 1000;
    expect(workingsetEviction(world.state, world.page())).toBe(1000);
    expect(world.state.nonresidentAge[0]).toBe(1001);
  });
});

describe('refaults (spec 4.13)', () => {
  test('E12: too far away, without swap', () => {
    const world = sized({ nr_active_file: 500, nr_active_anon: 80, nr_inactive_anon: 40 });
    world.state.nonresidentAge[0] = 1600;
    const pfn = world.page();
    world.reclaim.workingsetRefault(pfn, packShadow(1000, 0, false));
    expect(world.has(pfn, PageFlag.PG_active)).toBe(false);
    expect(count(world, 'workingset_refault_file')).toBe(1);
    expect(count(world, 'workingset_activate_file')).toBe(0);
    expect(world.state.nonresidentAge[0]).toBe(1600);
  });

  test('E12: near enough, with swap', () => {
    const sizes = { nr_active_file: 500, nr_active_anon: 80, nr_inactive_anon: 40 };
    const world = sized(sizes, 8);
    world.state.nonresidentAge[0] = 1600;
    const pfn = world.page();
    world.reclaim.workingsetRefault(pfn, packShadow(1000, 0, false));
    expect(world.has(pfn, PageFlag.PG_active)).toBe(true);
    expect(world.has(pfn, PageFlag.PG_workingset)).toBe(false);
    expect(world.state.nonresidentAge[0]).toBe(1601);
  });

  test('a distance equal to the size activates, one more does not', () => {
    for (const [age, active] of [
      [150, true],
      [151, false],
    ] as const) {
      const world = sized({ nr_active_file: 50 });
      world.state.nonresidentAge[0] = age;
      const pfn = world.page();
      world.reclaim.workingsetRefault(pfn, packShadow(100, 0, false));
      expect(world.has(pfn, PageFlag.PG_active)).toBe(active);
    }
  });

  test('an anonymous page competes with all file pages and the active anonymous ones', () => {
    const sizes = {
      nr_inactive_file: 3,
      nr_active_file: 4,
      nr_active_anon: 5,
      nr_inactive_anon: 100,
    };
    for (const [distance, active] of [
      [12, true],
      [13, false],
    ] as const) {
      const world = sized(sizes, 8);
      world.state.nonresidentAge[0] = distance;
      const pfn = world.page({ anon: true });
      world.reclaim.workingsetRefault(pfn, packShadow(0, 0, false));
      expect(world.has(pfn, PageFlag.PG_active)).toBe(active);
      expect(count(world, 'workingset_refault_anon')).toBe(1);
    }
  });

  test('a page of the working set is restored and costs its own node', () => {
    const world = sized({ nr_active_file: 50 });
    world.state.nonresidentAge[0] = 10;
    const pfn = world.page();
    world.reclaim.workingsetRefault(pfn, packShadow(5, 0, true));
    expect(world.has(pfn, PageFlag.PG_workingset)).toBe(true);
    expect(count(world, 'workingset_restore_file')).toBe(1);
    expect(world.state.fileCost[0]).toBe(1);
  });

  test('an ancient eviction never activates', () => {
    const world = sized({ nr_active_file: 2 ** 30 });
    const shadow = packShadow(ancientEviction(world.state, 0), 0, false);
    world.state.nonresidentAge[0] = 2 ** 40;
    const pfn = world.page();
    world.reclaim.workingsetRefault(pfn, shadow);
    expect(world.has(pfn, PageFlag.PG_active)).toBe(false);
  });
});

test('the boot message', () => {
  expect(formatWorkingsetInit(2 ** 20 + 1)).toBe(
    'workingset: timestamp_bits=56 max_order=21 bucket_order=0',
  );
});
