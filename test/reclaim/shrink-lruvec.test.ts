import { describe, expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import type { TraceSink } from '../../src/mm/trace.ts';
import { LruList } from '../../src/reclaim/constants.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { shrinkLruvec } from '../../src/reclaim/shrink-lruvec.ts';
import { World } from './support.ts';

/** Pages asked for of each list, call by call. */
function recorder(requests: [number, number][]): TraceSink {
  return {
    mmVmscanLruIsolate: (_idx, _order, requested, _scanned, _skipped, _taken, _mode, lru) => {
      requests.push([lru, requested]);
    },
  };
}

/** Sum of the requests by list. */
function totals(requests: readonly [number, number][]): number[] {
  const sums = [0, 0, 0, 0];
  for (const [lru, pages] of requests) sums[lru] += pages;
  return sums;
}

function control(change: Partial<ScanControl>): ScanControl {
  const permissions = { mayUnmap: true, mayWritepage: true, maySwap: true };
  return Object.assign(new ScanControl(), { gfpMask: Gfp.GFP_KERNEL, ...permissions, ...change });
}

describe('a pass over the lists of a node (spec 4.20)', () => {
  test('E6: the stop rule', () => {
    const requests: [number, number][] = [];
    // Lists of the sizes that the example targets, at priority 0: EQUAL takes all of each.
    const sized = new World({ swapPages: 1000, trace: recorder(requests), checks: 'basic' });
    sized.lruPages(100, { anon: true });
    sized.lruPages(50, { anon: true, active: true });
    sized.lruPages(400);
    sized.lruPages(200, { active: true });
    sized.reclaim.setHost({
      // Written at once: the page can be freed in the same pass.
      writepage: () => 0,
    });
    const sc = control({ priority: 0, nrToReclaim: 90, mayDeactivate: 3 });
    sized.asKswapd(() => shrinkLruvec(sized.state, 0, sc, 0));
    expect(totals(requests)).toEqual([64, 50, 96, 96]);
    expect(sc.nrReclaimed).toBe(160);
  });

  test('the stop rule the other way round, and with both kinds alike', () => {
    const run = (anon: [number, number], file: [number, number]) => {
      const requests: [number, number][] = [];
      const host = { writepage: () => 0 };
      const world = new World({ swapPages: 1000, trace: recorder(requests), host });
      world.lruPages(anon[0], { anon: true });
      world.lruPages(anon[1], { anon: true, active: true });
      world.lruPages(file[0]);
      world.lruPages(file[1], { active: true });
      const sc = control({ priority: 0, nrToReclaim: 90, mayDeactivate: 3 });
      world.asKswapd(() => shrinkLruvec(world.state, 0, sc, 0));
      return [...totals(requests), sc.nrReclaimed];
    };
    // After two rounds 336, 136, 36, 0 are left; 3600 div 151 = 23 percent of the file pages. Of
    // anonymous ones 400 * 77 div 100 = 308 - 64 = 244 and 154 - 64 = 90 are due: one more round.
    expect(run([400, 200], [100, 50])).toEqual([96, 96, 64, 50, 160]);
    // 36, 0, 36, 0 are left: equal, so file pages are done (3600 div 151 = 23), and of anonymous
    // ones 77 - 64 = 13 and 38 - min(38, 50) = 0 are due.
    expect(run([100, 50], [100, 50])).toEqual([77, 50, 64, 50, 141]);
  });

  test('direct reclaim at the first priority scans everything', () => {
    const world = new World({ nodes: [[0, 0, 300000, 0]], checks: 'basic' });
    world.lruPages(4096 * 70);
    const sc = control({ priority: 12, nrToReclaim: 32 });
    shrinkLruvec(world.state, 0, sc, 0);
    expect(sc.nrReclaimed).toBe(70);
    const later = control({ priority: 11, nrToReclaim: 32 });
    shrinkLruvec(world.state, 0, later, 0);
    expect(later.nrReclaimed).toBe(32);
  });

  test('kswapd stops at its goal at any priority', () => {
    const world = new World({ nodes: [[0, 0, 300000, 0]], checks: 'basic' });
    world.lruPages(4096 * 70);
    const sc = control({ priority: 12, nrToReclaim: 32 });
    world.asKswapd(() => shrinkLruvec(world.state, 0, sc, 0));
    expect(sc.nrReclaimed).toBe(32);
  });

  test('active lists are spared unless deactivation is allowed', () => {
    const requests: [number, number][] = [];
    const world = new World({ trace: recorder(requests) });
    world.lruPages(10, { active: true });
    world.lruPages(10, { extra: 1 });
    const sc = control({ priority: 0 });
    shrinkLruvec(world.state, 0, sc, 0);
    expect(requests).toEqual([[LruList.LRU_INACTIVE_FILE, 10]]);
    expect(sc.skippedDeactivate).toBe(true);
    const allowed = control({ priority: 0, mayDeactivate: 2 });
    shrinkLruvec(world.state, 0, allowed, 0);
    expect(requests.slice(1)).toEqual([
      [LruList.LRU_INACTIVE_FILE, 10],
      [LruList.LRU_ACTIVE_FILE, 10],
    ]);
    expect(allowed.skippedDeactivate).toBe(false);
  });

  test('active anonymous pages alone do not keep it going, but are aged at the end', () => {
    const requests: [number, number][] = [];
    const world = new World({ swapPages: 10, trace: recorder(requests) });
    world.lruPages(100, { anon: true, active: true });
    const sc = control({ priority: 0, mayDeactivate: 1 });
    shrinkLruvec(world.state, 0, sc, 0);
    expect(requests).toEqual([[LruList.LRU_ACTIVE_ANON, 32]]);
    const without = new World({ trace: recorder(requests) });
    without.lruPages(100, { anon: true, active: true });
    requests.length = 0;
    shrinkLruvec(without.state, 0, control({ priority: 0, mayDeactivate: 1 }), 0);
    expect(requests).toEqual([]);
  });
});
