import { describe, expect, test } from 'vitest';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { NodeStatItem } from '../../src/mm/vm-items.ts';
import { modNodeState, nodeState } from '../../src/mm/vmstat.ts';
import { RmapMark } from '../../src/reclaim/rmap.ts';
import { World } from './support.ts';

function isolated(world: World, pfns: readonly number[]): number[] {
  for (const pfn of pfns) world.reclaim.isolateLruPage(pfn);
  return [...pfns];
}

describe('reclaiming given pages (spec 4.30)', () => {
  test('the last one first; what is left goes back in order', () => {
    const world = new World();
    const pages = [
      world.lruPage(),
      world.lruPage({ extra: 1 }),
      world.lruPage({ active: true }),
      world.lruPage({ extra: 1, active: true }),
    ];
    expect(world.reclaim.reclaimPages(isolated(world, pages))).toBe(2);
    // The list is judged from its tail; the youngest judgement is freed first.
    expect(world.pages.freed).toEqual([pages[0], pages[2]]);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 2)).toEqual([pages[1], pages[3]]);
    expect(world.event('pgscan_direct') + world.event('pgsteal_direct')).toBe(0);
  });

  test('many at once: the youngest judgement is still freed first', () => {
    const world = new World({ checks: 'basic' });
    const pages = world.lruPages(600);
    expect(world.reclaim.reclaimPages(isolated(world, pages))).toBe(600);
    expect(world.pages.freed).toEqual(pages);
    const others = world.lruPages(600);
    world.reclaim.releasePages(others);
    expect(world.pages.freed.slice(600)).toEqual(others.toReversed());
  });

  test('runs of pages of one node', () => {
    const world = new World({
      nodes: [
        [0, 0, 16, 0],
        [0, 0, 16, 0],
      ],
    });
    const near = world.lruPages(2, { node: 0 });
    const far = world.lruPages(2, { node: 1 });
    world.reclaim.reclaimPages(isolated(world, [near[0], far[0], far[1], near[1]]));
    expect(world.pages.freed).toEqual([near[1], far[0], far[1], near[0]]);
  });

  test('pages on a list, or named twice, are refused', () => {
    const world = new World();
    const [a, b] = world.lruPages(2);
    expect(() => world.reclaim.reclaimPages([a])).toThrow(
      expect.objectContaining({ code: 'BAD_STATE' }),
    );
    isolated(world, [b]);
    expect(() => world.reclaim.reclaimPages([b, b])).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });
});

describe('clean pages of a contiguous range (spec 4.30)', () => {
  test('are freed whether they are used or not; the others stay isolated', () => {
    const world = new World();
    const pages = [
      world.lruPage({ mapped: 1, young: 1, referenced: true }),
      world.lruPage({ dirty: true }),
      world.lruPage({ anon: true }),
      world.lruPage({ active: true }),
      world.lruPage({ extra: 1 }),
    ];
    isolated(world, pages);
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem.nr_isolated_file, 4);
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem.nr_isolated_anon, 1);
    const left = world.reclaim.reclaimCleanPagesFromList(2, pages);
    expect(left).toEqual([pages[4], pages[1], pages[2]]);
    expect(world.pages.freed.toSorted()).toEqual([pages[0], pages[3]].toSorted());
    expect(nodeState(world.model.vmstat, 0, NodeStatItem.nr_isolated_file)).toBe(2);
  });

  test('a droppable page that was written to is anonymous from now on', () => {
    const world = new World();
    const pfn = world.lruPage({ lazyfree: true, marks: RmapMark.DIRTY });
    isolated(world, [pfn]);
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem.nr_isolated_file, 1);
    expect(world.reclaim.reclaimCleanPagesFromList(2, [pfn])).toEqual([pfn]);
    expect(nodeState(world.model.vmstat, 0, NodeStatItem.nr_isolated_file)).toBe(0);
    expect(nodeState(world.model.vmstat, 0, NodeStatItem.nr_isolated_anon)).toBe(1);
    expect(world.has(pfn, PageFlag.PG_swapbacked)).toBe(true);
  });
});

test('hibernation frees as much as wanted (spec 4.30)', () => {
  const world = new World();
  world.lruPages(1000);
  expect(world.reclaim.shrinkAllMemory(500)).toBeGreaterThanOrEqual(500);
  expect(world.reclaim.lruList(0, 2).length).toBeGreaterThan(0);
  expect(world.event('allocstall_movable')).toBe(1);
  expect(world.reclaim.task.pfMemalloc).toBe(false);
});
