import { describe, expect, test } from 'vitest';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { NodeStatItem, type NodeStatName, ZoneStatItem } from '../../src/mm/vm-items.ts';
import { nodeState, zoneState } from '../../src/mm/vmstat.ts';
import { World } from './support.ts';

const { PG_dirty, PG_reclaim, PG_writeback } = PageFlag;

function count(world: World, name: NodeStatName): number {
  return nodeState(world.model.vmstat, 0, NodeStatItem[name]);
}

function pending(world: World): number {
  return zoneState(world.model.vmstat, 2, ZoneStatItem.NR_ZONE_WRITE_PENDING);
}

describe('dirty pages (spec 4.13)', () => {
  test('are counted once, and lose the reclaim mark', () => {
    const world = new World();
    const pfn = world.lruPage({ reclaim: true });
    expect(world.reclaim.folioMarkDirty(pfn)).toBe(true);
    expect(world.reclaim.folioMarkDirty(pfn)).toBe(false);
    expect(world.has(pfn, PG_reclaim)).toBe(false);
    expect([count(world, 'nr_dirty'), count(world, 'nr_dirtied'), pending(world)]).toEqual([
      1, 1, 1,
    ]);
    expect(world.reclaim.folioClearDirtyForIo(pfn)).toBe(true);
    expect(world.reclaim.folioClearDirtyForIo(pfn)).toBe(false);
    expect([count(world, 'nr_dirty'), count(world, 'nr_dirtied'), pending(world)]).toEqual([
      0, 1, 0,
    ]);
  });

  test('of memory and of files without accounting only change their flags', () => {
    const world = new World({ host: { accountsDirty: () => false } });
    for (const pfn of [
      world.lruPage({ anon: true, reclaim: true }),
      world.lruPage({ reclaim: true }),
    ]) {
      world.reclaim.folioMarkDirty(pfn);
      expect(world.has(pfn, PG_dirty)).toBe(true);
      expect(world.has(pfn, PG_reclaim)).toBe(false);
      expect([count(world, 'nr_dirty'), pending(world)]).toEqual([0, 0]);
      world.reclaim.folioClearDirtyForIo(pfn);
      expect([count(world, 'nr_dirty'), pending(world)]).toEqual([0, 0]);
    }
  });

  test('of files are told to the host', () => {
    const told: number[] = [];
    const world = new World({ host: { dirtyFolio: (pfn) => void told.push(pfn) } });
    const file = world.lruPage();
    const anon = world.lruPage({ anon: true });
    for (const pfn of [file, anon, file]) world.reclaim.folioMarkDirty(pfn);
    expect(told).toEqual([file]);
  });
});

describe('write-back (spec 4.13)', () => {
  test('counts, and ends with a rotation if reclaim waits for the page', () => {
    const world = new World();
    const [a, b, c] = world.lruPages(3);
    world.reclaim.folioStartWriteback(c);
    world.reclaim.folioStartWriteback(c);
    expect([count(world, 'nr_writeback'), pending(world)]).toEqual([1, 1]);
    world.model.map.flags[c] |= PG_reclaim;
    world.reclaim.folioEndWriteback(c);
    expect(world.has(c, PG_writeback | PG_reclaim)).toBe(false);
    expect([count(world, 'nr_writeback'), count(world, 'nr_written'), pending(world)]).toEqual([
      0, 1, 0,
    ]);
    expect(world.reclaim.lruList(0, 2)).toEqual([c, b, a]);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 2)).toEqual([b, a, c]);
  });

  test('counts for sleepers, and wakes them after 32 pages each', () => {
    const world = new World();
    const pages = world.lruPages(70);
    world.state.nrWritebackThrottled[0] = 2;
    for (const pfn of pages) world.reclaim.folioStartWriteback(pfn);
    pages.forEach((pfn, i) => {
      world.reclaim.folioEndWriteback(pfn);
      expect(world.state.writebackWoken[0]).toBe(i >= 64 ? 1 : 0);
    });
    expect(count(world, 'nr_throttled_written')).toBe(70);
  });
});
