import { describe, expect, it } from 'vitest';
import { freeListToArray } from '../../src/mm/free-area.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { setPageblockSkip } from '../../src/mm/page-map.ts';
import { VmEvent, ZoneStatItem } from '../../src/mm/vm-items.ts';
import { vmEvent, zoneState } from '../../src/mm/vmstat.ts';
import { CompactPriority, CompactResult } from '../../src/slowpath/constants.ts';
import { tryToCompactPages } from '../../src/slowpath/try-to-compact.ts';
import type { SlowPathRequest } from '../../src/slowpath/types.ts';
import { claimedOf, createWorld, type World, type WorldOptions, wrongOwners } from './world.ts';

const { COMPACT_PRIO_ASYNC, COMPACT_PRIO_SYNC_FULL, COMPACT_PRIO_SYNC_LIGHT } = CompactPriority;
const MOVABLE = Gfp.GFP_HIGHUSER_MOVABLE;

/** Odd pages of the first and last block are free, even ones can move; the middle is fixed. */
const CHECKERBOARD: WorldOptions = {
  startPfn: 0x1000,
  endPfn: 0x1800,
  watermark: [8, 10, 12],
  kind: (pfn) => {
    if (pfn >= 0x1200 && pfn < 0x1600) return 'fixed';
    return pfn % 2 === 0 ? 'lru' : 'free';
  },
};

const world = (more: Partial<WorldOptions> = {}): World =>
  createWorld({ ...CHECKERBOARD, ...more });

function request({ zone }: World, migratetype = 1): SlowPathRequest {
  return {
    zonelist: [zone],
    nodemask: null,
    preferredZoneref: 0,
    migratetype,
    highestZoneidx: 3,
    spreadDirtyPages: false,
  };
}

const compact = (of: World, gfp: number, order: number, priority: number) =>
  tryToCompactPages(of.ctx, request(of), gfp, order, 0, priority, 0);

describe('try_to_compact_pages (spec slowpath-compaction 4.13)', () => {
  it('without __GFP_IO or COMPACTION there is not even a trace', () => {
    const of = world();
    const skipped = { result: CompactResult.COMPACT_SKIPPED, captured: -1 };
    expect(compact(of, Gfp.__GFP_FS, 3, COMPACT_PRIO_ASYNC)).toEqual(skipped);
    const without = world({ options: { config: { compaction: false } } });
    expect(compact(without, MOVABLE, 3, COMPACT_PRIO_ASYNC)).toEqual(skipped);
    expect([...of.events, ...without.events]).toEqual([]);
  });

  it('success raises the lowest order that failed', () => {
    const of = world();
    const outcome = compact(of, MOVABLE, 3, COMPACT_PRIO_SYNC_LIGHT);
    expect(outcome.result).toBe(CompactResult.COMPACT_SUCCESS);
    expect(of.events[0]).toBe(
      'mm_compaction_try_to_compact_pages: order=3 gfp_mask=GFP_HIGHUSER_MOVABLE priority=1',
    );
    expect(of.events.at(-1)).toBe(
      'mm_compaction_defer_reset: node=0 zone=DMA32    order=3 order_failed=4 consider=1 limit=1',
    );
    expect(of.buddy.captureControl).toBeNull();
  });

  it('failure defers the zone, but not an async one; deferred zones are skipped but at full priority', () => {
    const of = world({ kind: (pfn) => (pfn % 2 === 0 ? 'fixed' : 'free') });
    const [state] = of.ctx.zones.filter((_, id) => id === of.zone.id);
    expect(compact(of, MOVABLE, 4, COMPACT_PRIO_ASYNC).result).toBe(
      CompactResult.COMPACT_PARTIAL_SKIPPED,
    );
    expect(state.deferShift).toBe(0);
    expect(compact(of, MOVABLE, 4, COMPACT_PRIO_SYNC_LIGHT).result).toBe(
      CompactResult.COMPACT_PARTIAL_SKIPPED,
    );
    expect(state.deferShift).toBe(1);
    expect(compact(of, MOVABLE, 4, COMPACT_PRIO_SYNC_LIGHT).result).toBe(
      CompactResult.COMPACT_DEFERRED,
    );
    expect(of.events.at(-1)).toContain('mm_compaction_deferred');
    expect(compact(of, MOVABLE, 4, COMPACT_PRIO_SYNC_FULL).result).toBe(
      CompactResult.COMPACT_COMPLETE,
    );
  });

  // Spec 2.4: "prio SYNC_FULL ... whole_zone, ignore_skip_hint, ignore_block_suitable"; 4.21: "if block
  // type is neither MOVABLE nor CMA (unless ignore_block_suitable)".
  it('at full priority neither hints nor types of blocks keep it from anything', () => {
    const of = world({
      watermark: [-1000, -900, -800],
      kind: (pfn) => {
        if (pfn >= 0x1700 && pfn < 0x1708 && pfn % 2 === 1) return 'free';
        return pfn < 0x1004 ? 'lru' : 'fixed';
      },
      blockType: (pfn) => (pfn === 0x1600 ? 0 : 1),
    });
    const state = of.ctx.zones[of.zone.id];
    for (let pfn = 0x1000; pfn < 0x1800; pfn += 0x200) setPageblockSkip(of.model.map, pfn, true);
    const { COMPACT_PARTIAL_SKIPPED, COMPACT_SUCCESS } = CompactResult;
    const light = compact(of, Gfp.GFP_KERNEL, 2, COMPACT_PRIO_SYNC_LIGHT);
    expect(light.result).toBe(COMPACT_PARTIAL_SKIPPED);
    const scanned = () =>
      [VmEvent.compact_migrate_scanned, VmEvent.compact_free_scanned, VmEvent.compact_isolated].map(
        (event) => vmEvent(of.model.vmstat, event),
      );
    expect(scanned()).toEqual([0, 0, 0]);

    // No guess from the fast search: the free scanner itself has to look at the UNMOVABLE block.
    state.initFreePfn = 0x17ff;
    const full = compact(of, Gfp.GFP_KERNEL, 2, COMPACT_PRIO_SYNC_FULL);
    // The block freed is of a MOVABLE pageblock, which only order 9 is captured from.
    expect(full).toEqual({ result: COMPACT_SUCCESS, captured: -1 });
    expect(of.moves).toEqual(['1003>1707', '1002>1705', '1001>1703', '1000>1701']);
    expect(scanned()).toEqual([512, 0x108, 8]);
    expect(freeListToArray(of.model.areas, of.zone.id, 2, 1)).toEqual([0x1000]);
    expect([...state.cachedMigratePfn, state.cachedFreePfn]).toEqual([0x1000, 0x1000, 0x1600]);
  });

  it.each([
    ['a fatal signal', COMPACT_PRIO_SYNC_LIGHT, { fatalSignalPending: true }, 1],
    ['need_resched, async', COMPACT_PRIO_ASYNC, { needResched: true }, 1],
    ['need_resched, sync', COMPACT_PRIO_SYNC_FULL, { needResched: true }, 2],
  ])('%s ends the walk over the zones', (_name, priority, task, zones) => {
    const of = world({ kind: (pfn) => (pfn % 2 === 0 ? 'fixed' : 'free') });
    Object.assign(of.ctx.task, task);
    const twice = { ...request(of), zonelist: [of.zone, of.zone] };
    of.ctx.zones[of.zone.id].orderFailed = 11;
    tryToCompactPages(of.ctx, twice, MOVABLE, 4, 0, priority, 0);
    expect(of.events.filter((line) => line.startsWith('mm_compaction_begin')).length).toBe(zones);
  });

  it('the highest result of all zones counts', () => {
    const of = world({ kind: (pfn) => (pfn % 2 === 0 ? 'fixed' : 'free') });
    const empty = of.model.zones[2];
    const both = { ...request(of), zonelist: [of.zone, empty] };
    const outcome = tryToCompactPages(of.ctx, both, MOVABLE, 4, 0, COMPACT_PRIO_SYNC_LIGHT, 0);
    expect(outcome.result).toBe(CompactResult.COMPACT_PARTIAL_SKIPPED);
  });
});

describe('capture (spec slowpath-compaction 4.23)', () => {
  /** Example 8: chunks of eight pages alternate; a block that is emptied merges to order 9. */
  const OPTIONS: WorldOptions = {
    startPfn: 0x1000,
    endPfn: 0x2000,
    watermark: [16, 20, 24],
    kind: (pfn) => {
      if (pfn >= 0x1200 && pfn < 0x1400) return 'fixed';
      return pfn % 16 < 8 ? 'free' : 'lru';
    },
    freeOrder: (pfn) => (pfn % 16 < 8 ? 3 : 0),
  };

  it('the block that merges is the request’s, without any list and any pgalloc', () => {
    const of = createWorld(OPTIONS);
    of.ctx.zones[of.zone.id].blockskipFlush = true;
    const free = zoneState(of.model.vmstat, of.zone.id, ZoneStatItem.NR_FREE_PAGES);
    const pfn = of.buddy.allocPages(MOVABLE | Gfp.__GFP_COMP, 9);
    expect(pfn).toBe(0x1400);
    const { vmstat, map } = of.model;
    expect(vmEvent(vmstat, VmEvent.compact_success)).toBe(1);
    expect(vmEvent(vmstat, VmEvent.pgalloc_dma32)).toBe(0);
    expect(map.refcount[0x1400]).toBe(1);
    expect(zoneState(vmstat, of.zone.id, ZoneStatItem.NR_FREE_PAGES)).toBe(free - 512);
    expect(wrongOwners(of.model, claimedOf(of, OPTIONS, [[0x1400, 9]]))).toEqual([]);
    expect(of.ctx.zones[of.zone.id]).toMatchObject({
      considered: 0,
      orderFailed: 10,
      blockskipFlush: false,
    });
    // The block ends the run without a last look.
    expect(of.events.filter((line) => line.includes('finished')).at(-1)).not.toContain('success');
  });

  it('not for kernel threads', () => {
    const of = createWorld(OPTIONS);
    of.ctx.task.pfKthread = true;
    expect(of.buddy.allocPages(MOVABLE | Gfp.__GFP_COMP, 9)).toBe(0x1400);
    expect(vmEvent(of.model.vmstat, VmEvent.pgalloc_dma32)).toBe(512);
  });

  it('a callback that throws after a capture leaves the block on a list', () => {
    // Every free goes straight to the free lists: the upper eight pages merge first.
    const options: WorldOptions = {
      ...CHECKERBOARD,
      pcpHigh: 0,
      kind: (pfn) => (pfn < 0x1020 ? 'lru' : pfn >= 0x1600 && pfn % 2 === 0 ? 'free' : 'fixed'),
      blockType: (pfn) => (pfn === 0x1000 ? 0 : 1),
      host: {
        migrate: (from) => {
          if (from === 0x1017) throw new Error('too late');
          return 0;
        },
      },
    };
    const of = createWorld(options);
    const run = () => compact(of, Gfp.GFP_KERNEL, 3, COMPACT_PRIO_SYNC_LIGHT);
    expect(run).toThrow('too late');
    expect(of.moves).toHaveLength(8);
    expect(of.buddy.captureControl).toBeNull();
    expect(freeListToArray(of.model.areas, of.zone.id, 3, 0)).toEqual([0x1018]);
    expect(wrongOwners(of.model, claimedOf(of, options))).toEqual([]);
  });

  it('a block may be captured in the middle of a batch', () => {
    const options: WorldOptions = {
      ...CHECKERBOARD,
      pcpHigh: 0,
      kind: (pfn) => (pfn < 0x1020 ? 'lru' : pfn >= 0x1600 && pfn % 2 === 0 ? 'free' : 'fixed'),
      blockType: (pfn) => (pfn === 0x1000 ? 0 : 1),
    };
    const of = createWorld(options);
    const outcome = compact(of, Gfp.GFP_KERNEL, 3, COMPACT_PRIO_SYNC_LIGHT);
    expect(outcome).toEqual({ result: CompactResult.COMPACT_SUCCESS, captured: 0x1018 });
    expect(wrongOwners(of.model, claimedOf(of, options, [[0x1018, 3]]))).toEqual([]);
  });
});
