import { describe, expect, test } from 'vitest';
import { reserveBootmemRegion, resetManagedPages } from '../../src/mm/boot-pages.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { pageblockMigratetype, zoneIdOf } from '../../src/mm/page-map.ts';
import { initialised } from './support.ts';

test('managed pages begin at 0, on online nodes', () => {
  const { model } = initialised('0:1000-2000 1:2000-3000');
  model.nodes[1].online = false;
  const offline = model.zones[5].managedPages;
  resetManagedPages(model);
  expect(model.zones.map((zone) => zone.managedPages)).toEqual([0, 0, 0, 0, 0, offline, 0, 0]);
});

describe('reserving', () => {
  test('reaches all pages with a memmap, RAM or not, and no others', () => {
    const { model } = initialised('1-9f 100-4000 10000-11000');
    reserveBootmemRegion(model, 0x3fff, 2 ** 40);
    const { flags, refcount } = model.map;
    const reserved = (pfn: number) => [flags[pfn], refcount[pfn]];
    for (const pfn of [0x3fff, 0x4000, 0x7fff, 0x10000, 0x17fff]) {
      expect(reserved(pfn)).toEqual([PageFlag.PG_reserved, 1]);
    }
    for (const pfn of [0x3ffe, 0x8000, 0xffff]) expect(reserved(pfn)).toEqual([0, 0]);
  });

  test('initialises deferred pages on the spot, but not their pageblocks (spec 4.11)', () => {
    const { model } = initialised('100000-140000', { deferred: true });
    expect(zoneIdOf(model.map, 0x120001)).toBe(-1);
    reserveBootmemRegion(model, 0x107fff, 0x108001);
    reserveBootmemRegion(model, 0x120000, 0x120c30);
    expect(zoneIdOf(model.map, 0x108000)).toBe(2);
    expect(zoneIdOf(model.map, 0x108001)).toBe(-1);
    expect(zoneIdOf(model.map, 0x120c2f)).toBe(2);
    expect(zoneIdOf(model.map, 0x120c30)).toBe(-1);
    expect(pageblockMigratetype(model.map, 0x120000)).toBe(0);
  });
});
