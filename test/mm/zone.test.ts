// covers: src/mm/zone.ts src/mm/zone-types.ts
import { expect, test } from 'vitest';
import {
  isManaged,
  isPopulated,
  MemoryNode,
  WatermarkIndex,
  wmarkPages,
  Zone,
  zoneEndPfn,
  zoneSpansPfn,
} from '../../src/mm/zone.ts';
import { zoneId } from '../../src/mm/zone-types.ts';

test('zone ids are nodes ascending, zones ascending within', () => {
  expect(zoneId(0, 0)).toBe(0);
  expect(zoneId(2, 3)).toBe(11);
  expect(new MemoryNode(2).zones.map(({ id, index, node }) => [id, index, node])).toEqual([
    [8, 0, 2],
    [9, 1, 2],
    [10, 2, 2],
    [11, 3, 2],
  ]);
});

test('a zone begins empty and spans what it is given', () => {
  const zone = new Zone(0, 1);
  expect([isPopulated(zone), isManaged(zone)]).toEqual([false, false]);
  zone.startPfn = 4096;
  zone.spannedPages = 100;
  zone.presentPages = 50;
  expect(isPopulated(zone)).toBe(true);
  expect(isManaged(zone)).toBe(false);
  expect(zoneEndPfn(zone)).toBe(4196);
  expect([4095, 4096, 4195, 4196].map((pfn) => zoneSpansPfn(zone, pfn))).toEqual([
    false,
    true,
    true,
    false,
  ]);
});

test('every mark counts the boost', () => {
  const zone = new Zone(0, 1);
  zone.watermark.set([10, 20, 30, 40]);
  zone.watermarkBoost = 512;
  const marks = Object.values(WatermarkIndex).map((index) => wmarkPages(zone, index));
  expect(marks).toEqual([522, 532, 542, 552]);
});
