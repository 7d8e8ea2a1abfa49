import { describe, expect, it } from 'vitest';
import { freeListToArray } from '../../src/mm/free-area.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { pageblockSkip } from '../../src/mm/page-map.ts';
import { VmEvent, ZoneStatItem } from '../../src/mm/vm-items.ts';
import { vmEvent, zoneState } from '../../src/mm/vmstat.ts';
import { CompactControl, directCompactRequest } from '../../src/slowpath/compact-control.ts';
import { compactZone } from '../../src/slowpath/compact-zone.ts';
import { CompactPriority, CompactResult } from '../../src/slowpath/constants.ts';
import { compactMemory } from '../../src/slowpath/kcompactd.ts';
import type { CaptureControl } from '../../src/slowpath/types.ts';
import { claimedOf, createWorld, type World, type WorldOptions, wrongOwners } from './world.ts';

const MOVABLE = Gfp.GFP_HIGHUSER_MOVABLE;

/** Examples 6 and 7: odd pages of the first and last block are free, the middle is fixed. */
function checkerboard(): World {
  return createWorld({
    startPfn: 0x1000,
    endPfn: 0x1800,
    watermark: [8, 10, 12],
    kind: (pfn) => {
      if (pfn >= 0x1200 && pfn < 0x1600) return 'fixed';
      return pfn % 2 === 0 ? 'lru' : 'free';
    },
  });
}

function direct(world: World, order: number, priority: number): CompactControl {
  const request = directCompactRequest(MOVABLE, order, 0, 3, priority, 0);
  return new CompactControl(request, world.zone, world.ctx.zones[world.zone.id]);
}

describe('compact_zone', () => {
  it('example 6: a direct run of order 3 empties the first block', () => {
    const world = checkerboard();
    const control = direct(world, 3, CompactPriority.COMPACT_PRIO_SYNC_LIGHT);
    const result = compactZone(world.ctx, control, null);
    expect(result).toBe(CompactResult.COMPACT_SUCCESS);
    expect(world.events.slice(0, 8)).toEqual([
      'mm_compaction_suitable: node=0 zone=DMA32    order=3 ret=continue',
      'mm_compaction_begin: zone_start=0x1000 migrate_pfn=0x1000 free_pfn=0x1600 zone_end=0x1800, mode=sync',
      'mm_compaction_finished: node=0 zone=DMA32    order=3 ret=no_suitable_page',
      'mm_compaction_isolate_migratepages: range=(0x1000 ~ 0x103f) nr_scanned=63 nr_taken=32',
      'mm_migrate_pages_start: mode=MIGRATE_SYNC_LIGHT reason=compaction',
      'mm_compaction_isolate_freepages: range=(0x1600 ~ 0x163e) nr_scanned=62 nr_taken=31',
      'mm_migrate_pages: nr_succeeded=32 nr_failed=0 nr_thp_succeeded=0 nr_thp_failed=0 nr_thp_split=0 mode=MIGRATE_SYNC_LIGHT reason=compaction',
      'mm_compaction_migratepages: nr_migrated=32 nr_failed=0',
    ]);
    const freeRanges = world.events.filter((line) => line.includes('isolate_freepages'));
    const stops = ['163e', '167c', '16ba', '16f8', '1736', '1774', '17b2', '17f0'];
    expect(freeRanges).toEqual(
      stops.map((stop, round) => {
        const scanned = 62 * (round + 1);
        return `mm_compaction_isolate_freepages: range=(0x1600 ~ 0x${stop}) nr_scanned=${scanned} nr_taken=31`;
      }),
    );
    expect(world.events.slice(-3)).toEqual([
      'mm_compaction_isolate_migratepages: range=(0x11ff ~ 0x1200) nr_scanned=1 nr_taken=0',
      'mm_compaction_finished: node=0 zone=DMA32    order=3 ret=success',
      'mm_compaction_end: zone_start=0x1000 migrate_pfn=0x1200 free_pfn=0x1600 zone_end=0x1800, mode=sync status=success',
    ]);
    expect(world.moves.slice(0, 2)).toEqual(['103e>163d', '103c>163b']);
    expect(world.moves.slice(30, 32)).toEqual(['1002>1601', '1000>17ff']);
  });

  it('example 6: the state that the run leaves behind', () => {
    const world = checkerboard();
    const { model, zone, ctx } = world;
    compactZone(ctx, direct(world, 3, CompactPriority.COMPACT_PRIO_SYNC_LIGHT), null);
    expect(vmEvent(model.vmstat, VmEvent.compact_migrate_scanned)).toBe(512);
    expect(vmEvent(model.vmstat, VmEvent.compact_free_scanned)).toBe(2240);
    expect(vmEvent(model.vmstat, VmEvent.compact_isolated)).toBe(512);
    expect(freeListToArray(model.areas, zone.id, 9, 1)).toEqual([0x1000]);
    expect(zoneState(model.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES)).toBe(512);
    const skipped = [0x1000, 0x1200, 0x1400, 0x1600].filter((b) => pageblockSkip(model.map, b));
    expect(skipped).toEqual([0x1000]);
    const state = ctx.zones[zone.id];
    expect(state.cachedMigratePfn).toEqual([0x1400, 0x1400]);
    expect(state.cachedFreePfn).toBe(0x1400);
  });

  it('example 7: compact_memory scans everything and rescans', () => {
    const world = checkerboard();
    const { model, zone, ctx } = world;
    compactMemory(ctx, 0);
    const scans = world.events.filter((line) => line.includes('isolate_'));
    expect(scans).toEqual([
      'mm_compaction_isolate_migratepages: range=(0x1000 ~ 0x103f) nr_scanned=63 nr_taken=32',
      'mm_compaction_isolate_freepages: range=(0x1600 ~ 0x1640) nr_scanned=64 nr_taken=32',
      'mm_compaction_isolate_migratepages: range=(0x103f ~ 0x1200) nr_scanned=449 nr_taken=224',
      'mm_compaction_isolate_freepages: range=(0x1640 ~ 0x1800) nr_scanned=448 nr_taken=224',
      'mm_compaction_isolate_migratepages: range=(0x1200 ~ 0x1400) nr_scanned=512 nr_taken=0',
    ]);
    expect(world.moves[0]).toBe('103e>163f');
    expect(world.moves[31]).toBe('1000>1601');
    expect(world.moves[32]).toBe('11fe>17ff');
    expect(world.events.at(-1)).toBe(
      'mm_compaction_end: zone_start=0x1000 migrate_pfn=0x1400 free_pfn=0x1400 zone_end=0x1800, mode=sync status=complete',
    );
    const skipped = [0x1000, 0x1200, 0x1400, 0x1600].filter((b) => pageblockSkip(model.map, b));
    expect(skipped).toEqual([0x1200, 0x1600]);
    expect(model.pagesets.count[zone.id]).toBe(256);
    expect(zoneState(model.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES)).toBe(256);
    expect(ctx.zones[zone.id].cachedMigratePfn).toEqual([0x1000, 0x1000]);
    expect(ctx.zones[zone.id].cachedFreePfn).toBe(0x1600);
  });

  it('example 8: an async run of order 9 is ended by a captured block', () => {
    const world = createWorld({
      startPfn: 0x1000,
      endPfn: 0x2000,
      watermark: [16, 20, 24],
      kind: (pfn) => {
        if (pfn >= 0x1200 && pfn < 0x1400) return 'fixed';
        return pfn % 16 < 8 ? 'free' : 'lru';
      },
      freeOrder: () => 3,
    });
    const { model, zone, ctx, buddy } = world;
    const control = direct(world, 9, CompactPriority.COMPACT_PRIO_ASYNC);
    const capture: CaptureControl = { zone: zone.id, order: 9, page: -1 };
    buddy.captureControl = capture;
    const result = compactZone(ctx, control, capture);
    buddy.captureControl = null;
    expect(result).toBe(CompactResult.COMPACT_SUCCESS);
    expect(capture.page).toBe(0x1400);
    const sources = world.events.filter((line) => line.includes('isolate_migratepages'));
    expect(sources).toEqual([
      'mm_compaction_isolate_migratepages: range=(0x1200 ~ 0x1400) nr_scanned=1 nr_taken=0',
      'mm_compaction_isolate_migratepages: range=(0x1400 ~ 0x1440) nr_scanned=36 nr_taken=32',
      'mm_compaction_isolate_migratepages: range=(0x1440 ~ 0x1600) nr_scanned=252 nr_taken=224',
    ]);
    expect(world.moves.slice(0, 2)).toEqual(['143f>1ff7', '143e>1ff6']);
    expect(world.moves[7]).toBe('1438>1ff0');
    expect(world.moves[8]).toBe('142f>1fe7');
    expect(world.events.at(-1)).toBe(
      'mm_compaction_end: zone_start=0x1000 migrate_pfn=0x1600 free_pfn=0x1e00 zone_end=0x2000, mode=async status=success',
    );
    const state = ctx.zones[zone.id];
    expect(state.cachedMigratePfn).toEqual([0x1800, 0x1600]);
    expect(state.cachedFreePfn).toBe(0x1c00);
    expect(zoneState(model.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES)).toBe(1280);
    expect(vmEvent(model.vmstat, VmEvent.compact_migrate_scanned)).toBe(324);
    expect(vmEvent(model.vmstat, VmEvent.compact_free_scanned)).toBe(291);
    expect(vmEvent(model.vmstat, VmEvent.compact_isolated)).toBe(512);
  });
});

describe('the ends of a run', () => {
  const small = (more: Partial<WorldOptions> = {}): World =>
    createWorld({
      startPfn: 0x1000,
      endPfn: 0x1800,
      watermark: [8, 10, 12],
      kind: (pfn) => {
        if (pfn >= 0x1200 && pfn < 0x1600) return 'fixed';
        return pfn % 2 === 0 ? 'lru' : 'free';
      },
      ...more,
    });

  it('SUCCESS and SKIPPED leave no begin and no end', () => {
    const rich = small({ kind: () => 'free', freeOrder: () => 9 });
    expect(compactZone(rich.ctx, direct(rich, 3, 1), null)).toBe(CompactResult.COMPACT_SUCCESS);
    const poor = small({ watermark: [5000, 6000, 7000] });
    expect(compactZone(poor.ctx, direct(poor, 3, 1), null)).toBe(CompactResult.COMPACT_SKIPPED);
    expect([...rich.events, ...poor.events].every((line) => line.includes('suitable'))).toBe(true);
  });

  it('a signal in the scanner: CONTENDED, and all is put back', () => {
    const world = small();
    const control = direct(world, 3, CompactPriority.COMPACT_PRIO_SYNC_LIGHT);
    let finished = 0;
    world.ctx.trace = {
      mmCompactionFinished: () => {
        finished++;
        world.ctx.task.fatalSignalPending = true;
      },
    };
    expect(compactZone(world.ctx, control, null)).toBe(CompactResult.COMPACT_CONTENDED);
    expect(finished).toBe(1);
    expect(world.lru.pages).toHaveLength(512);
    expect(control.nrMigratepages).toBe(0);
  });

  it('no targets although the scanners have not met: CONTENDED', () => {
    const world = small({
      kind: (pfn) => (pfn < 0x1200 ? (pfn % 2 === 0 ? 'lru' : 'free') : 'fixed'),
    });
    const control = direct(world, 3, CompactPriority.COMPACT_PRIO_SYNC_LIGHT);
    // Keep the free scanner where it is: nothing is looked at below it.
    world.ctx.zones[world.zone.id].initFreePfn = 0x2000;
    world.ctx.zones[world.zone.id].cachedFreePfn = 0x1600;
    const result = compactZone(world.ctx, control, null);
    expect([CompactResult.COMPACT_CONTENDED, CompactResult.COMPACT_PARTIAL_SKIPPED]).toContain(
      result,
    );
    expect(world.lru.pages).toHaveLength(256);
    const claimed = claimedOf(world, {
      startPfn: 0x1000,
      endPfn: 0x1800,
      watermark: [0, 0, 0],
      kind: (pfn) => (pfn < 0x1200 ? (pfn % 2 === 0 ? 'lru' : 'free') : 'fixed'),
    });
    expect(wrongOwners(world.model, claimed)).toEqual([]);
  });

  it('an async run goes on behind a piece whose pages fail', () => {
    const failed: number[] = [];
    const world = small({
      host: {
        migrate: (from) => {
          failed.push(from);
          return 2;
        },
      },
    });
    world.ctx.zones[world.zone.id].cachedFreePfn = 0x1600;
    const control = direct(world, 2, CompactPriority.COMPACT_PRIO_ASYNC);
    control.migratetype = 1;
    compactZone(world.ctx, control, null);
    const scans = world.events.filter((line) => line.includes('isolate_migratepages'));
    expect(scans.slice(0, 2)).toEqual([
      'mm_compaction_isolate_migratepages: range=(0x1000 ~ 0x1004) nr_scanned=4 nr_taken=2',
      'mm_compaction_isolate_migratepages: range=(0x1004 ~ 0x1008) nr_scanned=4 nr_taken=2',
    ]);
    expect(world.lru.pages).toHaveLength(512);
  });

  it('unused targets are freed and raise the cached position', () => {
    const world = small({ host: { migrate: () => 2 } });
    const control = direct(world, 3, CompactPriority.COMPACT_PRIO_SYNC_LIGHT);
    const state = world.ctx.zones[world.zone.id];
    compactZone(world.ctx, control, null);
    expect(control.nrFreepages).toBe(0);
    expect(state.cachedFreePfn).toBe(0x1600);
    expect(world.moves).toEqual([]);
    expect(world.model.pagesets.count[world.zone.id]).toBeGreaterThan(0);
  });

  it('an unused target raises the cached position to its block', () => {
    const world = small({ host: { migrate: (from) => (from === 0x1000 ? 2 : 0) } });
    const control = direct(world, 3, CompactPriority.COMPACT_PRIO_SYNC_LIGHT);
    expect(compactZone(world.ctx, control, null)).toBe(CompactResult.COMPACT_SUCCESS);
    // Example 6 leaves it at 0x1400, one block lower.
    expect(world.ctx.zones[world.zone.id].cachedFreePfn).toBe(0x1600);
    expect(world.moves).toHaveLength(255);
  });

  it('deferral that ran its full length resets the hints first', () => {
    const world = small();
    const state = world.ctx.zones[world.zone.id];
    Object.assign(state, { deferShift: 6, considered: 64, blockskipFlush: true });
    compactZone(world.ctx, direct(world, 3, 1), null);
    expect(state.initMigratePfn).toBe(0x1000);
  });

  it('a zone with holes: blocks that leave it are passed over', () => {
    const world = small();
    world.zone.contiguous = false;
    world.model.map.zone[0x11ff] = 0;
    compactMemory(world.ctx, 0);
    const scans = world.events.filter((line) => line.includes('isolate_migratepages'));
    expect(scans).toEqual([
      'mm_compaction_isolate_migratepages: range=(0x1200 ~ 0x1400) nr_scanned=512 nr_taken=0',
      'mm_compaction_isolate_migratepages: range=(0x1400 ~ 0x1600) nr_scanned=512 nr_taken=0',
    ]);
  });

  it('async direct runs take blocks of their own type only', () => {
    const world = small({ blockType: (pfn) => (pfn === 0x1000 ? 0 : 1) });
    compactZone(world.ctx, direct(world, 3, CompactPriority.COMPACT_PRIO_ASYNC), null);
    expect(world.events.some((line) => line.includes('range=(0x1000'))).toBe(false);
  });

  it('pageblocks of order 10', () => {
    const world = createWorld({
      startPfn: 0x1000,
      endPfn: 0x2000,
      pageblockOrder: 10,
      watermark: [8, 10, 12],
      kind: (pfn) => {
        if (pfn >= 0x1400 && pfn < 0x1c00) return 'fixed';
        return pfn % 2 === 0 ? 'lru' : 'free';
      },
    });
    expect(compactZone(world.ctx, direct(world, 3, 1), null)).toBe(CompactResult.COMPACT_SUCCESS);
    expect(world.ctx.zones[world.zone.id].cachedMigratePfn).toEqual([0x1800, 0x1800]);
    expect(freeListToArray(world.model.areas, world.zone.id, 10, 1)).toEqual([0x1000]);
  });
});
