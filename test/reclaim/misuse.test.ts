// covers: src/reclaim/misuse.ts src/reclaim/lru-operations.ts src/reclaim/reclaim.ts
import { describe, expect, test } from 'vitest';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { ReclaimError } from '../../src/reclaim/errors.ts';
import type { Reclaim } from '../../src/reclaim/reclaim.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { World } from './support.ts';

/** Every call with one page, by name. */
const PAGE_CALLS: readonly [string, (reclaim: Reclaim, pfn: number, cpu?: number) => unknown][] = [
  ['folioAddLru', (reclaim, pfn, cpu) => reclaim.folioAddLru(pfn, cpu)],
  ['folioMarkAccessed', (reclaim, pfn, cpu) => reclaim.folioMarkAccessed(pfn, cpu)],
  ['folioActivate', (reclaim, pfn, cpu) => reclaim.folioActivate(pfn, cpu)],
  ['deactivatePage', (reclaim, pfn, cpu) => reclaim.deactivatePage(pfn, cpu)],
  ['deactivateFileFolio', (reclaim, pfn, cpu) => reclaim.deactivateFileFolio(pfn, cpu)],
  ['markPageLazyfree', (reclaim, pfn, cpu) => reclaim.markPageLazyfree(pfn, cpu)],
  ['folioRotateReclaimable', (reclaim, pfn, cpu) => reclaim.folioRotateReclaimable(pfn, cpu)],
  ['isolateLruPage', (reclaim, pfn, cpu) => reclaim.isolateLruPage(pfn, cpu)],
  ['putbackLruPage', (reclaim, pfn, cpu) => reclaim.putbackLruPage(pfn, cpu)],
  ['lruvecDelFolio', (reclaim, pfn, cpu) => reclaim.lruvecDelFolio(pfn, cpu)],
  ['mlockFolio', (reclaim, pfn, cpu) => reclaim.mlockFolio(pfn, cpu)],
  ['mlockNewPage', (reclaim, pfn, cpu) => reclaim.mlockNewPage(pfn, cpu)],
  ['munlockPage', (reclaim, pfn, cpu) => reclaim.munlockPage(pfn, cpu)],
  ['checkMove', (reclaim, pfn, cpu) => reclaim.checkMoveUnevictableFolios([pfn], cpu)],
  ['folioPut', (reclaim, pfn, cpu) => reclaim.folioPut(pfn, cpu)],
  ['releasePages', (reclaim, pfn, cpu) => reclaim.releasePages([pfn], cpu)],
  ['pageAddRmap', (reclaim, pfn, cpu) => reclaim.pageAddRmap(pfn, true, cpu)],
  ['pageRemoveRmap', (reclaim, pfn, cpu) => reclaim.pageRemoveRmap(pfn, cpu)],
  ['folioMarkDirty', (reclaim, pfn, cpu) => reclaim.folioMarkDirty(pfn, cpu)],
  ['folioClearDirtyForIo', (reclaim, pfn, cpu) => reclaim.folioClearDirtyForIo(pfn, cpu)],
  ['folioStartWriteback', (reclaim, pfn, cpu) => reclaim.folioStartWriteback(pfn, cpu)],
  ['folioEndWriteback', (reclaim, pfn, cpu) => reclaim.folioEndWriteback(pfn, cpu)],
  ['removeMapping', (reclaim, pfn, cpu) => reclaim.removeMapping(pfn, cpu)],
  ['workingsetRefault', (reclaim, pfn, cpu) => reclaim.workingsetRefault(pfn, 0, cpu)],
  ['reclaimPages', (reclaim, pfn, cpu) => reclaim.reclaimPages([pfn], cpu)],
];

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof ReclaimError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('calls on a page', () => {
  test.each(PAGE_CALLS)('%s refuses foreign and free pages, and foreign CPUs', (_, call) => {
    const world = new World();
    const pfn = world.page();
    const before = structuredClone(world.reclaim.snapshot());
    for (const foreign of [-1, 0, 0.5, 2 ** 31, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(codeOf(() => call(world.reclaim, foreign))).toBe('FOREIGN_PAGE');
    }
    expect(codeOf(() => call(world.reclaim, pfn + 1))).toBe('PAGE_FREE');
    for (const cpu of [-1, 1, 0.5]) {
      expect(codeOf(() => call(world.reclaim, pfn, cpu))).toBe('BAD_REQUEST');
    }
    expect(world.reclaim.snapshot()).toEqual(before);
  });

  test.each<[string, (world: World, pfn: number) => void]>([
    [
      'added twice',
      (world, pfn) => {
        world.reclaim.folioAddLru(pfn);
        world.reclaim.folioAddLru(pfn);
      },
    ],
    ['added from a list', (world) => world.reclaim.folioAddLru(world.lruPage())],
    ['put back from a list', (world) => world.reclaim.putbackLruPage(world.lruPage())],
    ['taken off no list', (world, pfn) => world.reclaim.lruvecDelFolio(pfn)],
    ['unmapped once too often', (world, pfn) => world.reclaim.pageRemoveRmap(pfn)],
    ['written, though it is not being', (world, pfn) => world.reclaim.folioEndWriteback(pfn)],
    [
      'locked as new, though it is not',
      (world, pfn) => {
        world.model.map.flags[pfn] |= PageFlag.PG_mlocked;
        world.reclaim.mlockNewPage(pfn);
      },
    ],
    ['refaulted on a list', (world) => world.reclaim.workingsetRefault(world.lruPage(), 0)],
  ])('a page %s', (_, call) => {
    const world = new World();
    const pfn = world.page();
    expect(codeOf(() => call(world, pfn))).toBe('BAD_STATE');
  });
});

describe('other calls', () => {
  test.each<[string, (reclaim: Reclaim) => unknown]>([
    ['a node', (reclaim) => reclaim.runKswapd(1)],
    ['a node', (reclaim) => reclaim.kswapdState(-1)],
    ['a node', (reclaim) => reclaim.balancePgdat(7, 0, 2)],
    ['a node', (reclaim) => reclaim.nodeReclaim(3, 0xcc0, 0)],
    ['an order', (reclaim) => reclaim.balancePgdat(0, 11, 2)],
    ['an order', (reclaim) => reclaim.tryToFreePages([], -1, 0xcc0)],
    ['a zone index', (reclaim) => reclaim.balancePgdat(0, 0, 4)],
    ['a zone', (reclaim) => reclaim.wakeupKswapd(4, 0xcc0, 0, 2)],
    ['a zone', (reclaim) => reclaim.zoneReclaimablePages(-1)],
    ['a list', (reclaim) => reclaim.lruList(0, 4)],
    ['a priority', (reclaim) => reclaim.shrinkSlab(0xcc0, 0, 13)],
    [
      'a priority',
      (reclaim) => reclaim.shrinkNode(0, Object.assign(new ScanControl(), { priority: -1 })),
    ],
    ['a number of pages', (reclaim) => reclaim.shrinkAllMemory(Number.NaN)],
    [
      'a shrinker',
      (reclaim) =>
        reclaim.registerShrinker({
          name: 'bad',
          batch: -1,
          countObjects: () => 0,
          scanObjects: () => 0,
        }),
    ],
    ['a shadow', (reclaim) => reclaim.workingsetRefault(1, -1)],
  ])('%s that is not there', (_, call) => {
    const world = new World();
    world.page();
    expect(codeOf(() => call(world.reclaim))).toBe('BAD_REQUEST');
  });

  test('shrinkers that are not registered can be taken off', () => {
    const world = new World();
    const cache = { name: 'cache', countObjects: () => 0, scanObjects: () => 0 };
    const shrinker = world.reclaim.registerShrinker(cache);
    world.reclaim.unregisterShrinker(shrinker);
    world.reclaim.unregisterShrinker(shrinker);
    expect(world.state.shrinkers).toEqual([]);
  });

  test('task, tracepoints and log can be changed', () => {
    const { reclaim } = new World();
    const task = { ...reclaim.task, comm: 'cat' };
    const log = (): void => {};
    Object.assign(reclaim, { task, trace: {}, log });
    expect([reclaim.task, reclaim.trace, reclaim.log]).toEqual([task, {}, log]);
  });

  test('counters fold on demand', () => {
    const world = new World({ cpuNode: [0, 0], checks: 'basic' });
    world.model.vmstat.nodeThreshold.fill(10);
    world.model.vmstat.zoneThreshold.fill(10);
    world.lruPages(2);
    expect(world.reclaim.foldCounters(0)).toBeGreaterThanOrEqual(2);
    expect(world.reclaim.foldCounters(0)).toBe(0);
    expect(world.reclaim.foldCounters(1)).toBe(0);
  });
});
