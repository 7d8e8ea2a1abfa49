// covers: src/reclaim/rmap-walk.ts src/reclaim/rmap.ts
import { describe, expect, test } from 'vitest';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { NodeStatItem, type NodeStatName } from '../../src/mm/vm-items.ts';
import { nodeState } from '../../src/mm/vmstat.ts';
import { VmFlag } from '../../src/reclaim/constants.ts';
import { RmapMark } from '../../src/reclaim/rmap.ts';
import { rmapReferenced, rmapTryToUnmap } from '../../src/reclaim/rmap-walk.ts';
import { World } from './support.ts';

function count(world: World, name: NodeStatName): number {
  return nodeState(world.model.vmstat, 0, NodeStatItem[name]);
}

describe('mappings (spec 2.7)', () => {
  test('count pages, not mappings, by kind', () => {
    const world = new World();
    const file = world.lruPage();
    const anon = world.lruPage({ anon: true, mapped: 0, extra: 1 });
    world.reclaim.pageAddRmap(file);
    world.reclaim.pageAddRmap(file, false);
    world.reclaim.pageAddRmap(anon);
    expect([count(world, 'nr_mapped'), count(world, 'nr_anon_pages')]).toEqual([1, 1]);
    expect(world.model.map.refcount[file]).toBe(3);
    expect(world.state.rmap.young[file]).toBe(1);
    world.reclaim.pageRemoveRmap(file);
    world.reclaim.pageRemoveRmap(anon);
    expect([count(world, 'nr_mapped'), count(world, 'nr_anon_pages')]).toEqual([1, 0]);
    world.reclaim.pageRemoveRmap(file);
    expect(world.model.map.refcount[file]).toBe(1);
  });

  test('a dirty entry makes the page dirty when the last mapping goes', () => {
    const world = new World();
    const pfn = world.lruPage();
    world.reclaim.pageAddRmap(pfn);
    world.state.rmap.marks[pfn] |= RmapMark.DIRTY;
    world.reclaim.pageRemoveRmap(pfn);
    expect(world.has(pfn, PageFlag.PG_dirty)).toBe(true);
    expect(world.state.rmap.young[pfn]).toBe(0);
    expect(world.state.rmap.marks[pfn]).toBe(0);
  });
});

describe('the default reverse map (spec 2.7)', () => {
  test('tells how many mappings used a page, once', () => {
    const world = new World();
    const pfn = world.lruPage({ mapped: 3, young: 2, marks: RmapMark.EXEC });
    const result = { vmFlags: 0 };
    expect(rmapReferenced(world.state, pfn, result, 0)).toBe(2);
    expect(result.vmFlags).toBe(VmFlag.VM_EXEC);
    result.vmFlags = 0;
    expect(rmapReferenced(world.state, pfn, result, 0)).toBe(0);
    // Flags are those of the mappings that count.
    expect(result.vmFlags).toBe(0);
  });

  test('locks a page that it finds in a locked mapping', () => {
    const world = new World();
    const pfn = world.lruPage({ mapped: 1, young: 1, marks: RmapMark.LOCKED });
    const result = { vmFlags: 0 };
    rmapReferenced(world.state, pfn, result, 0);
    expect(result.vmFlags).toBe(VmFlag.VM_LOCKED);
    expect(world.has(pfn, PageFlag.PG_mlocked)).toBe(true);
    rmapTryToUnmap(world.state, pfn, 0);
    expect(world.model.map.mapcount[pfn]).toBe(1);
  });

  test('unmaps a page from everywhere', () => {
    const world = new World();
    const pfn = world.lruPage();
    for (let i = 0; i < 3; i++) world.reclaim.pageAddRmap(pfn);
    rmapTryToUnmap(world.state, pfn, 0);
    expect(world.model.map.mapcount[pfn]).toBe(0);
    expect(world.model.map.refcount[pfn]).toBe(1);
  });

  test('gives a droppable page back its swap when it was written to', () => {
    const world = new World();
    const clean = world.lruPage({ lazyfree: true, mapped: 1, extra: 1 });
    const dirty = world.lruPage({ lazyfree: true, mapped: 1, marks: RmapMark.DIRTY });
    for (const pfn of [clean, dirty]) world.reclaim.isolateLruPage(pfn);
    rmapTryToUnmap(world.state, clean, 0);
    rmapTryToUnmap(world.state, dirty, 0);
    expect(world.model.map.mapcount[clean]).toBe(0);
    expect(world.model.map.mapcount[dirty]).toBe(1);
    expect(world.has(dirty, PageFlag.PG_swapbacked)).toBe(true);
  });
});
