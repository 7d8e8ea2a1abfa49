import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/lib/errors.ts';
import { listAddTail } from '../../src/lib/list.ts';
import { freeListHead } from '../../src/mm/free-area.ts';
import { assertInvariants, checkInvariants, checkMovablePfns } from '../../src/mm/invariants.ts';
import type { MemoryModel } from '../../src/mm/memory-model.ts';
import { setBuddyOrder } from '../../src/mm/page-map.ts';
import { ZoneStatItem } from '../../src/mm/vm-items.ts';
import { modZoneState } from '../../src/mm/vmstat.ts';
import { initPerZoneWmarkMin } from '../../src/mm/watermark-setup.ts';
import { machineOf } from './support.ts';

/** Zones with watermarks and one free block of order 4. */
function sound(): MemoryModel {
  const model = machineOf('0:100-8000 1:8000-10000');
  initPerZoneWmarkMin(model);
  setBuddyOrder(model.map, 0x2000, 4);
  listAddTail(model.map, freeListHead(model.areas, 1, 4, 1), 0x2000);
  model.areas.nrFree[11 + 4] = 1;
  model.vmstat.zoneThreshold.fill(100);
  modZoneState(model.vmstat, 0, 1, ZoneStatItem.NR_FREE_PAGES, 16);
  return model;
}

test('a sound model has no violation', () => {
  expect(checkInvariants(sound())).toEqual([]);
  expect(() => assertInvariants(sound())).not.toThrow();
});

describe('a broken rule is found', () => {
  const cases: [string, (model: MemoryModel) => void][] = [
    ['MM-1', (model) => (model.zones[1].managedPages = model.zones[1].presentPages + 1)],
    ['MM-1', (model) => (model.zones[1].managedPages = -1)],
    ['MM-2', (model) => (model.zones[2].startPfn = 5)],
    ['MM-3', (model) => (model.zones[1].startPfn = 0x200)],
    ['MM-4', (model) => model.nodes[1].presentPages++],
    ['MM-10', (model) => setBuddyOrder(model.map, 0x2000, 5)],
    ['MM-10', (model) => (model.map.zone[0x2000] = 1)],
    ['MM-11', (model) => model.areas.nrFree[11 + 4]++],
    ['MM-12', (model) => modZoneState(model.vmstat, 0, 1, 0, -1)],
    [
      'MM-19',
      (model) => (model.nodes[0].zonelists[0] = [...model.nodes[0].zonelists[0]].reverse()),
    ],
    ['MM-19', (model) => (model.nodes[0].zonelists[0] = [model.zones[1], model.zones[1]])],
    ['MM-19', (model) => (model.nodes[0].zonelists[0] = [model.zones[2], model.zones[1]])],
    ['MM-20', (model) => (model.nodes[0].zonelists[0] = model.nodes[1].zonelists[0])],
    ['RECLAIM-1', (model) => model.zones[1].watermark[1]++],
    ['RECLAIM-3', (model) => (model.zones[1].lowmemReserve[0] = 1)],
    ['RECLAIM-3', (model) => (model.zones[0].lowmemReserve[3] = 0)],
    ['RECLAIM-19', (model) => model.totalreservePages++],
    ['RECLAIM-19', (model) => (model.nodes[1].totalreservePages = 100000)],
  ];
  test.each(cases)('%s (%#)', (rule, breakIt) => {
    const model = sound();
    breakIt(model);
    expect(checkInvariants(model).map((violation) => violation.rule)).toContain(rule);
    expect(() => assertInvariants(model)).toThrowError(InvariantError);
  });
});

test('ISOLATE lists do not count as free', () => {
  const model = sound();
  setBuddyOrder(model.map, 0x3000, 9);
  listAddTail(model.map, freeListHead(model.areas, 1, 9, 4), 0x3000);
  model.areas.nrFree[11 + 9] = 1;
  expect(checkInvariants(model)).toEqual([]);
});

test('MM-18: ZONE_MOVABLE starts at multiples of 1024', () => {
  expect(checkMovablePfns([0, 1024, 0x9800])).toEqual([]);
  expect(checkMovablePfns([0, 512]).map(({ rule }) => rule)).toEqual(['MM-18']);
});
