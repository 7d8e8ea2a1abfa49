import { describe, expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { NodeStatItem } from '../../src/mm/vm-items.ts';
import { nodeState } from '../../src/mm/vmstat.ts';
import { LruList, PgdatFlag } from '../../src/reclaim/constants.ts';
import { checkInvariants } from '../../src/reclaim/invariants.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { shrinkActiveList, shrinkInactiveList } from '../../src/reclaim/shrink-lists.ts';
import type { ReclaimHost } from '../../src/reclaim/types.ts';
import { World } from './support.ts';

const { LRU_ACTIVE_FILE, LRU_INACTIVE_FILE } = LruList;

function control(): ScanControl {
  const permissions = { mayUnmap: true, mayWritepage: true, maySwap: true };
  return Object.assign(new ScanControl(), { gfpMask: Gfp.GFP_KERNEL, ...permissions });
}

/** A callback that fails at its n-th call. */
function failing<T>(n: number, answer: T): () => T {
  let calls = 0;
  return () => {
    if (++calls === n) throw new Error('broken host');
    return answer;
  };
}

function afterFailure(world: World, work: () => void): void {
  expect(work).toThrow('broken host');
  expect(checkInvariants(world.state)).toEqual([]);
  const { vmstat } = world.model;
  expect(nodeState(vmstat, 0, NodeStatItem.nr_isolated_file)).toBe(0);
  expect(nodeState(vmstat, 0, NodeStatItem.nr_isolated_anon)).toBe(0);
  // The next pass goes on as if nothing had been.
  world.reclaim.setHost({});
  shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0);
}

describe('a callback that throws', () => {
  test('in the middle of a batch: what was freed is freed, the rest keeps its order', () => {
    const world = new World({ host: { removeFromCache: failing(3, undefined) } });
    const pages = world.lruPages(6);
    expect(() => shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0)).toThrow(
      'broken host',
    );
    expect(world.pages.freed).toEqual([pages[1], pages[0]]);
    expect(world.reclaim.lruList(0, LRU_INACTIVE_FILE)).toEqual(pages.slice(2).toReversed());
    expect(world.event('pgsteal_direct')).toBe(2);
    expect(world.state.nonresidentAge[0]).toBe(2);
  });

  test.each<[string, ReclaimHost]>([
    ['trylock', { trylock: failing(2, true) }],
    ['referenced', { referenced: failing(2, 0) }],
    ['tryToUnmap', { tryToUnmap: failing(1, undefined) }],
    ['releaseFolio', { releaseFolio: failing(1, true) }],
    ['isDirtyWriteback', { isDirtyWriteback: failing(1, 0) }],
    ['removeFromCache', { removeFromCache: failing(2, undefined) }],
    ['wakeupFlusherThreads', { wakeupFlusherThreads: failing(1, undefined) }],
  ])('%s, met by a direct reclaimer', (name, host) => {
    const world = new World({ checks: 'basic' });
    if (name === 'wakeupFlusherThreads') world.lruPages(3, { dirty: true });
    else {
      world.lruPages(3);
      world.lruPages(3, { mapped: 1 });
      world.lruPages(2, { isPrivate: true, dirty: true });
      world.lruPages(2, { isPrivate: true });
    }
    world.reclaim.setHost(host);
    afterFailure(world, () => {
      shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0);
    });
  });

  test('writepage: the page is as dirty as it was', () => {
    const world = new World({ checks: 'basic', host: { writepage: failing(1, 0) } });
    const pfn = world.lruPage({ reclaim: true });
    world.reclaim.folioMarkDirty(pfn);
    world.model.map.flags[pfn] |= PageFlag.PG_reclaim;
    world.state.pgdatFlags[0] = PgdatFlag.PGDAT_DIRTY;
    afterFailure(world, () =>
      world.asKswapd(() => shrinkInactiveList(world.state, 0, LRU_INACTIVE_FILE, 32, control(), 0)),
    );
    expect(nodeState(world.model.vmstat, 0, NodeStatItem.nr_dirty)).toBe(1);
    expect(world.has(pfn, PageFlag.PG_dirty)).toBe(true);
  });

  test('referenced, met by deactivation: pages not looked at stay active, in their order', () => {
    const world = new World({ host: { referenced: failing(2, 0) } });
    const pages = world.lruPages(5, { active: true, mapped: 1 });
    expect(() => shrinkActiveList(world.state, 0, LRU_ACTIVE_FILE, 32, control(), 0)).toThrow(
      'broken host',
    );
    expect(world.reclaim.lruList(0, LRU_INACTIVE_FILE)).toEqual([pages[0]]);
    expect(world.reclaim.lruList(0, LRU_ACTIVE_FILE)).toEqual(pages.slice(1).toReversed());
    expect(world.event('pgdeactivate')).toBe(1);
    afterFailure(new World({ host: { referenced: failing(1, 0) } }), () => {
      throw new Error('broken host');
    });
  });

  test('while given pages are reclaimed: they go back to the lists', () => {
    const world = new World({ host: { removeFromCache: failing(2, undefined) } });
    const pages = world.lruPages(4);
    for (const pfn of pages) world.reclaim.isolateLruPage(pfn);
    expect(() => world.reclaim.reclaimPages(pages)).toThrow('broken host');
    world.reclaim.lruAddDrain();
    expect(world.pages.freed).toEqual([pages[3]]);
    expect(world.reclaim.lruList(0, LRU_INACTIVE_FILE).toSorted()).toEqual(
      pages.slice(0, 3).toSorted(),
    );
  });

  test('a host that calls reclaim from inside is refused', () => {
    const world = new World();
    world.lruPages(200);
    world.reclaim.setHost({
      trylock: () => {
        world.reclaim.shrinkAllMemory(10);
        return true;
      },
    });
    expect(() => world.reclaim.shrinkAllMemory(10)).toThrow(
      expect.objectContaining({ code: 'REENTERED' }),
    );
    expect(checkInvariants(world.state)).toEqual([]);
    expect(world.reclaim.lruList(0, LRU_INACTIVE_FILE)).toHaveLength(200);
  });
});

test('a host can be extended: what it does not answer stays as it was', () => {
  const asked: string[] = [];
  const world = new World({ host: { trylock: () => asked.push('lock') > 0 } });
  world.reclaim.extendHost({ removeFromCache: () => void asked.push('remove') });
  world.lruPage();
  world.reclaim.shrinkAllMemory(1);
  expect(asked).toEqual(['lock', 'remove']);
});
