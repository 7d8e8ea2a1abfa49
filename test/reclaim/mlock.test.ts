// covers: src/reclaim/mlock.ts src/reclaim/mlock-batch.ts
import { describe, expect, test } from 'vitest';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import { ZoneStatItem } from '../../src/mm/vm-items.ts';
import { zoneState } from '../../src/mm/vmstat.ts';
import { mlockCount } from '../../src/reclaim/mlock-batch.ts';
import { World } from './support.ts';

const { PG_active, PG_mlocked, PG_unevictable } = PageFlag;

function nrMlock(world: World): number {
  return zoneState(world.model.vmstat, 2, ZoneStatItem.NR_MLOCK);
}

describe('mlock (spec 4.12)', () => {
  test('a page on a list moves to the unevictable one at the flush', () => {
    const world = new World();
    const pfn = world.lruPage({ active: true });
    world.reclaim.mlockFolio(pfn);
    expect(world.has(pfn, PG_mlocked)).toBe(true);
    expect(world.has(pfn, PG_unevictable)).toBe(false);
    expect(nrMlock(world)).toBe(1);
    world.reclaim.lruAddDrain();
    expect(world.has(pfn, PG_unevictable)).toBe(true);
    expect(world.has(pfn, PG_active)).toBe(false);
    expect(mlockCount(world.state, pfn)).toBe(1);
    expect(world.event('unevictable_pgs_culled')).toBe(1);
    expect(world.event('unevictable_pgs_mlocked')).toBe(1);
  });

  test('as many locks as munlocks', () => {
    const world = new World();
    const pfn = world.lruPage();
    for (let i = 0; i < 3; i++) world.reclaim.mlockFolio(pfn);
    world.reclaim.lruAddDrain();
    expect(mlockCount(world.state, pfn)).toBe(3);
    expect(nrMlock(world)).toBe(1);
    world.reclaim.munlockPage(pfn);
    world.reclaim.munlockPage(pfn);
    world.reclaim.lruAddDrain();
    expect(world.has(pfn, PG_mlocked)).toBe(true);
    world.reclaim.munlockPage(pfn);
    world.reclaim.lruAddDrain();
    expect(world.has(pfn, PG_mlocked | PG_unevictable)).toBe(false);
    expect(world.reclaim.lruList(0, 2)).toEqual([pfn]);
    expect(world.event('unevictable_pgs_munlocked')).toBe(1);
    expect(world.event('unevictable_pgs_rescued')).toBe(1);
    expect(nrMlock(world)).toBe(0);
  });

  test('new pages', () => {
    const world = new World();
    const pages = Array.from({ length: 15 }, () => world.page({ anon: true, mapped: 1 }));
    for (const pfn of pages) world.reclaim.mlockNewPage(pfn);
    expect(nrMlock(world)).toBe(15);
    for (const pfn of pages) expect(world.has(pfn, PG_unevictable)).toBe(true);
    expect(world.event('unevictable_pgs_culled')).toBe(15);
  });

  test('a new page that was unlocked before the flush goes to its ordinary list', () => {
    const world = new World();
    const pfn = world.page({ anon: true, mapped: 1 });
    world.reclaim.mlockNewPage(pfn);
    world.model.map.flags[pfn] &= ~PG_mlocked;
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 0)).toEqual([pfn]);
  });

  test('a lock that is gone again when its turn comes rescues the page', () => {
    const world = new World();
    const pfn = world.lruPage();
    world.reclaim.mlockFolio(pfn);
    world.reclaim.lruAddDrain();
    world.reclaim.mlockFolio(pfn);
    world.model.map.flags[pfn] &= ~PG_mlocked;
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 2)).toEqual([pfn]);
  });

  test('munlock of an isolated unevictable page strands it', () => {
    const world = new World();
    const pfn = world.lruPage();
    world.reclaim.mlockFolio(pfn);
    world.reclaim.lruAddDrain();
    world.reclaim.isolateLruPage(pfn);
    world.reclaim.munlockPage(pfn);
    world.reclaim.lruAddDrain();
    expect(world.event('unevictable_pgs_stranded')).toBe(1);
    expect(world.event('unevictable_pgs_munlocked')).toBe(0);
  });

  test('an isolated page is left alone by its lock entry', () => {
    const world = new World();
    const pfn = world.lruPage();
    world.reclaim.isolateLruPage(pfn);
    world.reclaim.mlockFolio(pfn);
    world.reclaim.lruAddDrain();
    expect(world.has(pfn, PG_unevictable)).toBe(false);
    world.reclaim.putbackLruPage(pfn);
    world.reclaim.lruAddDrain();
    expect(world.has(pfn, PG_unevictable)).toBe(true);
    expect(mlockCount(world.state, pfn)).toBe(0);
  });
});

test('pages are looked at again when their mapping becomes evictable', () => {
  const world = new World();
  const pages = [world.page(), world.page()];
  for (const pfn of pages) {
    world.model.map.flags[pfn] |= PageMark.MAPPING_UNEVICTABLE;
    world.reclaim.folioAddLru(pfn);
  }
  world.reclaim.lruAddDrain();
  const other = world.lruPage();
  world.model.map.flags[pages[0]] &= ~PageMark.MAPPING_UNEVICTABLE;
  world.reclaim.checkMoveUnevictableFolios([...pages, other]);
  expect(world.event('unevictable_pgs_scanned')).toBe(3);
  expect(world.event('unevictable_pgs_rescued')).toBe(1);
  expect(world.reclaim.lruList(0, 2)).toEqual([pages[0], other]);
});
