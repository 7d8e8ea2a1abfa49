// covers: src/reclaim/kswapd.ts src/reclaim/kswapd-wake.ts src/reclaim/kswapd-thread.ts
import { describe, expect, test } from 'vitest';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import type { ReclaimHost } from '../../src/reclaim/types.ts';
import { World, type WorldOptions } from './support.ts';

const GFP = Gfp.GFP_KERNEL;

/** A machine with kswapd asleep and its events noted. */
function asleep(options: WorldOptions = {}): { world: World; lines: string[] } {
  const lines: string[] = [];
  const trace = vmscanFtrace((event, text) => {
    if (/kswapd/.test(event)) lines.push(`${event}: ${text}`);
  });
  const world = new World({ trace, ...options });
  world.reclaim.startKswapd();
  lines.length = 0;
  return { world, lines };
}

/** Leaves the node so many pages short of balance, with clean page cache to make up for it. */
function unbalance(world: World, free = 20): void {
  const zone = world.zone();
  world.lruPages(2000);
  while (world.pages.free[zone.id].length > free) world.pages.take(zone);
  zone.watermark.set([10, 20, 30, 40]);
}

describe('waking kswapd (spec 4.15)', () => {
  test('E10: traced and woken once; a second call only merges', () => {
    const { world, lines } = asleep();
    unbalance(world);
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    expect(lines).toEqual(['mm_vmscan_wakeup_kswapd: nid=0 order=0 gfp_flags=GFP_KERNEL']);
    expect(world.reclaim.kswapdState(0)).toBe('running');
    world.reclaim.wakeupKswapd(2, GFP, 2, 3);
    expect(lines).toHaveLength(1);
    expect(world.model.nodes[0].kswapdOrder).toBe(2);
    expect(world.model.nodes[0].kswapdHighestZoneidx).toBe(3);
    world.reclaim.wakeupKswapd(2, GFP, 1, 1);
    expect(world.model.nodes[0].kswapdOrder).toBe(2);
    expect(world.model.nodes[0].kswapdHighestZoneidx).toBe(3);
  });

  test('a stopped kswapd only learns what is wanted', () => {
    const world = new World();
    world.reclaim.wakeupKswapd(2, GFP, 3, 2);
    expect(world.model.nodes[0].kswapdOrder).toBe(3);
    expect(world.reclaim.kswapdState(0)).toBe('stopped');
    expect(world.reclaim.runKswapd(0)).toBe('stopped');
  });

  test('a zone without memory wakes nobody', () => {
    const { world } = asleep();
    world.zone().managedPages = 0;
    world.reclaim.wakeupKswapd(2, GFP, 3, 2);
    expect(world.model.nodes[0].kswapdOrder).toBe(0);
  });

  test('with nothing to do, kcompactd is woken for those who cannot compact themselves', () => {
    const woken: number[][] = [];
    const host: ReclaimHost = { wakeupKcompactd: (...args) => void woken.push(args) };
    const { world, lines } = asleep({ host });
    world.pages.hasBlocks = true;
    world.reclaim.wakeupKswapd(2, GFP, 3, 2);
    world.reclaim.wakeupKswapd(2, Gfp.GFP_ATOMIC, 0, 2);
    expect(woken).toEqual([]);
    world.reclaim.wakeupKswapd(2, Gfp.GFP_ATOMIC, 3, 2);
    expect(woken).toEqual([[0, 3, 2]]);
    expect(lines).toEqual([]);
  });

  test('a hopeless node is left alone, a boosted one is not', () => {
    const { world, lines } = asleep();
    unbalance(world);
    world.model.nodes[0].kswapdFailures = 16;
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    expect(lines).toEqual([]);
    const boosted = asleep();
    boosted.world.zone().watermarkBoost = 512;
    boosted.world.reclaim.wakeupKswapd(2, 0, 0, 2);
    expect(boosted.lines).toEqual(['mm_vmscan_wakeup_kswapd: nid=0 order=0 gfp_flags=none']);
  });

  test('every node of a zonelist is woken once', () => {
    const { world, lines } = asleep({
      nodes: [
        [0, 64, 64, 0],
        [0, 0, 64, 0],
      ],
      cpuNode: [0, 1],
    });
    for (const zone of world.model.zones) if (zone.managedPages > 0) zone.watermark[2] = 1000;
    const zonelist = world.model.nodes[0].zonelists[0];
    world.reclaim.wakeAllKswapds(0, GFP, zonelist, 2, new Uint8Array([1, 0]));
    expect(lines).toHaveLength(1);
    world.reclaim.wakeAllKswapds(0, GFP, zonelist, 2);
    expect(lines.map((line) => line.slice(0, 30))).toEqual([
      'mm_vmscan_wakeup_kswapd: nid=0',
      'mm_vmscan_wakeup_kswapd: nid=1',
    ]);
  });
});

describe('the life of kswapd (spec 4.15)', () => {
  test('at its start it ends in the long sleep', () => {
    const lines: string[] = [];
    const world = new World({ trace: vmscanFtrace((event) => lines.push(event)) });
    world.reclaim.startKswapd();
    expect(lines).toEqual(['mm_vmscan_kswapd_sleep']);
    expect(world.reclaim.kswapdState(0)).toBe('long-sleep');
    expect(world.reclaim.runKswapd(0)).toBe('long-sleep');
    expect(lines).toHaveLength(1);
  });

  test('E10 (a): woken, it works, naps, and falls asleep', () => {
    const { world, lines } = asleep();
    unbalance(world);
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    expect(world.reclaim.runKswapd(0)).toBe('short-sleep');
    expect(lines.slice(1)).toEqual(['mm_vmscan_kswapd_wake: nid=0 order=0']);
    expect(world.event('pageoutrun')).toBe(1);
    expect(world.reclaim.kswapdShortSleepElapsed(0)).toBe('long-sleep');
    expect(lines.slice(2)).toEqual(['mm_vmscan_kswapd_sleep: nid=0']);
    expect(world.event('kswapd_low_wmark_hit_quickly')).toBe(0);
  });

  test('E10 (b): woken out of the nap', () => {
    const { world, lines } = asleep();
    unbalance(world);
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    world.reclaim.runKswapd(0);
    lines.length = 0;
    world.zone().watermark[2] = 1000;
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    world.reclaim.runKswapd(0);
    expect(lines).toEqual([
      'mm_vmscan_wakeup_kswapd: nid=0 order=0 gfp_flags=GFP_KERNEL',
      'mm_vmscan_kswapd_wake: nid=0 order=0',
    ]);
    expect(world.event('kswapd_low_wmark_hit_quickly')).toBe(1);
    expect(world.event('pageoutrun')).toBe(2);
  });

  test('E10 (c): no sleep while the node is not balanced', () => {
    const { world, lines } = asleep();
    unbalance(world);
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    world.reclaim.runKswapd(0);
    lines.length = 0;
    // During the nap the node loses its balance, but nobody calls.
    world.zone().watermark[2] = 1000;
    world.reclaim.kswapdShortSleepElapsed(0);
    expect(lines).toEqual(['mm_vmscan_kswapd_wake: nid=0 order=0']);
    expect(world.event('kswapd_high_wmark_hit_quickly')).toBe(1);
  });

  test('after 16 fruitless rounds it sleeps in spite of all', () => {
    const { world, lines } = asleep();
    const zone = world.zone();
    while (world.pages.free[zone.id].length > 20) world.pages.take(zone);
    zone.watermark.set([10, 20, 30, 40]);
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    expect(world.reclaim.settleKswapd(0)).toBe('long-sleep');
    expect(world.model.nodes[0].kswapdFailures).toBe(16);
    expect(lines.filter((line) => line.includes('kswapd_wake:'))).toHaveLength(16);
  });

  test('it can be interrupted between two rounds', () => {
    const { world } = asleep();
    const zone = world.zone();
    while (world.pages.free[zone.id].length > 20) world.pages.take(zone);
    zone.watermark.set([10, 20, 30, 40]);
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    expect(world.reclaim.runKswapd(0, 3)).toBe('running');
    expect(world.model.nodes[0].kswapdFailures).toBe(3);
    expect(world.reclaim.runKswapd(0)).toBe('short-sleep');
  });

  test('a high order given up: sleep is judged by the lower one, kcompactd gets the wanted one', () => {
    const woken: number[][] = [];
    const { world } = asleep({ host: { wakeupKcompactd: (...args) => void woken.push(args) } });
    world.lruPages(2000);
    world.zone().watermark.set([10, 20, 30, 40]);
    world.reclaim.wakeupKswapd(2, GFP, 3, 2);
    expect(world.reclaim.runKswapd(0)).toBe('short-sleep');
    expect(woken).toEqual([[0, 3, 2]]);
    // A wake-up in the nap finds the order that was ended with, and the old zone index.
    world.reclaim.wakeupKswapd(2, GFP, 3, 1);
    expect(world.model.nodes[0].kswapdHighestZoneidx).toBe(1);
  });

  test('flags of the node are cleared before it sleeps', () => {
    const { world } = asleep();
    unbalance(world);
    world.state.pgdatFlags[0] = 3;
    world.state.lruvecFlags[0] = 1;
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    world.reclaim.settleKswapd(0);
    expect(world.state.pgdatFlags[0]).toBe(0);
    expect(world.state.lruvecFlags[0]).toBe(0);
  });

  test('counters are exact while it is awake', () => {
    const { world } = asleep({ checks: 'basic' });
    unbalance(world);
    const zone = world.zone();
    zone.percpuDriftMark = 1;
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    const seen: number[] = [];
    world.reclaim.setHost({
      removeFromCache: () => void seen.push(world.model.vmstat.zoneThreshold[zone.id]),
    });
    world.reclaim.settleKswapd(0);
    // low - min = 10 pages on one CPU; then 2 * fls(1) * (1 + fls(4096 >> 15)).
    expect(seen[0]).toBe(10);
    expect(world.model.vmstat.zoneThreshold[zone.id]).toBe(2);
  });

  test('an error of the host leaves a thread that can go on', () => {
    const { world } = asleep();
    unbalance(world);
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    world.reclaim.setHost({
      removeFromCache: () => {
        throw new Error('broken host');
      },
    });
    expect(() => world.reclaim.runKswapd(0)).toThrow('broken host');
    expect(world.reclaim.task.pfKswapd).toBe(false);
    world.reclaim.setHost({});
    expect(world.reclaim.settleKswapd(0)).toBe('long-sleep');
    expect(world.reclaim.pgdatBalanced(0, 0, 2)).toBe(true);
  });

  test('it does not run inside its own run', () => {
    const { world } = asleep();
    unbalance(world);
    const seen: string[] = [];
    world.reclaim.wakeupKswapd(2, GFP, 0, 2);
    world.reclaim.setHost({ trylock: () => seen.push(world.reclaim.runKswapd(0)) > 0 });
    world.reclaim.runKswapd(0);
    expect(new Set(seen)).toEqual(new Set(['running']));
  });

  test('a stopped thread can start again', () => {
    const { world, lines } = asleep();
    world.reclaim.stopKswapd(0);
    expect(world.reclaim.kswapdState(0)).toBe('stopped');
    unbalance(world);
    world.reclaim.wakeupKswapd(2, GFP, 1, 2);
    expect(lines).toEqual([]);
    world.reclaim.startKswapd();
    expect(world.reclaim.kswapdState(0)).toBe('long-sleep');
  });
});
