// covers: src/reclaim/shrink-node.ts src/reclaim/throttle.ts
import { describe, expect, test } from 'vitest';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { NodeStatItem, ZoneStatItem } from '../../src/mm/vm-items.ts';
import { modNodeState, modZoneState } from '../../src/mm/vmstat.ts';
import {
  CompactResult,
  LruvecFlag,
  PgdatFlag,
  VmscanThrottle,
} from '../../src/reclaim/constants.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { reclaimThrottle } from '../../src/reclaim/throttle.ts';
import { World } from './support.ts';

const { LRUVEC_CONGESTED } = LruvecFlag;
const { PGDAT_DIRTY, PGDAT_WRITEBACK } = PgdatFlag;
const { VMSCAN_THROTTLE_CONGESTED, VMSCAN_THROTTLE_ISOLATED } = VmscanThrottle;
const { VMSCAN_THROTTLE_NOPROGRESS, VMSCAN_THROTTLE_WRITEBACK } = VmscanThrottle;

function control(change: Partial<ScanControl> = {}): ScanControl {
  const permissions = { mayUnmap: true, mayWritepage: true, maySwap: true, priority: 0 };
  return Object.assign(new ScanControl(), { gfpMask: Gfp.GFP_KERNEL, ...permissions, ...change });
}

describe('a pass over a node (spec 4.17)', () => {
  test('freed slab pages count as reclaimed', () => {
    const world = new World();
    world.reclaim.registerShrinker({
      name: 'slab',
      countObjects: () => 10,
      scanObjects: ({ nrToScan }) => {
        world.state.reclaimState.reclaimedSlab += 3;
        return nrToScan;
      },
    });
    world.model.nodes[0].kswapdFailures = 5;
    const sc = control();
    world.reclaim.shrinkNode(0, sc);
    expect(sc.nrReclaimed).toBe(3);
    expect(world.state.reclaimState.reclaimedSlab).toBe(0);
    expect(world.model.nodes[0].kswapdFailures).toBe(0);
  });

  test('a pass without result leaves the failures alone', () => {
    const world = new World();
    world.model.nodes[0].kswapdFailures = 5;
    world.reclaim.shrinkNode(0, control());
    expect(world.model.nodes[0].kswapdFailures).toBe(5);
  });

  test('kswapd that takes no file page finds the node dirty', () => {
    const world = new World();
    world.asKswapd(() => world.reclaim.shrinkNode(0, control()));
    expect(world.state.pgdatFlags[0]).toBe(PGDAT_DIRTY);
    const direct = new World();
    direct.reclaim.shrinkNode(0, control());
    expect(direct.state.pgdatFlags[0]).toBe(0);
  });

  test('kswapd that meets nothing but pages in write-back says so, and waits when it meets them again', () => {
    const slept: number[] = [];
    const world = new World({
      host: {
        throttle: (_, reason, timeout) => {
          slept.push(reason, timeout);
          return timeout;
        },
      },
    });
    world.lruPages(3, { writeback: true });
    world.asKswapd(() => world.reclaim.shrinkNode(0, control()));
    expect(world.state.pgdatFlags[0]).toBe(PGDAT_WRITEBACK);
    expect(slept).toEqual([]);
    // They are active now; deactivated, they come round with the reclaim mark.
    world.state.refaults[1] = 1;
    world.asKswapd(() => world.reclaim.shrinkNode(0, control()));
    world.state.refaults[1] = 0;
    world.asKswapd(() => world.reclaim.shrinkNode(0, control()));
    expect(slept).toEqual([VMSCAN_THROTTLE_WRITEBACK, 100]);
  });

  test('congestion: kswapd notices, others wait', () => {
    const slept: number[] = [];
    const world = new World({
      host: {
        throttle: (_, reason, timeout) => {
          slept.push(reason);
          return timeout;
        },
      },
    });
    world.lruPages(2, { writeback: true, reclaim: true });
    world.asKswapd(() => world.reclaim.shrinkNode(0, control()));
    expect(world.state.lruvecFlags[0]).toBe(LRUVEC_CONGESTED);
    expect(slept).toEqual([]);
    modZoneState(world.model.vmstat, 0, 2, ZoneStatItem.NR_ZONE_WRITE_PENDING, 5000);
    world.reclaim.shrinkNode(0, control());
    expect(slept).toEqual([VMSCAN_THROTTLE_CONGESTED]);
    world.reclaim.task.pfLocalThrottle = true;
    world.reclaim.shrinkNode(0, control());
    world.reclaim.task.pfLocalThrottle = false;
    world.reclaim.shrinkNode(0, control({ hibernationMode: true }));
    expect(slept).toHaveLength(1);
  });
});

describe('reclaim for compaction goes on (spec 4.17)', () => {
  /** Passes made, seen as calls of a shrinker. */
  function passes(change: Partial<ScanControl>, suitable: number, pages = 100): number {
    let count = 0;
    const world = new World({ host: { compactionSuitable: () => suitable } });
    world.lruPages(pages);
    world.reclaim.registerShrinker({
      name: 'counter',
      countObjects: () => {
        count++;
        return 0;
      },
      scanObjects: () => 0,
    });
    // Stops by itself when nothing is left to free.
    world.reclaim.shrinkNode(0, control({ order: 1, priority: 2, nrToReclaim: 1, ...change }));
    return count;
  }

  const { COMPACT_CONTINUE, COMPACT_SKIPPED, COMPACT_SUCCESS } = CompactResult;

  test('while it frees pages, no zone is ready and enough inactive pages are left', () => {
    expect(passes({}, COMPACT_SKIPPED)).toBeGreaterThan(2);
    expect(passes({}, COMPACT_CONTINUE)).toBe(1);
    expect(passes({}, COMPACT_SUCCESS)).toBe(1);
    expect(passes({ gfpMask: Gfp.GFP_NOIO }, COMPACT_SKIPPED)).toBe(1);
    expect(passes({ order: 0 }, COMPACT_SKIPPED)).toBe(1);
  });

  test('only under pressure, or for costly orders', () => {
    expect(passes({ priority: 9 }, COMPACT_SKIPPED, 2048)).toBeGreaterThan(1);
    expect(passes({ priority: 10 }, COMPACT_SKIPPED, 2048)).toBe(1);
    expect(passes({ priority: 10, order: 4 }, COMPACT_SKIPPED, 2048)).toBeGreaterThan(1);
  });

  test('the gap: more inactive pages than compaction needs', () => {
    // Passes free 32 each; with 4 pages left there is nothing to work with, with 5 there is.
    expect(passes({}, COMPACT_SKIPPED, 0)).toBe(1);
    expect(passes({ priority: 0 }, COMPACT_SKIPPED, 100)).toBe(3);
    expect(passes({ priority: 0 }, COMPACT_SKIPPED, 101)).toBe(4);
  });
});

describe('throttles (spec 4.28)', () => {
  function throttled(world: World, reason: number): [number, number][] {
    const slept: [number, number][] = [];
    world.reclaim.setHost({
      throttle: (_, why, timeout) => {
        slept.push([why, timeout]);
        return 1;
      },
    });
    reclaimThrottle(world.state, 0, reason);
    return slept;
  }

  test('timeouts', () => {
    const world = new World({ hz: 1000 });
    modZoneState(world.model.vmstat, 0, 2, ZoneStatItem.NR_ZONE_WRITE_PENDING, 5000);
    expect(throttled(world, VMSCAN_THROTTLE_WRITEBACK)).toEqual([[0, 100]]);
    expect(throttled(world, VMSCAN_THROTTLE_ISOLATED)).toEqual([[1, 20]]);
    expect(throttled(world, VMSCAN_THROTTLE_NOPROGRESS)).toEqual([[2, 1]]);
    expect(throttled(world, VMSCAN_THROTTLE_CONGESTED)).toEqual([[3, 1]]);
  });

  test('waiting for progress makes no sense when little is being written', () => {
    const world = new World();
    world.lruPages(10);
    const { vmstat } = world.model;
    modZoneState(vmstat, 0, 2, ZoneStatItem.NR_ZONE_WRITE_PENDING, 5);
    expect(throttled(world, VMSCAN_THROTTLE_NOPROGRESS)).toEqual([]);
    modZoneState(vmstat, 0, 2, ZoneStatItem.NR_ZONE_WRITE_PENDING, 1);
    expect(throttled(world, VMSCAN_THROTTLE_NOPROGRESS)).toHaveLength(1);
    world.model.nodes[0].kswapdFailures = 16;
    expect(throttled(world, VMSCAN_THROTTLE_CONGESTED)).toEqual([]);
  });

  test('kernel threads other than kswapd are never held up', () => {
    const world = new World();
    const { task } = world.reclaim;
    task.pfKthread = true;
    expect(throttled(world, VMSCAN_THROTTLE_ISOLATED)).toEqual([]);
    task.pfKswapd = true;
    expect(throttled(world, VMSCAN_THROTTLE_ISOLATED)).toHaveLength(1);
    Object.assign(task, { pfKthread: false, pfKswapd: false, pfIoWorker: true });
    expect(throttled(world, VMSCAN_THROTTLE_ISOLATED)).toEqual([]);
  });

  test('sleepers are counted while they sleep', () => {
    const world = new World();
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem.nr_throttled_written, 7);
    const seen: number[] = [];
    world.reclaim.setHost({
      throttle: (node, _, timeout) => {
        seen.push(world.state.nrWritebackThrottled[node], world.state.nrReclaimStart[node]);
        return timeout;
      },
    });
    reclaimThrottle(world.state, 0, VMSCAN_THROTTLE_WRITEBACK);
    expect(seen).toEqual([1, 7]);
    expect(world.state.nrWritebackThrottled[0]).toBe(0);
  });

  test('the tracepoint', () => {
    const lines: string[] = [];
    const world = new World({
      hz: 250,
      trace: vmscanFtrace((event, text) => lines.push(`${event}: ${text}`)),
    });
    reclaimThrottle(world.state, 0, VMSCAN_THROTTLE_WRITEBACK);
    expect(lines).toEqual([
      'mm_vmscan_throttled: nid=0 usec_timeout=100000 usect_delayed=100000 reason=VMSCAN_THROTTLE_WRITEBACK',
    ]);
  });
});
