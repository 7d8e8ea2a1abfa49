import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { Reclaim } from '../../src/reclaim/reclaim.ts';
import { RmapMark } from '../../src/reclaim/rmap.ts';
import { Swap } from '../../src/reclaim/swap.ts';
import { World } from './support.ts';

/** A machine with something in every corner. */
function busy(): World {
  const world = new World({ nodes: [[16, 0, 256, 0]], cpuNode: [0, 0], swapPages: 8 });
  world.lruPages(40);
  world.lruPages(10, { active: true, referenced: true });
  world.lruPages(10, { anon: true, young: 1, marks: RmapMark.DIRTY });
  world.lruPages(3, { zone: 0 });
  const locked = world.lruPage();
  world.reclaim.mlockFolio(locked);
  world.reclaim.mlockFolio(locked);
  world.reclaim.lruAddDrain();
  world.reclaim.folioAddLru(world.page());
  world.reclaim.mlockNewPage(world.page({ anon: true }), 1);
  world.reclaim.folioActivate(world.reclaim.lruList(0, 2)[3], 1);
  world.reclaim.registerShrinker({
    name: 'cache',
    countObjects: () => 100,
    scanObjects: () => -1,
  });
  world.reclaim.shrinkSlab(Gfp.GFP_KERNEL, 0, 2);
  world.reclaim.startKswapd();
  world.state.swap.alloc();
  return world;
}

/** What a run of everything leaves behind. */
function trail(world: World, reclaim: Reclaim): unknown {
  reclaim.state.trace = null;
  world.zone().watermark.set([10, 20, 230, 240]);
  reclaim.wakeupKswapd(2, Gfp.GFP_KERNEL, 0, 2);
  reclaim.settleKswapd(0);
  reclaim.lruAddDrainAll();
  return [reclaim.snapshot(), [...world.pages.freed]];
}

test('a restored machine goes on with the same results', () => {
  const world = busy();
  const saved = structuredClone(world.reclaim.snapshot());
  const { map, vmstat } = world.model;
  const pages = [map.flags, map.refcount, map.mapcount, map.private].map((array) => array.slice());
  const counters = vmstat.snapshot();
  const free = world.pages.free.map((zone) => [...zone]);
  const marks = [...world.zone().watermark];
  const expected = trail(world, world.reclaim);
  // Another reclaim module over the same memory model, put back to the moment of the snapshot.
  [map.flags, map.refcount, map.mapcount, map.private].forEach((array, i) => {
    array.set(pages[i]);
  });
  vmstat.restore(counters);
  world.pages.free.forEach((zone, i) => {
    zone.splice(0, zone.length, ...free[i]);
  });
  world.pages.freed.length = 0;
  world.zone().watermark.set(marks);
  Object.assign(world.model.nodes[0], { kswapdFailures: 0, kswapdOrder: 0 });
  const again = new Reclaim({
    model: world.model,
    allocator: world.pages,
    swap: new Swap(8),
    checks: 'full',
  });
  again.registerShrinker({ name: 'cache', countObjects: () => 100, scanObjects: () => -1 });
  again.restore(saved);
  expect(again.snapshot()).toEqual(saved);
  expect(trail(world, again)).toEqual(expected);
});

test('pages in add batches are known after a restore', () => {
  const world = busy();
  const waiting = world.page();
  world.reclaim.folioAddLru(waiting);
  const saved = world.reclaim.snapshot();
  world.model.map.next[waiting] = 0;
  world.reclaim.restore(saved);
  expect(() => world.reclaim.folioAddLru(waiting)).toThrow(
    expect.objectContaining({ code: 'BAD_STATE' }),
  );
});

test('listed pages that wait for a lock or its end stay on their list', () => {
  const world = busy();
  const [first, second] = world.reclaim.lruList(0, 2);
  world.reclaim.mlockFolio(first);
  world.reclaim.munlockPage(second);
  const saved = world.reclaim.snapshot();
  world.reclaim.restore(saved);
  expect(world.reclaim.lruList(0, 2).slice(0, 2)).toEqual([first, second]);
  world.reclaim.lruAddDrain();
  expect(world.reclaim.lruList(0, 2)).not.toContain(first);
  expect(world.event('unevictable_pgs_culled')).toBe(2);
});

test('mappings made after the snapshot are forgotten', () => {
  const world = busy();
  const saved = world.reclaim.snapshot();
  const pfn = world.lruPage();
  world.state.rmap.young[pfn] = 2;
  world.state.rmap.marks[pfn] = RmapMark.EXEC;
  world.reclaim.lruvecDelFolio(pfn);
  world.reclaim.restore(saved);
  expect([world.state.rmap.young[pfn], world.state.rmap.marks[pfn]]).toEqual([0, 0]);
});
