import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/lib/errors.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import {
  NodeStatItem,
  NR_VM_ZONE_STAT_ITEMS,
  VmEvent,
  ZoneStatItem,
} from '../../src/mm/vm-items.ts';
import { countVmEvents, modNodeState, modZoneState } from '../../src/mm/vmstat.ts';
import { ZoneFlag } from '../../src/mm/zone-types.ts';
import { assertInvariants, checkInvariants } from '../../src/reclaim/invariants.ts';
import { lruHead } from '../../src/reclaim/state.ts';
import { World } from './support.ts';

/** A healthy machine with pages on lists and in batches. */
function healthy(): { world: World; pages: number[] } {
  const world = new World({ checks: 'basic' });
  const pages = world.lruPages(5);
  world.reclaim.folioAddLru(world.page());
  world.reclaim.mlockNewPage(world.page({ anon: true }));
  world.reclaim.folioActivate(pages[2]);
  return { world, pages };
}

describe('rules (spec 6)', () => {
  test('a healthy machine breaks none', () => {
    const { world } = healthy();
    expect(checkInvariants(world.state)).toEqual([]);
    assertInvariants(world.state);
  });

  test.each<[string, (world: World, pages: readonly number[]) => void]>([
    [
      'RECLAIM-5',
      (world) => modNodeState(world.model.vmstat, 0, 0, NodeStatItem.nr_inactive_file, 1),
    ],
    [
      'RECLAIM-5',
      (world) => modZoneState(world.model.vmstat, 0, 2, ZoneStatItem.NR_ZONE_ACTIVE_ANON, 1),
    ],
    [
      'RECLAIM-6',
      (world) => {
        world.model.vmstat.zoneDiff[3] = -126;
      },
    ],
    [
      'RECLAIM-6',
      (world) => {
        world.model.vmstat.nodeDiff[3] = 127;
      },
    ],
    [
      'RECLAIM-7',
      (world, [a]) => {
        world.model.map.prev[a] = a;
      },
    ],
    [
      'RECLAIM-7',
      (world, [a]) => {
        world.model.map.next[lruHead(world.state, 0, 2)] = a;
      },
    ],
    [
      'RECLAIM-7',
      (world) => {
        world.model.map.flags[4000] |= PageFlag.PG_lru;
      },
    ],
    [
      'RECLAIM-7',
      (world, [a]) => {
        world.state.batchPages[0] = a;
        world.model.map.flags[a] &= ~PageFlag.PG_lru;
      },
    ],
    [
      'RECLAIM-8',
      (world) => {
        world.model.map.flags[world.state.batchPages[0]] |= PageFlag.PG_lru;
      },
    ],
    [
      'RECLAIM-8',
      (world, [a]) => {
        world.model.map.flags[a] |= PageFlag.PG_active | PageFlag.PG_unevictable;
      },
    ],
    [
      'RECLAIM-9',
      (world, [a]) => {
        world.model.map.flags[a] |= PageFlag.PG_active;
      },
    ],
    [
      'RECLAIM-9',
      (world, [a]) => {
        world.model.map.refcount[a] = 0;
      },
    ],
    [
      'RECLAIM-9',
      (world, [, , c]) => {
        world.model.map.refcount[c] = -1;
      },
    ],
    [
      'RECLAIM-9',
      (world) => {
        world.model.map.refcount[world.state.batchPages[0]] = 0;
      },
    ],
    [
      'RECLAIM-10',
      (world) => {
        world.state.isolating = true;
      },
    ],
    [
      'RECLAIM-10',
      (world) => modNodeState(world.model.vmstat, 0, 0, NodeStatItem.nr_isolated_anon, -1),
    ],
    ['RECLAIM-12', (world) => countVmEvents(world.model.vmstat, 0, VmEvent.pgscan_anon, 1)],
    ['RECLAIM-12', (world) => countVmEvents(world.model.vmstat, 0, VmEvent.pgsteal_kswapd, 1)],
    [
      'RECLAIM-16',
      (world) => {
        world.zone().flags |= ZoneFlag.ZONE_RECLAIM_ACTIVE;
      },
    ],
    [
      'RECLAIM-17',
      (world) => {
        world.model.nodes[0].kswapdFailures = -1;
      },
    ],
    [
      'RECLAIM-18',
      (world) => {
        const cache = { name: 'cache', countObjects: () => 0, scanObjects: () => 0 };
        world.reclaim.registerShrinker(cache).nrDeferred[0] = -1;
      },
    ],
  ])('%s is seen', (rule, breakIt) => {
    const { world, pages } = healthy();
    breakIt(world, pages);
    expect(checkInvariants(world.state).map((violation) => violation.rule)).toContain(rule);
    expect(() => assertInvariants(world.state)).toThrow(InvariantError);
  });

  test('the unevictable list is counted by its pages', () => {
    const { world, pages } = healthy();
    world.reclaim.mlockFolio(pages[0]);
    world.reclaim.lruAddDrain();
    expect(checkInvariants(world.state)).toEqual([]);
    const item = ZoneStatItem.NR_ZONE_UNEVICTABLE;
    world.model.vmstat.zone[2 * NR_VM_ZONE_STAT_ITEMS + item]++;
    expect(checkInvariants(world.state).map(({ rule }) => rule)).toEqual(['RECLAIM-5']);
  });

  test('full checks find what the user broke, after the call', () => {
    const world = new World();
    const [a, b] = world.lruPages(2);
    world.model.map.flags[a] |= PageFlag.PG_active;
    expect(() => world.reclaim.folioGet(b)).not.toThrow();
    expect(() => world.reclaim.folioMarkAccessed(b)).toThrow(InvariantError);
  });
});
