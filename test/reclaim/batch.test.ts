// covers: src/reclaim/batch.ts src/reclaim/mark-accessed.ts src/reclaim/release.ts
import { describe, expect, test } from 'vitest';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import type { VmEventName } from '../../src/mm/vm-items.ts';
import { PAGEVEC_SIZE } from '../../src/reclaim/constants.ts';
import { World } from './support.ts';

const { PG_active, PG_referenced, PG_reclaim, PG_swapbacked, PG_unevictable } = PageFlag;

describe('add batches (spec 4.10)', () => {
  test('E13: the 15th page flushes all; order of calls is order from the tail', () => {
    const world = new World({ cpuNode: [0, 0] });
    const q = Array.from({ length: 16 }, () => world.page());
    for (const pfn of q) world.reclaim.folioAddLru(pfn);
    expect(world.reclaim.lruList(0, 2)).toEqual(q.slice(0, PAGEVEC_SIZE).toReversed());
    expect(world.model.map.refcount[q[0]]).toBe(1);
    expect(world.model.map.refcount[q[15]]).toBe(2);
  });

  test('E13: a page in this CPU’s batch becomes active there, without an event', () => {
    const world = new World({ cpuNode: [0, 0] });
    const pfn = world.page();
    world.reclaim.folioAddLru(pfn);
    world.reclaim.folioMarkAccessed(pfn);
    expect(world.has(pfn, PG_referenced)).toBe(true);
    world.reclaim.folioMarkAccessed(pfn);
    expect(world.has(pfn, PG_active)).toBe(true);
    expect(world.has(pfn, PG_referenced)).toBe(false);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 3)).toEqual([pfn]);
    expect(world.event('pgactivate')).toBe(0);
    expect(world.state.nonresidentAge[0]).toBe(1);
  });

  test('E13: a page in another CPU’s batch stays inactive, but the clock ticks', () => {
    const world = new World({ cpuNode: [0, 0] });
    const pfn = world.page();
    world.reclaim.folioAddLru(pfn, 0);
    world.reclaim.folioMarkAccessed(pfn, 1);
    world.reclaim.folioMarkAccessed(pfn, 1);
    world.reclaim.lruAddDrainAll();
    expect(world.reclaim.lruList(0, 2)).toEqual([pfn]);
    expect(world.has(pfn, PG_referenced)).toBe(false);
    expect(world.state.nonresidentAge[0]).toBe(1);
  });

  test('a page that only its batch refers to is freed at the flush, the last one first', () => {
    const world = new World();
    const pages = [world.page(), world.page(), world.page()];
    for (const pfn of pages) {
      world.reclaim.folioAddLru(pfn);
      world.reclaim.folioPut(pfn);
    }
    world.reclaim.lruAddDrain();
    expect(world.pages.freed).toEqual(pages.toReversed());
  });

  test('pages that must stay go to the unevictable list', () => {
    const world = new World();
    const pfn = world.page({ mlocked: true, active: true });
    world.reclaim.folioAddLru(pfn);
    world.reclaim.lruAddDrain();
    expect(world.has(pfn, PG_unevictable)).toBe(true);
    expect(world.has(pfn, PG_active)).toBe(false);
    expect(world.event('unevictable_pgs_culled')).toBe(1);
    world.model.map.flags[pfn] &= ~PageFlag.PG_mlocked;
    world.reclaim.isolateLruPage(pfn);
    world.reclaim.putbackLruPage(pfn);
    world.reclaim.lruAddDrain();
    expect(world.event('unevictable_pgs_rescued')).toBe(1);
    expect(world.reclaim.lruList(0, 2)).toEqual([pfn]);
  });

  test('with batching off every page goes at once', () => {
    const world = new World();
    const early = world.page();
    world.reclaim.folioAddLru(early);
    world.reclaim.lruCacheDisable();
    expect(world.reclaim.lruList(0, 2)).toEqual([early]);
    const pfn = world.page();
    world.reclaim.folioAddLru(pfn);
    expect(world.reclaim.lruList(0, 2)).toEqual([pfn, early]);
    world.reclaim.lruCacheEnable();
    world.reclaim.folioAddLru(world.page());
    expect(world.reclaim.lruList(0, 2)).toEqual([pfn, early]);
    expect(() => world.reclaim.lruCacheEnable()).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });

  test('insertions and activations are traced', () => {
    const lines: string[] = [];
    const world = new World({
      trace: vmscanFtrace((event, text) => lines.push(`${event}: ${text}`)),
    });
    const pfn = world.page();
    world.reclaim.folioAddLru(pfn);
    world.reclaim.lruAddDrain();
    world.reclaim.folioActivate(pfn);
    world.reclaim.lruAddDrain();
    expect(lines).toEqual([
      `mm_lru_insertion: folio=ffffea0000000040 pfn=0x1 lru=2 flags= f    `,
      `mm_lru_activate: folio=ffffea0000000040 pfn=0x1`,
    ]);
  });
});

describe('other batches (spec 4.10)', () => {
  test('activation', () => {
    const world = new World();
    const [a, b] = world.lruPages(2);
    world.reclaim.folioActivate(a);
    // Already active when its turn comes: nothing happens a second time.
    world.reclaim.folioActivate(a);
    expect(world.reclaim.lruList(0, 2)).toEqual([b, a]);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 3)).toEqual([a]);
    expect(world.event('pgactivate')).toBe(1);
    expect(world.model.map.refcount[a]).toBe(1);
  });

  test('deactivation clears the reference and goes to the head', () => {
    const world = new World();
    const other = world.lruPage();
    const pfn = world.lruPage({ active: true, referenced: true });
    world.reclaim.deactivatePage(pfn);
    world.reclaim.deactivatePage(other);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 2)).toEqual([pfn, other]);
    expect(world.has(pfn, PG_referenced)).toBe(false);
    expect(world.event('pgdeactivate')).toBe(1);
  });

  test('deactivation of file pages: clean to the tail, dirty to the head, mapped not at all', () => {
    const world = new World();
    const [a, b] = world.lruPages(2);
    const dirty = world.lruPage({ dirty: true, active: true });
    const mapped = world.lruPage({ mapped: 1 });
    for (const pfn of [b, dirty, mapped]) world.reclaim.deactivateFileFolio(pfn);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 2)).toEqual([dirty, mapped, a, b]);
    expect(world.has(dirty, PG_reclaim)).toBe(true);
    expect(world.has(b, PG_reclaim)).toBe(false);
    expect(world.event('pgrotated')).toBe(1);
    expect(world.event('pgdeactivate')).toBe(1);
  });

  test('a page still in the add batch is passed over', () => {
    const world = new World();
    const pfn = world.page();
    world.reclaim.folioAddLru(pfn);
    world.reclaim.deactivateFileFolio(pfn);
    expect(world.model.map.refcount[pfn]).toBe(3);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 2)).toEqual([pfn]);
    expect(world.model.map.refcount[pfn]).toBe(1);
    // The add batch was flushed first, so that the page was on its list already.
    expect(world.event('pgrotated')).toBe(1);
  });

  test('an isolated page is passed over', () => {
    const world = new World();
    const pfn = world.lruPage();
    world.reclaim.folioActivate(pfn);
    world.reclaim.isolateLruPage(pfn);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 3)).toEqual([]);
    expect(world.has(pfn, PG_active)).toBe(false);
  });

  test('droppable pages move to the inactive file list', () => {
    const world = new World();
    const pfn = world.lruPage({ anon: true, active: true, referenced: true, mapped: 1 });
    world.reclaim.markPageLazyfree(pfn);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 2)).toEqual([pfn]);
    expect(world.has(pfn, PG_active | PG_referenced | PG_swapbacked)).toBe(false);
    expect(world.event('pglazyfree')).toBe(1);
    const file = world.lruPage();
    world.reclaim.markPageLazyfree(file);
    expect(world.model.map.refcount[file]).toBe(1);
  });

  test('rotation goes to the tail, but not for dirty, locked or active-less pages', () => {
    const world = new World();
    const [a, b] = world.lruPages(2);
    const dirty = world.lruPage({ dirty: true });
    world.reclaim.folioRotateReclaimable(b);
    world.reclaim.folioRotateReclaimable(dirty);
    world.model.map.flags[a] |= PageFlag.PG_locked;
    world.reclaim.folioRotateReclaimable(a);
    world.reclaim.lruAddDrain();
    expect(world.reclaim.lruList(0, 2)).toEqual([dirty, a, b]);
    expect(world.event('pgrotated')).toBe(1);
  });
});

describe('a page that became unevictable while it waited is left alone (spec 4.10)', () => {
  test.each<[string, object, (world: World, pfn: number) => void, string]>([
    ['rotation', {}, (world, pfn) => world.reclaim.folioRotateReclaimable(pfn), 'pgrotated'],
    ['of a file', {}, (world, pfn) => world.reclaim.deactivateFileFolio(pfn), 'pgrotated'],
    [
      'deactivation',
      { active: true },
      (world, pfn) => world.reclaim.deactivatePage(pfn),
      'pgdeactivate',
    ],
    ['dropping', { anon: true }, (world, pfn) => world.reclaim.markPageLazyfree(pfn), 'pglazyfree'],
    ['activation', {}, (world, pfn) => world.reclaim.folioActivate(pfn), 'pgactivate'],
  ])('%s', (_, options, enqueue, event) => {
    const world = new World();
    const pfn = world.lruPage(options);
    enqueue(world, pfn);
    // A full mlock batch is flushed before the other one.
    for (const locked of [pfn, ...world.lruPages(PAGEVEC_SIZE - 1)]) {
      world.reclaim.mlockFolio(locked);
    }
    expect(world.has(pfn, PG_unevictable)).toBe(true);
    world.reclaim.lruAddDrain();
    expect(world.event(event as VmEventName)).toBe(0);
    expect(world.has(pfn, PG_unevictable)).toBe(true);
    expect(world.has(pfn, PG_active)).toBe(false);
  });
});

describe('mark accessed (spec 4.11)', () => {
  test('two touches activate through the batch; the clock ticks at the call', () => {
    const world = new World();
    const pfn = world.lruPage();
    world.reclaim.folioMarkAccessed(pfn);
    world.reclaim.folioMarkAccessed(pfn);
    expect(world.has(pfn, PG_active)).toBe(false);
    expect(world.state.nonresidentAge[0]).toBe(1);
    world.reclaim.lruAddDrain();
    expect(world.has(pfn, PG_active)).toBe(true);
    expect(world.event('pgactivate')).toBe(1);
  });

  test('active and unevictable pages keep their reference', () => {
    const world = new World();
    const active = world.lruPage({ active: true, referenced: true });
    world.reclaim.folioMarkAccessed(active);
    expect(world.has(active, PG_referenced)).toBe(true);
    const locked = world.page({ mlocked: true, referenced: true });
    world.reclaim.folioAddLru(locked);
    world.reclaim.lruAddDrain();
    world.reclaim.folioMarkAccessed(locked);
    expect(world.has(locked, PG_referenced)).toBe(true);
    expect(world.state.nonresidentAge[0]).toBe(0);
  });
});

describe('releasing pages (spec 4.14)', () => {
  test('the last reference takes a page off its list', () => {
    const world = new World();
    const [a, b, c] = world.lruPages(3, { active: true });
    world.reclaim.folioPut(b);
    expect(world.reclaim.lruList(0, 3)).toEqual([c, a]);
    expect(world.pages.freed).toEqual([b]);
  });

  test('many pages are freed in reverse order', () => {
    const world = new World();
    const pages = world.lruPages(40);
    world.model.map.refcount[pages[7]]++;
    world.reclaim.releasePages(pages);
    expect(world.pages.freed).toEqual(pages.filter((_, i) => i !== 7).toReversed());
    expect(world.reclaim.lruList(0, 2)).toEqual([pages[7]]);
  });

  test('an mlocked page is counted when it is freed', () => {
    const world = new World();
    const pfn = world.lruPage();
    world.reclaim.mlockFolio(pfn);
    world.reclaim.lruAddDrain();
    world.reclaim.folioPut(pfn);
    expect(world.event('unevictable_pgs_cleared')).toBe(1);
  });
});
