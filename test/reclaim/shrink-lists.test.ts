import { describe, expect, test } from 'vitest';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { NodeStatItem } from '../../src/mm/vm-items.ts';
import { modNodeState, nodeState } from '../../src/mm/vmstat.ts';
import { LruList, VmscanThrottle } from '../../src/reclaim/constants.ts';
import { RmapMark } from '../../src/reclaim/rmap.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { shrinkActiveList, shrinkInactiveList } from '../../src/reclaim/shrink-lists.ts';
import { World } from './support.ts';

const { LRU_ACTIVE_FILE, LRU_INACTIVE_FILE } = LruList;
const { PG_active, PG_reclaim, PG_referenced, PG_unevictable, PG_workingset } = PageFlag;

function control(change: Partial<ScanControl> = {}): ScanControl {
  const permissions = { mayUnmap: true, mayWritepage: true, maySwap: true };
  return Object.assign(new ScanControl(), { gfpMask: Gfp.GFP_KERNEL, ...permissions, ...change });
}

describe('one batch of an inactive list', () => {
  test('E7', () => {
    const lines: string[] = [];
    const flushed: number[] = [];
    const world = new World({
      nodes: [[0, 0, 64, 64]],
      trace: vmscanFtrace((event, text) => lines.push(`${event}: ${text}`)),
      host: { wakeupFlusherThreads: () => void flushed.push(1) },
    });
    const normal = { zone: 2 };
    const young = { ...normal, mapped: 1, young: 1 };
    const p = [
      world.lruPage(normal),
      world.lruPage({ ...normal, referenced: true }),
      world.lruPage({ ...normal, dirty: true }),
      world.lruPage(young),
      world.lruPage({ ...young, referenced: true }),
      world.lruPage({ ...normal, writeback: true }),
      world.lruPage({ ...normal, extra: 1 }),
      world.lruPage({ ...normal, mapped: 1 }),
      world.lruPage({ ...young, marks: RmapMark.EXEC }),
      world.lruPage({ zone: 3 }),
      world.lruPage({ ...normal, mlocked: true }),
      world.lruPage({ ...normal, dirty: true, referenced: true }),
    ];
    const numbers = (pages: readonly number[]): number[] => pages.map((pfn) => p.indexOf(pfn) + 1);
    const sc = control({ reclaimIdx: 2, priority: 6 });
    expect(shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, sc, 0)).toBe(3);
    expect(numbers(world.pages.freed)).toEqual([8, 2, 1]);
    expect(numbers(world.reclaim.lruList(0, LRU_INACTIVE_FILE))).toEqual([7, 4, 10]);
    expect(numbers(world.reclaim.lruList(0, LRU_ACTIVE_FILE))).toEqual([12, 9, 6, 5, 3]);
    const marked = (flag: number): number[] => numbers(p.filter((pfn) => world.has(pfn, flag)));
    expect(marked(PG_reclaim)).toEqual([3, 6, 12]);
    expect(marked(PG_referenced)).toEqual([4, 5, 9]);
    expect(world.state.nonresidentAge[0]).toBe(8);
    expect(sc.nrScanned).toBe(11);
    expect(world.event('pgscan_direct')).toBe(12);
    expect(world.event('pgscan_file')).toBe(12);
    expect(world.event('pgsteal_direct')).toBe(3);
    expect(world.event('pgskip_movable')).toBe(1);
    expect(world.event('pgactivate')).toBe(5);
    const { vmstat } = world.model;
    expect(nodeState(vmstat, 0, NodeStatItem.nr_vmscan_immediate_reclaim)).toBe(2);
    expect(flushed).toEqual([]);
    world.reclaim.lruAddDrain();
    expect(marked(PG_unevictable)).toEqual([11]);
    expect(lines.filter((line) => !line.startsWith('mm_lru'))).toEqual([
      'mm_vmscan_lru_isolate: isolate_mode=0 classzone=2 order=0 nr_requested=32 nr_scanned=12 nr_skipped=1 nr_taken=11 lru=inactive_file',
      'mm_vmscan_lru_shrink_inactive: nid=0 nr_scanned=12 nr_reclaimed=3 nr_dirty=3 nr_writeback=1 nr_congested=0 nr_immediate=0 nr_activate_anon=0 nr_activate_file=5 nr_ref_keep=1 nr_unmap_fail=0 priority=6 flags=RECLAIM_WB_FILE|RECLAIM_WB_ASYNC',
    ]);
  });

  test('nothing taken: counted and traced, but no cost fades', () => {
    const lines: string[] = [];
    const world = new World({ trace: vmscanFtrace((event) => lines.push(event)) });
    world.state.fileCost[0] = 9;
    expect(shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0)).toBe(0);
    expect(lines).toEqual(['mm_vmscan_lru_isolate']);
    expect(world.state.fileCost[0]).toBe(9);
    world.lruPage({ extra: 1 });
    shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0);
    expect(world.state.fileCost[0]).toBe(4);
  });

  test('pages of the own batch are seen, those of another CPU are not', () => {
    const world = new World({ cpuNode: [0, 0] });
    const [mine, other] = [world.page(), world.page()];
    world.reclaim.folioAddLru(mine, 0);
    world.reclaim.folioAddLru(other, 1);
    expect(shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0)).toBe(1);
    expect(world.pages.freed).toEqual([mine]);
  });

  test('flushers are woken when nothing but dirty pages was met', () => {
    const woken: number[] = [];
    const world = new World({ host: { wakeupFlusherThreads: () => void woken.push(1) } });
    world.lruPages(3, { dirty: true });
    const sc = control();
    shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, sc, 0);
    expect(woken).toEqual([1]);
    expect(sc).toMatchObject({ nrDirty: 3, nrUnqueuedDirty: 3, nrTaken: 3, nrFileTaken: 3 });
  });

  test('the last reference dropped meanwhile frees the page at the put-back', () => {
    const world = new World();
    const [a, b] = world.lruPages(2);
    world.reclaim.setHost({
      trylock: (pfn) => {
        // Its owner lets go while it is isolated.
        world.model.map.refcount[pfn]--;
        return false;
      },
    });
    expect(shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0)).toBe(0);
    expect(world.pages.freed).toEqual([b, a]);
    expect(world.event('pgsteal_direct')).toBe(0);
  });

  test('pages put back active age the node', () => {
    const world = new World();
    world.lruPages(2, { dirty: true });
    shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0);
    expect(world.state.nonresidentAge[0]).toBe(2);
  });
});

describe('too many isolated pages (spec 4.22)', () => {
  function crowded(isolated: number, reasons: number[], fatal = false): World {
    const world = new World({
      checks: 'basic',
      host: {
        throttle: (_, reason, timeout) => {
          reasons.push(reason);
          world.reclaim.task.fatalSignalPending = fatal;
          return timeout;
        },
      },
    });
    world.lruPages(40, { extra: 1 });
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem.nr_isolated_file, isolated);
    return world;
  }

  test('a direct reclaimer waits once, then gives up', () => {
    const reasons: number[] = [];
    const world = crowded(6, reasons);
    shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0);
    expect(world.event('pgscan_direct')).toBe(0);
    expect(reasons).toEqual([VmscanThrottle.VMSCAN_THROTTLE_ISOLATED]);
  });

  test('the limit is an eighth for callers that may block, else all', () => {
    const reasons: number[] = [];
    const world = crowded(5, reasons);
    shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 1, control(), 0);
    expect(reasons).toEqual([]);
    const nofs = crowded(40, reasons);
    shrinkInactiveList(nofs.state, 0, LRU_INACTIVE_FILE, 1, control({ gfpMask: Gfp.GFP_NOFS }), 0);
    expect(reasons).toEqual([]);
  });

  test('a fatal signal ends the wait with the pages that were wanted', () => {
    const world = crowded(6, [], true);
    expect(shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0)).toBe(32);
  });

  test('kswapd never waits', () => {
    const reasons: number[] = [];
    const world = crowded(100, reasons);
    world.asKswapd(() => shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 1, control(), 0));
    expect(reasons).toEqual([]);
    expect(world.event('pgscan_kswapd')).toBe(1);
  });
});

describe('one batch of an active list (spec 4.25)', () => {
  test('everything is deactivated but executable file pages in use', () => {
    const lines: string[] = [];
    const world = new World({
      trace: vmscanFtrace((event, text) => lines.push(`${event}: ${text}`)),
    });
    const active = { active: true };
    const plain = world.lruPage(active);
    const referenced = world.lruPage({ ...active, referenced: true });
    const mapped = world.lruPage({ ...active, mapped: 1, young: 1 });
    const exec = world.lruPage({ ...active, mapped: 1, young: 1, marks: RmapMark.EXEC });
    const old = world.lruPage({ ...active, mapped: 1, marks: RmapMark.EXEC });
    const locked = world.lruPage({ ...active, mlocked: true });
    shrinkActiveList(world.state, 0, LRU_ACTIVE_FILE, 32, control({ priority: 11 }), 0);
    expect(world.reclaim.lruList(0, LRU_INACTIVE_FILE)).toEqual([old, mapped, referenced, plain]);
    expect(world.reclaim.lruList(0, LRU_ACTIVE_FILE)).toEqual([exec]);
    expect(world.has(referenced, PG_referenced)).toBe(true);
    expect(world.has(plain, PG_workingset)).toBe(true);
    expect(world.has(exec, PG_workingset)).toBe(false);
    expect(world.event('pgrefill')).toBe(6);
    expect(world.event('pgdeactivate')).toBe(4);
    expect(world.state.nonresidentAge[0]).toBe(1);
    world.reclaim.lruAddDrain();
    expect(world.has(locked, PG_unevictable)).toBe(true);
    expect(world.has(locked, PG_active)).toBe(false);
    expect(lines).toContain(
      'mm_vmscan_lru_shrink_active: nid=0 nr_taken=6 nr_active=1 nr_deactivated=4 nr_referenced=1 priority=11 flags=RECLAIM_WB_FILE|RECLAIM_WB_ASYNC',
    );
  });

  test('a file page whose lock is busy counts as used, without flags', () => {
    const world = new World({ host: { trylock: () => false } });
    const exec = { active: true, mapped: 1, young: 1, marks: RmapMark.EXEC };
    const pfn = world.lruPage(exec);
    shrinkActiveList(world.state, 0, LRU_ACTIVE_FILE, 32, control(), 0);
    expect(world.has(pfn, PG_active)).toBe(false);
    expect(world.state.rmap.young[pfn]).toBe(1);
  });

  test('it is traced and counted when there is nothing', () => {
    const lines: string[] = [];
    const world = new World({ trace: vmscanFtrace((event) => lines.push(event)) });
    shrinkActiveList(world.state, 0, LRU_ACTIVE_FILE, 32, control(), 0);
    expect(lines).toEqual(['mm_vmscan_lru_isolate', 'mm_vmscan_lru_shrink_active']);
  });

  test('pages let go meanwhile are freed, the inactive ones first', () => {
    const world = new World();
    const exec = { active: true, mapped: 1, marks: RmapMark.EXEC, young: 1 };
    const [a, b] = [world.lruPage(exec), world.lruPage({ active: true, mapped: 1 })];
    world.reclaim.setHost({
      referenced: (pfn, _locked, result) => {
        // The process exits while its pages are isolated.
        world.model.map.refcount[pfn] = 1;
        if (pfn !== a) return 0;
        result.vmFlags = 4;
        return 1;
      },
    });
    shrinkActiveList(world.state, 0, LRU_ACTIVE_FILE, 32, control(), 0);
    expect(world.pages.freed).toEqual([b, a]);
  });
});
