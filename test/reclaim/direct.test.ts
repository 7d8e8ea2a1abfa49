import { describe, expect, test } from 'vitest';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { NodeStatItem, ZoneStatItem } from '../../src/mm/vm-items.ts';
import { modNodeState, modZoneState } from '../../src/mm/vmstat.ts';
import { CompactResult, VmscanThrottle } from '../../src/reclaim/constants.ts';
import { currentGfpContext } from '../../src/reclaim/direct.ts';
import { World, type WorldOptions } from './support.ts';

const { GFP_KERNEL } = Gfp;

function direct(
  world: World,
  gfp: number = GFP_KERNEL,
  order = 0,
  nodemask: Uint8Array | null = null,
): number {
  return world.reclaim.tryToFreePages(world.model.nodes[0].zonelists[0], order, gfp, nodemask);
}

describe('direct reclaim (spec 4.26)', () => {
  test('E8: priorities until 32 pages are free', () => {
    const world = new World();
    const f = world.lruPages(100);
    const numbers = world.pages.freed;
    expect(direct(world)).toBe(40);
    const backwards = (from: number, to: number): number[] => f.slice(to, from + 1).toReversed();
    expect(numbers).toEqual([
      ...backwards(0, 0),
      ...backwards(3, 1),
      ...backwards(9, 4),
      ...backwards(20, 10),
      ...backwards(39, 21),
    ]);
    expect(world.event('allocstall_normal')).toBe(1);
    expect(world.event('pgsteal_direct')).toBe(40);
    expect(world.state.nonresidentAge[0]).toBe(40);
  });

  test('E9: once more with forced deactivation', () => {
    const world = new World();
    const a = world.lruPages(30, { active: true });
    world.lruPages(40, { extra: 1 });
    expect(direct(world)).toBe(20);
    expect(world.event('allocstall_normal')).toBe(2);
    expect(world.event('pgrefill')).toBe(30);
    expect(world.event('pgdeactivate')).toBe(30);
    expect(world.pages.freed.toSorted((x, y) => x - y)).toEqual(
      a.slice(0, 20).toSorted((x, y) => x - y),
    );
  });

  test('nothing to be had', () => {
    const lines: string[] = [];
    const trace = vmscanFtrace((event, text) => {
      if (event.includes('direct_reclaim')) lines.push(`${event}: ${text}`);
    });
    const world = new World({ trace });
    expect(direct(world, Gfp.GFP_HIGHUSER_MOVABLE | Gfp.__GFP_ZERO)).toBe(0);
    expect(world.event('allocstall_movable')).toBe(1);
    expect(lines).toEqual([
      'mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_HIGHUSER_MOVABLE|__GFP_ZERO',
      'mm_vmscan_direct_reclaim_end: nr_reclaimed=0',
    ]);
  });

  test('the scope of the task takes I/O and file systems off the request', () => {
    const world = new World();
    const { task } = world.reclaim;
    const mask = (): number => currentGfpContext(world.state, GFP_KERNEL | Gfp.__GFP_MOVABLE);
    expect(mask()).toBe(0xcc8);
    task.pfMemallocNofs = true;
    expect(mask()).toBe(0xc48);
    task.pfMemallocNoio = true;
    expect(mask()).toBe(0xc08);
    task.pfMemallocPin = true;
    expect(mask()).toBe(0xc00);
  });

  test('only zones and nodes of the request', () => {
    const world = new World({
      nodes: [
        [64, 0, 64, 0],
        [0, 0, 64, 0],
      ],
      cpuNode: [0, 1],
    });
    world.lruPages(32, { node: 1 });
    world.lruPages(32, { zone: 2 });
    const low = world.lruPages(10, { zone: 0 });
    expect(direct(world, GFP_KERNEL | Gfp.__GFP_DMA)).toBe(10);
    expect(world.pages.freed.toSorted()).toEqual(low.toSorted());
    expect(world.event('allocstall_dma')).toBe(1);
    // Node 1 is out of bounds.
    direct(world, GFP_KERNEL, 0, new Uint8Array([1, 0]));
    expect(world.reclaim.lruList(1, 2)).toHaveLength(32);
  });

  test('refaults are remembered after every round, on the nodes of the request', () => {
    const world = new World({
      nodes: [
        [0, 0, 64, 0],
        [0, 0, 64, 0],
      ],
    });
    for (const node of [0, 1]) {
      const item = NodeStatItem.workingset_activate_file;
      modNodeState(world.model.vmstat, 0, node, item, 3);
    }
    direct(world, GFP_KERNEL, 0, new Uint8Array([0, 1]));
    expect([...world.state.refaults]).toEqual([0, 0, 0, 3]);
  });

  test('a node is shrunk once per pass', () => {
    const passes: number[] = [];
    const world = new World({ nodes: [[16, 16, 64, 0]] });
    world.lruPages(40);
    world.reclaim.registerShrinker({
      name: 'counter',
      countObjects: ({ nid }) => {
        passes.push(nid);
        return 0;
      },
      scanObjects: () => 0,
    });
    direct(world);
    // Priorities 12 to 2: 0 x 7, 1, 2, 4, 8, 16 pages and so on until 32.
    expect(passes.length).toBeLessThanOrEqual(13);
  });
});

describe('readiness for compaction (spec 4.26)', () => {
  const { COMPACT_CONTINUE, COMPACT_SKIPPED, COMPACT_SUCCESS } = CompactResult;

  function attempt(suitable: number, high: number, gfp: number = GFP_KERNEL): number {
    const world = new World({ host: { compactionSuitable: () => suitable } });
    world.zone().watermark.set([1, 2, high, high]);
    world.lruPages(200, { extra: 1 });
    return direct(world, gfp, 4);
  }

  test('a costly request stops when a zone is ready: 1 is only a hint', () => {
    expect(attempt(COMPACT_SUCCESS, 4096)).toBe(1);
    expect(attempt(COMPACT_SKIPPED, 1)).toBe(0);
    // 3896 free pages against the high mark and a gap of 32.
    expect(attempt(COMPACT_CONTINUE, 3896 - 33)).toBe(1);
    expect(attempt(COMPACT_CONTINUE, 3896 - 32)).toBe(0);
    expect(attempt(COMPACT_SUCCESS, 4096, Gfp.GFP_NOIO)).toBe(0);
  });

  test('orders that are not costly do not ask', () => {
    let asked = 0;
    const world = new World({
      host: {
        compactionSuitable: () => {
          asked++;
          return COMPACT_SUCCESS;
        },
      },
    });
    world.lruPages(40, { extra: 1 });
    direct(world, GFP_KERNEL, 3);
    expect(asked).toBe(0);
  });
});

describe('throttling of direct reclaim (spec 4.26)', () => {
  /** Reserves nearly gone: 4 free pages of 8 needed. */
  function starved(options: WorldOptions = {}, kswapd = false): World {
    const world = new World(options);
    if (kswapd) world.reclaim.startKswapd();
    world.lruPages(100, { extra: 1 });
    world.zone().watermark.set([16, 20, 24, 28]);
    while (world.pages.free[2].length > 8) world.pages.take(world.zone());
    return world;
  }

  test('the first reclaimer waits until kswapd has made room', () => {
    const waits: number[][] = [];
    const world = starved({
      host: {
        waitPfmemalloc: (node, timeout) => {
          waits.push([node, timeout, world.state.pfmemallocWaiters[node]]);
        },
      },
    });
    direct(world);
    expect(waits).toEqual([[0, -1, 1]]);
    expect(world.event('pgscan_direct_throttle')).toBe(1);
    expect(world.state.pfmemallocWaiters[0]).toBe(0);
    direct(world, Gfp.GFP_NOFS);
    expect(waits[1]).toEqual([0, 1000, 1]);
  });

  test('nobody waits with half the reserve free, a hopeless kswapd, a signal, or as kernel thread', () => {
    const world = starved();
    world.model.nodes[0].kswapdFailures = 16;
    direct(world);
    world.model.nodes[0].kswapdFailures = 0;
    world.reclaim.task.pfKthread = true;
    direct(world);
    world.reclaim.task.pfKthread = false;
    world.reclaim.task.fatalSignalPending = true;
    direct(world);
    world.reclaim.task.fatalSignalPending = false;
    world.zone().watermark[0] = 15;
    direct(world);
    expect(world.event('pgscan_direct_throttle')).toBe(0);
  });

  test('a signal during the wait ends the request with a hint', () => {
    const world = starved({
      host: {
        waitPfmemalloc: () => {
          world.reclaim.task.fatalSignalPending = true;
        },
      },
    });
    expect(direct(world)).toBe(1);
    expect(world.event('allocstall_normal')).toBe(0);
  });

  test('by default kswapd runs until there is room', () => {
    const world = new World();
    world.reclaim.startKswapd();
    world.lruPages(100);
    world.zone().watermark.set([16, 20, 24, 28]);
    while (world.pages.free[2].length > 8) world.pages.take(world.zone());
    world.model.nodes[0].kswapdHighestZoneidx = 3;
    expect(world.reclaim.allowDirectReclaim(0)).toBe(false);
    expect(world.model.nodes[0].kswapdHighestZoneidx).toBe(2);
    direct(world);
    expect(world.event('pgscan_direct_throttle')).toBe(1);
    expect(world.event('pgsteal_kswapd')).toBeGreaterThan(0);
    expect(world.reclaim.allowDirectReclaim(0)).toBe(true);
  });

  test('by default nobody waits for a kswapd that cannot help', () => {
    const stopped = starved();
    direct(stopped);
    expect(stopped.event('pgscan_direct_throttle')).toBe(1);
    const world = starved({}, true);
    direct(world);
    expect(world.event('pgscan_direct_throttle')).toBe(1);
    expect(world.model.nodes[0].kswapdFailures).toBe(16);
  });

  test('by default nobody waits for a kswapd that finds its node balanced', () => {
    // One good zone is enough for kswapd (spec 4.8); the reserve is a sum over zones (spec 4.26).
    const world = new World({ nodes: [[64, 0, 64, 0]] });
    world.reclaim.startKswapd();
    world.lruPages(64, { zone: 2, extra: 1 });
    world.zone(0).watermark.set([1, 2, 3, 4]);
    world.zone(2).watermark.set([160, 170, 180, 190]);
    expect(world.reclaim.pgdatBalanced(0, 0, 2)).toBe(true);
    expect(world.reclaim.allowDirectReclaim(0)).toBe(false);
    expect(direct(world)).toBe(0);
    expect(world.event('pgscan_direct_throttle')).toBe(1);
  });

  test('kswapd lets waiters go as soon as there is room', () => {
    const world = starved();
    for (const pfn of world.reclaim.lruList(0, 2)) world.model.map.refcount[pfn] = 1;
    world.state.pfmemallocWaiters[0] = 1;
    world.reclaim.balancePgdat(0, 0, 2);
    expect(world.state.pfmemallocWaiters[0]).toBe(0);
  });
});

test('a reclaimer that frees nothing waits for progress at the last priority but one', () => {
  const slept: number[] = [];
  const world = new World({
    host: {
      throttle: (_, reason, timeout) => {
        slept.push(reason);
        return timeout;
      },
    },
  });
  world.lruPages(10, { extra: 1 });
  modZoneState(world.model.vmstat, 0, 2, ZoneStatItem.NR_ZONE_WRITE_PENDING, 100);
  direct(world);
  expect(slept).toEqual([VmscanThrottle.VMSCAN_THROTTLE_NOPROGRESS]);
});

test('too many buffer heads: all zones help', () => {
  const world = new World({
    nodes: [[0, 0, 64, 64]],
    host: { bufferHeadsOverLimit: () => true },
  });
  world.lruPages(40, { zone: 3 });
  // HIGHMEM turns a movable request into one for ZONE_MOVABLE.
  expect(direct(world, GFP_KERNEL | Gfp.__GFP_MOVABLE)).toBeGreaterThan(0);
});
