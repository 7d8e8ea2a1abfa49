import { describe, expect, it } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { Migratetype } from '../../src/mm/migratetype.ts';
import { pageblockSkip, setPageblockSkip } from '../../src/mm/page-map.ts';
import { CompactControl } from '../../src/slowpath/compact-control.ts';
import {
  isSkipped,
  resetIsolationSuitable,
  updateCachedMigrate,
  updatePageblockSkip,
} from '../../src/slowpath/skip-hints.ts';
import { createWorld, type Kind, type World, type WorldOptions } from './world.ts';

const BLOCKS = [0x1000, 0x1200, 0x1400, 0x1600, 0x1800, 0x1a00, 0x1c00, 0x1e00];

/** Eight pageblocks of one kind each: only every eighth page is of that kind. */
function world(kinds: readonly Kind[], more: Partial<WorldOptions> = {}): World {
  const of = createWorld({
    startPfn: 0x1000,
    endPfn: 0x2000,
    watermark: [4, 5, 6],
    kind: (pfn) => (pfn % 8 === 0 ? (kinds[(pfn - 0x1000) >> 9] ?? 'fixed') : 'fixed'),
    ...more,
  });
  for (const block of BLOCKS) setPageblockSkip(of.model.map, block, true);
  of.ctx.zones[of.zone.id].blockskipFlush = true;
  return of;
}

const hints = (of: World): number[] => BLOCKS.filter((pfn) => pageblockSkip(of.model.map, pfn));
const state = (of: World) => of.ctx.zones[of.zone.id];

describe('__reset_isolation_suitable (spec slowpath-compaction 4.23)', () => {
  it('clears hints from both ends, where a sample shows something', () => {
    const f: Kind = 'fixed';
    const of = world([f, 'lru', f, 'lru', 'free', f, 'free', f]);
    resetIsolationSuitable(of.ctx, 0);
    expect(state(of)).toMatchObject({
      blockskipFlush: false,
      cachedMigratePfn: [0x1200, 0x1200],
      initMigratePfn: 0x1200,
      // Frames keep the remainder of the zone's last page.
      cachedFreePfn: 0x1dff,
      initFreePfn: 0x1dff,
    });
    expect(hints(of)).not.toContain(0x1200);
    expect(hints(of)).not.toContain(0x1c00);
    expect(hints(of)).toContain(0x1000);
    expect(hints(of)).toContain(0x1e00);
  });

  it('does nothing unless asked for', () => {
    const of = world(BLOCKS.map(() => 'lru'));
    state(of).blockskipFlush = false;
    resetIsolationSuitable(of.ctx, 0);
    expect(hints(of)).toEqual(BLOCKS);
  });

  it('with nothing to find both positions are in the middle', () => {
    const of = world([]);
    resetIsolationSuitable(of.ctx, 0);
    expect(hints(of)).toEqual(BLOCKS);
    expect(state(of)).toMatchObject({
      cachedMigratePfn: [0x1800, 0x1800],
      cachedFreePfn: 0x17ff,
      initMigratePfn: 0,
      initFreePfn: 0,
    });
  });

  it('targets are looked for in movable blocks, sources in all', () => {
    const blockType = (pfn: number) => (pfn >= 0x1800 ? Migratetype.MIGRATE_UNMOVABLE : 1);
    const of = world(['lru', 'lru', 'lru', 'lru', 'free', 'free', 'free', 'free'], { blockType });
    resetIsolationSuitable(of.ctx, 0);
    expect(state(of).initMigratePfn).toBe(0x1000);
    expect(state(of).initFreePfn).toBe(0);
  });

  it('once both are found, blocks without a hint count as such', () => {
    const of = world(['lru', 'fixed', 'fixed', 'fixed', 'fixed', 'fixed', 'fixed', 'free']);
    setPageblockSkip(of.model.map, 0x1200, false);
    resetIsolationSuitable(of.ctx, 0);
    expect(state(of).initMigratePfn).toBe(0x1000);
    expect(state(of).initFreePfn).toBe(0x1fff);
    expect(hints(of)).not.toContain(0x1200);
  });

  it('a huge compound page is neither', () => {
    const of = createWorld({
      startPfn: 0x1000,
      endPfn: 0x2000,
      watermark: [4, 5, 6],
      kind: () => 'huge',
      freeOrder: () => 9,
    });
    state(of).blockskipFlush = true;
    resetIsolationSuitable(of.ctx, 0);
    expect(state(of).initMigratePfn).toBe(0);
  });
});

describe('positions', () => {
  const control = (of: World, mode: number): CompactControl => {
    const request = { order: 4, gfp: Gfp.GFP_KERNEL, allocFlags: 0, highestZoneidx: 1, mode };
    return new CompactControl({ ...request, direct: true, cpu: 0 }, of.zone, state(of));
  };

  it('move one block too far; async runs leave the sync one', () => {
    const of = world([]);
    updateCachedMigrate(of.model, control(of, 0), 0x1200);
    expect(state(of).cachedMigratePfn).toEqual([0x1400, 0]);
    updateCachedMigrate(of.model, control(of, 1), 0x1000);
    expect(state(of).cachedMigratePfn).toEqual([0x1400, 0x1200]);
  });

  it('the free one only falls', () => {
    const of = world([]);
    setPageblockSkip(of.model.map, 0x1c00, false);
    state(of).cachedFreePfn = 0x1a00;
    updatePageblockSkip(of.model, control(of, 1), 0x1c00);
    expect(state(of).cachedFreePfn).toBe(0x1a00);
    updatePageblockSkip(of.model, control(of, 1), 0x1800);
    expect(state(of).cachedFreePfn).toBe(0x1800);
    expect(isSkipped(of.model, control(of, 1), 0x1c10)).toBe(true);
  });
});
