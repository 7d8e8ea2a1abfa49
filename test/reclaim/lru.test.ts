// covers: src/reclaim/lru.ts src/reclaim/folio.ts src/reclaim/constants.ts src/reclaim/state.ts
import { describe, expect, test } from 'vitest';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import { NodeStatItem, ZoneStatItem } from '../../src/mm/vm-items.ts';
import { modNodeState, nodeState, zoneState } from '../../src/mm/vmstat.ts';
import { compactGap, LruList } from '../../src/reclaim/constants.ts';
import {
  hasMapping,
  inSwapcache,
  isAnon,
  isEvictable,
  isFileLru,
  kindOf,
  lruOf,
  PG_SWAPCACHE,
} from '../../src/reclaim/folio.ts';
import {
  lruNoteCost,
  lruvecAddFolioTail,
  lruvecDelFolio,
  lruvecLruSize,
  nodeOf,
  snapshotRefaults,
} from '../../src/reclaim/lru.ts';
import { beginIsolation, endIsolation } from '../../src/reclaim/state.ts';
import { World } from './support.ts';

const ANON = PageMark.MAPPING | PageMark.MAPPING_ANON;

describe('what flags say about a page (spec 2.3)', () => {
  test.each([
    [0, LruList.LRU_INACTIVE_FILE],
    [PageFlag.PG_active, LruList.LRU_ACTIVE_FILE],
    [PageFlag.PG_swapbacked, LruList.LRU_INACTIVE_ANON],
    [PageFlag.PG_swapbacked | PageFlag.PG_active, LruList.LRU_ACTIVE_ANON],
    [PageFlag.PG_unevictable, LruList.LRU_UNEVICTABLE],
    [PageFlag.PG_unevictable | PageFlag.PG_swapbacked, LruList.LRU_UNEVICTABLE],
    // A droppable anonymous page lives on the file lists.
    [ANON, LruList.LRU_INACTIVE_FILE],
  ])('flags 0x%s belong on list %s', (flags, lru) => {
    expect(lruOf(flags)).toBe(lru);
    expect(kindOf(flags)).toBe(isFileLru(flags) ? 1 : 0);
  });

  test('mapping kinds', () => {
    expect(isAnon(ANON)).toBe(true);
    expect(isAnon(PageMark.MAPPING)).toBe(false);
    expect(hasMapping(PageMark.MAPPING)).toBe(true);
    expect(hasMapping(ANON | PageFlag.PG_swapbacked)).toBe(false);
    expect(hasMapping(ANON | PageFlag.PG_swapbacked | PG_SWAPCACHE)).toBe(true);
    expect(hasMapping(0)).toBe(false);
    // The swap cache bit is the owner's own bit on pages that are not backed by swap.
    expect(inSwapcache(PG_SWAPCACHE)).toBe(false);
  });

  test('evictable is about the cause', () => {
    expect(isEvictable(PageFlag.PG_unevictable)).toBe(true);
    expect(isEvictable(PageFlag.PG_mlocked)).toBe(false);
    expect(isEvictable(PageMark.MAPPING | PageMark.MAPPING_UNEVICTABLE)).toBe(false);
  });
});

describe('lists and their sizes (spec 4.9)', () => {
  test('pages enter at the head, or at the tail, and count in node and zone', () => {
    const world = new World({ nodes: [[8, 0, 8, 0]] });
    const [a, b] = world.lruPages(2);
    const low = world.lruPage({ zone: 0 });
    const last = world.page();
    world.model.map.flags[last] |= PageFlag.PG_lru;
    lruvecAddFolioTail(world.state, last, 0);
    expect(world.reclaim.lruList(0, 2)).toEqual([low, b, a, last]);
    const { vmstat } = world.model;
    expect(nodeState(vmstat, 0, NodeStatItem.nr_inactive_file)).toBe(4);
    expect(zoneState(vmstat, 2, ZoneStatItem.NR_ZONE_INACTIVE_FILE)).toBe(3);
    expect(zoneState(vmstat, 0, ZoneStatItem.NR_ZONE_INACTIVE_FILE)).toBe(1);
    expect(lruvecLruSize(world.state, 0, 2, 0)).toBe(1);
    expect(lruvecLruSize(world.state, 0, 2, 3)).toBe(4);
  });

  test('the unevictable list has a size but no order', () => {
    const world = new World();
    const pfn = world.page({ mlocked: true });
    world.reclaim.folioAddLru(pfn);
    world.reclaim.lruAddDrain();
    expect(nodeState(world.model.vmstat, 0, NodeStatItem.nr_unevictable)).toBe(1);
    lruvecDelFolio(world.state, pfn, 0);
    expect(nodeState(world.model.vmstat, 0, NodeStatItem.nr_unevictable)).toBe(0);
  });

  test('zones of unmanaged memory do not count', () => {
    const world = new World({ nodes: [[8, 0, 8, 0]] });
    world.lruPage({ zone: 0 });
    world.zone(0).managedPages = 0;
    expect(lruvecLruSize(world.state, 0, 2, 3)).toBe(0);
  });

  test('nodes have lists of their own', () => {
    const world = new World({
      nodes: [
        [0, 0, 8, 0],
        [0, 0, 8, 0],
      ],
    });
    const pfn = world.lruPage({ node: 1 });
    expect(nodeOf(world.state, pfn)).toBe(1);
    expect(world.reclaim.lruList(0, 2)).toEqual([]);
    expect(world.reclaim.lruList(1, 2)).toEqual([pfn]);
  });
});

describe('cost (spec 4.21)', () => {
  test('is halved above a quarter of the lists, also when nothing is added', () => {
    const world = new World();
    world.lruPages(40);
    const { state } = world;
    lruNoteCost(state, 0, true, 7);
    lruNoteCost(state, 0, false, 3);
    expect([state.fileCost[0], state.anonCost[0]]).toEqual([7, 3]);
    lruNoteCost(state, 0, true, 1);
    expect([state.fileCost[0], state.anonCost[0]]).toEqual([4, 1]);
    state.fileCost[0] = 21;
    lruNoteCost(state, 0, false, 0);
    expect([state.fileCost[0], state.anonCost[0]]).toEqual([10, 0]);
  });
});

test('refaults are remembered by kind', () => {
  const world = new World();
  const { vmstat } = world.model;
  modNodeState(vmstat, 0, 0, NodeStatItem.workingset_activate_anon, 3);
  modNodeState(vmstat, 0, 0, NodeStatItem.workingset_activate_file, 5);
  snapshotRefaults(world.state, 0);
  expect([...world.state.refaults]).toEqual([3, 5]);
});

test('the private lists are nobody else’s', () => {
  const { state } = new World();
  beginIsolation(state);
  expect(() => beginIsolation(state)).toThrow(expect.objectContaining({ code: 'REENTERED' }));
  endIsolation(state);
  beginIsolation(state);
});

test('compaction wants twice a block free', () => {
  expect(compactGap(0)).toBe(2);
  expect(compactGap(9)).toBe(1024);
});
