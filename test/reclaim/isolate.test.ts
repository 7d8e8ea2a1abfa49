// covers: src/reclaim/isolate.ts src/reclaim/isolate-lru.ts
import { describe, expect, test } from 'vitest';
import { listToArray } from '../../src/lib/list.ts';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { LruList } from '../../src/reclaim/constants.ts';
import { isolateLruFolios } from '../../src/reclaim/isolate.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { beginIsolation, ScratchList, scratchHead } from '../../src/reclaim/state.ts';
import { World, type WorldOptions } from './support.ts';

const FILE = LruList.LRU_INACTIVE_FILE;

function isolate(world: World, nrToScan: number, change: Partial<ScanControl> = {}): number[] {
  const sc = Object.assign(new ScanControl(), { mayUnmap: true }, change);
  beginIsolation(world.state);
  isolateLruFolios(world.state, 0, FILE, nrToScan, sc, 0);
  return listToArray(world.model.map, scratchHead(world.state, ScratchList.ISOLATED));
}

describe('isolation for reclaim (spec 4.21)', () => {
  const TWO_ZONES: WorldOptions = { nodes: [[0, 0, 64, 64]] };

  test('takes from the tail; the oldest page is at the tail of the private list', () => {
    const world = new World();
    const pages = world.lruPages(6);
    expect(isolate(world, 4)).toEqual([pages[3], pages[2], pages[1], pages[0]]);
    expect(world.reclaim.lruList(0, FILE)).toEqual([pages[5], pages[4]]);
    expect(world.state.isolation).toEqual({ scanned: 4, taken: 4, freed: 0 });
    expect(world.model.map.refcount[pages[0]]).toBe(2);
    expect(world.has(pages[0], PageFlag.PG_lru)).toBe(false);
  });

  test('pages of other zones are passed over and end at the head, in their order', () => {
    const lines: string[] = [];
    const trace = vmscanFtrace((event, text) => lines.push(`${event}: ${text}`));
    const world = new World({ ...TWO_ZONES, trace });
    const movable = world.lruPages(2, { zone: 3 });
    const normal = world.lruPages(2, { zone: 2 });
    const more = world.lruPages(3, { zone: 3 });
    const late = world.lruPage({ zone: 2 });
    expect(isolate(world, 2, { reclaimIdx: 2, order: 1 })).toEqual([normal[1], normal[0]]);
    expect(world.reclaim.lruList(0, FILE)).toEqual([
      movable[1],
      movable[0],
      late,
      more[2],
      more[1],
      more[0],
    ]);
    expect(world.event('pgskip_movable')).toBe(2);
    expect(lines).toEqual([
      'mm_vmscan_lru_isolate: isolate_mode=0 classzone=2 order=1 nr_requested=2 nr_scanned=4 nr_skipped=2 nr_taken=2 lru=inactive_file',
    ]);
  });

  test('a list of nothing but other zones is walked completely', () => {
    const world = new World(TWO_ZONES);
    const pages = world.lruPages(40, { zone: 3 });
    expect(isolate(world, 1, { reclaimIdx: 2 })).toEqual([]);
    expect(world.state.isolation).toEqual({ scanned: 40, taken: 0, freed: 0 });
    expect(world.reclaim.lruList(0, FILE)).toEqual(pages.toReversed());
    expect(world.event('pgskip_movable')).toBe(40);
  });

  test('mapped pages move to the head if they may not be unmapped', () => {
    const lines: string[] = [];
    const trace = vmscanFtrace((_, text) => lines.push(text));
    const world = new World({ trace });
    const [a, b, c] = [world.lruPage(), world.lruPage({ mapped: 1 }), world.lruPage()];
    expect(isolate(world, 3, { mayUnmap: false })).toEqual([c, a]);
    expect(world.reclaim.lruList(0, FILE)).toEqual([b]);
    expect(lines[0]).toContain('isolate_mode=2');
    expect(lines[0]).toContain('nr_scanned=3 nr_skipped=0 nr_taken=2');
  });

  test('nothing but such pages: they are looked at again and again', () => {
    const world = new World();
    const [a, b] = world.lruPages(2, { mapped: 1 });
    expect(isolate(world, 5, { mayUnmap: false })).toEqual([]);
    expect(world.state.isolation).toEqual({ scanned: 5, taken: 0, freed: 0 });
    expect(world.reclaim.lruList(0, FILE)).toEqual([a, b]);
    const single = new World();
    const pfn = single.lruPage({ mapped: 1 });
    const free = single.lruPage();
    expect(isolate(single, 7, { mayUnmap: false })).toEqual([free]);
    expect(single.state.isolation.scanned).toBe(7);
    expect(single.reclaim.lruList(0, FILE)).toEqual([pfn]);
  });

  test('an empty list is traced as well', () => {
    const lines: string[] = [];
    const world = new World({ trace: vmscanFtrace((_, text) => lines.push(text)) });
    isolate(world, 32);
    expect(lines).toHaveLength(1);
  });
});

describe('isolation of single pages (spec 4.30)', () => {
  test('takes a page off its list, but only once', () => {
    const world = new World();
    const [a, b] = world.lruPages(2, { active: true });
    expect(world.reclaim.isolateLruPage(a)).toBe(0);
    expect(world.reclaim.isolateLruPage(a)).toBe(-16);
    expect(world.reclaim.lruList(0, 3)).toEqual([b]);
    expect(world.has(a, PageFlag.PG_active)).toBe(true);
    expect(world.model.map.refcount[a]).toBe(2);
    world.reclaim.putbackLruPage(a);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 3)).toEqual([a, b]);
    expect(world.model.map.refcount[a]).toBe(1);
  });
});
