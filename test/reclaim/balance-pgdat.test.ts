// covers: src/reclaim/balance-pgdat.ts src/reclaim/balanced.ts
import { describe, expect, test } from 'vitest';
import { NodeStatItem, ZoneStatItem } from '../../src/mm/vm-items.ts';
import { modNodeState, modZoneState } from '../../src/mm/vmstat.ts';
import { ZoneFlag } from '../../src/mm/zone-types.ts';
import { CompactResult, PgdatFlag } from '../../src/reclaim/constants.ts';
import type { ReclaimHost } from '../../src/reclaim/types.ts';
import { World, type WorldOptions } from './support.ts';

/** A world that notes the priority of every batch of its inactive lists. */
function watched(options: WorldOptions = {}): { world: World; priorities: [number, number][] } {
  const priorities: [number, number][] = [];
  const world = new World({
    checks: 'basic',
    ...options,
    trace: {
      mmVmscanLruShrinkInactive: (_node, _scanned, freed, _counts, priority) => {
        const last = priorities.at(-1);
        if (last?.[0] === priority) last[1] += freed;
        else priorities.push([priority, freed]);
      },
    },
  });
  return { world, priorities };
}

/** Leaves a zone with this many free pages, by taking the others. */
function leaveFree(world: World, free: number, index = 2): void {
  const zone = world.zone(index);
  while (world.pages.free[zone.id].length > free) world.pages.take(zone);
}

describe('balancing a node (spec 4.16)', () => {
  test('E10: until free pages are above the high watermark', () => {
    const { world, priorities } = watched({ nodes: [[0, 0, 60000, 0]] });
    world.lruPages(40000);
    world.lruPages(10000, { active: true });
    leaveFree(world, 1200);
    world.zone().watermark.set([1000, 1274, 1548, 1822]);
    expect(world.reclaim.balancePgdat(0, 0, 3)).toBe(0);
    expect(priorities).toEqual([
      [12, 9],
      [11, 19],
      [10, 39],
      [9, 77],
      [8, 155],
      [7, 310],
    ]);
    expect(world.event('pageoutrun')).toBe(1);
    expect(world.event('pgsteal_kswapd')).toBe(609);
    expect(world.zone().flags & ZoneFlag.ZONE_RECLAIM_ACTIVE).toBe(0);
    expect(world.model.nodes[0].kswapdFailures).toBe(0);
  });

  test('E10: nothing can be freed', () => {
    const { world } = watched();
    world.lruPages(64, { extra: 1 });
    leaveFree(world, 10);
    world.zone().watermark.set([10, 20, 30, 40]);
    world.reclaim.balancePgdat(0, 0, 3);
    // Priorities 6 to 1 scan 1, 2, 4, 8, 16 and 32 pages.
    expect(world.event('pgscan_kswapd')).toBe(63);
    expect(world.model.nodes[0].kswapdFailures).toBe(1);
    expect(world.state.pgdatFlags[0]).toBe(PgdatFlag.PGDAT_DIRTY);
  });

  test('a balanced node is left alone', () => {
    const { world, priorities } = watched();
    world.lruPages(100);
    world.zone().watermark.set([10, 20, 30, 40]);
    world.model.nodes[0].kswapdFailures = 3;
    world.reclaim.balancePgdat(0, 0, 3);
    expect(priorities).toEqual([]);
    expect(world.model.nodes[0].kswapdFailures).toBe(3);
  });

  test('zones are marked while it works, those of the request only', () => {
    const flags: number[][] = [];
    const { world } = watched({ nodes: [[0, 64, 64, 64]] });
    world.reclaim.setHost({
      removeFromCache: () => {
        flags.push([1, 2, 3].map((index) => world.zone(index).flags));
      },
    });
    world.lruPages(32, { zone: 2 });
    for (const index of [1, 2]) {
      leaveFree(world, 1, index);
      world.zone(index).watermark.set([10, 20, 30, 40]);
    }
    world.reclaim.balancePgdat(0, 0, 2);
    expect(flags[0]).toEqual([2, 2, 0]);
    expect([1, 2, 3].map((index) => world.zone(index).flags)).toEqual([0, 0, 0]);
  });

  test('a high order is given up once enough small pages were freed', () => {
    const { world } = watched({ nodes: [[0, 0, 60000, 0]] });
    world.lruPages(40000);
    world.zone().watermark.set([10, 20, 30, 40]);
    // No block of order 3 can be had: balanced for order 0 only.
    expect(world.reclaim.balancePgdat(0, 3, 3)).toBe(0);
    expect(world.event('pgsteal_kswapd')).toBe(9 + 19);
    const few = watched();
    few.world.lruPages(8);
    few.world.zone().watermark.set([10, 20, 30, 40]);
    expect(few.world.reclaim.balancePgdat(0, 3, 3)).toBe(3);
  });

  test('too many buffer heads: pages of higher zones are taken as well', () => {
    const run = (bufferHeadsOverLimit: () => boolean) => {
      const { world, priorities } = watched({
        nodes: [[0, 64, 0, 64]],
        host: { bufferHeadsOverLimit },
      });
      world.lruPages(40, { zone: 3 });
      leaveFree(world, 5, 1);
      world.zone(1).watermark.set([10, 20, 30, 40]);
      world.reclaim.balancePgdat(0, 0, 1);
      return [priorities, world.model.nodes[0].kswapdFailures];
    };
    // A part of what is left at each priority: 40 >> 5, 39 >> 4, 37 >> 3, 33 >> 2, 25 >> 1.
    const freed = [
      [5, 1],
      [4, 2],
      [3, 4],
      [2, 8],
      [1, 12],
    ];
    expect(run(() => true)).toEqual([freed, 0]);
    expect(run(() => false)).toEqual([[], 1]);
  });

  test('it runs as kswapd and gives the task back', () => {
    const seen: boolean[] = [];
    const { world } = watched();
    world.lruPages(2);
    leaveFree(world, 1);
    world.zone().watermark.set([10, 20, 30, 40]);
    const before = { ...world.reclaim.task, comm: 'cat', fatalSignalPending: true };
    Object.assign(world.reclaim.task, before);
    world.reclaim.setHost({
      removeFromCache: () => {
        const { fatalSignalPending, pfKswapd, pfKthread, pfMemalloc } = world.reclaim.task;
        seen.push(pfKswapd, pfKthread, pfMemalloc, fatalSignalPending);
      },
    });
    world.reclaim.balancePgdat(0, 0, 3);
    expect(seen).toEqual([true, true, true, false]);
    expect(world.reclaim.task).toEqual(before);
  });

  test('refaults are remembered at the end', () => {
    const { world } = watched();
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem.workingset_activate_file, 4);
    world.reclaim.balancePgdat(0, 0, 3);
    expect(world.state.refaults[1]).toBe(4);
  });

  test('inactive anonymous pages are made before each pass, if there is swap', () => {
    const { world } = watched({ swapPages: 10 });
    world.lruPages(200, { anon: true, active: true });
    leaveFree(world, 1);
    world.zone().watermark.set([10, 20, 30, 40]);
    world.reclaim.balancePgdat(0, 0, 3);
    expect(world.event('pgrefill')).toBeGreaterThanOrEqual(32);
    const without = watched();
    without.world.lruPages(200, { anon: true, active: true });
    leaveFree(without.world, 1);
    without.world.zone().watermark.set([10, 20, 30, 40]);
    without.world.reclaim.balancePgdat(0, 0, 3);
    expect(without.world.event('pgrefill')).toBe(0);
  });
});

describe('boosted watermarks (spec 4.16)', () => {
  test('E4: it goes easy, until as many pages as the boost were freed', () => {
    const kcompactd: number[][] = [];
    const host: ReclaimHost = { wakeupKcompactd: (...args) => void kcompactd.push(args) };
    const { world, priorities } = watched({ nodes: [[0, 0, 60000, 0]], host });
    world.lruPages(40000);
    world.zone().watermark.set([10, 20, 30, 40]);
    world.zone().watermarkBoost = 512;
    world.reclaim.balancePgdat(0, 0, 2);
    const freed = priorities.reduce((sum, [, pages]) => sum + pages, 0);
    expect(Math.min(...priorities.map(([priority]) => priority))).toBe(10);
    expect(freed).toBeGreaterThanOrEqual(512);
    expect(freed).toBeLessThan(512 + 40);
    expect(world.zone().watermarkBoost).toBe(0);
    expect(kcompactd).toEqual([[0, 9, 2]]);
  });

  test('a pass that frees nothing ends it, and is a failure', () => {
    const { world, priorities } = watched();
    world.lruPages(4096 / 2, { extra: 1 });
    world.zone().watermark.set([10, 20, 30, 40]);
    world.zone().watermarkBoost = 512;
    world.reclaim.balancePgdat(0, 0, 2);
    expect(priorities).toEqual([]);
    expect(world.model.nodes[0].kswapdFailures).toBe(1);
    expect(world.zone().watermarkBoost).toBe(0);
  });

  test('it does neither write nor swap, and starts again when no zone is balanced', () => {
    const { world, priorities } = watched({ swapPages: 100 });
    world.lruPages(50, { anon: true });
    world.lruPages(50);
    leaveFree(world, 520);
    world.zone().watermark.set([10, 20, 30, 40]);
    world.zone().watermarkBoost = 512;
    // 520 free pages are below the boosted mark of 542: no easy going.
    world.reclaim.balancePgdat(0, 0, 2);
    expect(priorities.at(-1)?.[0]).toBeLessThan(10);
    expect(world.zone().watermarkBoost).toBe(0);
  });

  test('anonymous pages are left alone meanwhile', () => {
    const { world } = watched({ nodes: [[0, 0, 60000, 0]], swapPages: 1000 });
    world.lruPages(20000, { anon: true });
    world.lruPages(8000);
    world.zone().watermark.set([10, 20, 30, 40]);
    world.zone().watermarkBoost = 512;
    world.model.tunables.swappiness = 200;
    world.reclaim.balancePgdat(0, 0, 2);
    expect(world.event('pgscan_anon')).toBe(0);
    expect(world.event('pgsteal_file')).toBeGreaterThan(0);
    // Without a boost they are scanned.
    world.zone().watermark[2] = 40000;
    world.reclaim.balancePgdat(0, 0, 2);
    expect(world.event('pgscan_anon')).toBeGreaterThan(0);
  });

  test('a boost that came meanwhile stays', () => {
    const { world } = watched();
    world.lruPages(4000 / 2, {});
    world.zone().watermark.set([10, 20, 30, 40]);
    world.zone().watermarkBoost = 1;
    let more = 100;
    world.reclaim.setHost({
      removeFromCache: () => {
        world.zone().watermarkBoost += more;
        more = 0;
      },
    });
    world.lruPages(2000);
    world.reclaim.balancePgdat(0, 0, 2);
    expect(world.zone().watermarkBoost).toBe(more === 0 ? 100 : 0);
  });
});

describe('balance and readiness (spec 4.8, 4.27)', () => {
  test('one good zone up to the index is enough; unmanaged ones do not count', () => {
    const world = new World({ nodes: [[0, 64, 64, 0]] });
    world.zone(1).watermark[2] = 1000;
    world.zone(2).watermark[2] = 10;
    expect(world.reclaim.pgdatBalanced(0, 0, 2)).toBe(true);
    expect(world.reclaim.pgdatBalanced(0, 0, 1)).toBe(false);
    world.zone(1).managedPages = 0;
    expect(world.reclaim.pgdatBalanced(0, 0, 1)).toBe(true);
    world.zone(2).watermarkBoost = 100;
    expect(world.reclaim.pgdatBalanced(0, 0, 2)).toBe(false);
    expect(world.reclaim.pgdatWatermarkBoosted(0, 2)).toBe(true);
    expect(world.reclaim.pgdatWatermarkBoosted(0, 1)).toBe(false);
  });

  test('reclaimable pages, or free ones if there are none', () => {
    const world = new World({ swapPages: 1 });
    expect(world.reclaim.zoneReclaimablePages(2)).toBe(4096);
    world.lruPages(3);
    world.lruPages(4, { active: true });
    expect(world.reclaim.zoneReclaimablePages(world.zone())).toBe(7);
    world.lruPages(5, { anon: true });
    expect(world.reclaim.zoneReclaimablePages(2)).toBe(12);
    world.state.swap.alloc();
    expect(world.reclaim.zoneReclaimablePages(2)).toBe(7);
  });

  test('the differences of all CPUs count', () => {
    const world = new World({ cpuNode: [0, 0], checks: 'basic' });
    world.model.vmstat.zoneThreshold.fill(10);
    modZoneState(world.model.vmstat, 1, 2, ZoneStatItem.NR_ZONE_ACTIVE_FILE, 9);
    expect(world.reclaim.zoneReclaimablePages(2)).toBe(9);
  });

  test('compaction is suitable when there is room but no block', () => {
    const world = new World();
    const { COMPACT_CONTINUE, COMPACT_SKIPPED, COMPACT_SUCCESS } = CompactResult;
    const zone = world.zone();
    zone.watermark.set([4000, 4040, 4060, 4080]);
    const ask = (order: number): number => world.reclaim.compactionSuitable(2, order, 2);
    // 4096 free pages; order 3 needs more than 4000 + 16.
    expect(ask(3)).toBe(COMPACT_CONTINUE);
    world.pages.hasBlocks = true;
    expect(ask(3)).toBe(COMPACT_SUCCESS);
    world.pages.hasBlocks = false;
    zone.watermark[0] = 4081;
    expect(ask(3)).toBe(COMPACT_SKIPPED);
    zone.watermark[0] = 4000;
    // Costly orders count from the low mark: 4040 + 32.
    expect(ask(4)).toBe(COMPACT_SKIPPED);
    zone.watermark[1] = 4010;
    expect(ask(4)).toBe(COMPACT_SKIPPED);
    // Free blocks of order 0 only: fragmentation is the reason, not lack of memory.
    world.model.areas.nrFree[zone.id * 11] = 4096;
    expect(ask(4)).toBe(COMPACT_CONTINUE);
    // Two blocks of order 3: memory is what is missing.
    world.model.areas.nrFree[zone.id * 11] = 0;
    world.model.areas.nrFree[zone.id * 11 + 3] = 2;
    expect(ask(4)).toBe(COMPACT_SKIPPED);
    world.model.areas.nrFree[zone.id * 11 + 4] = 1;
    expect(ask(4)).toBe(COMPACT_CONTINUE);
  });
});

test('unmovable pages do not keep kswapd awake', () => {
  const { world } = watched();
  leaveFree(world, 1);
  world.zone().watermark.set([10, 20, 30, 40]);
  for (let run = 1; run <= 3; run++) {
    world.reclaim.balancePgdat(0, 0, 3);
    expect(world.model.nodes[0].kswapdFailures).toBe(run);
  }
});
