import { expect, test } from 'vitest';
import { setZoneContiguous } from '../../src/mm/zone-contiguous.ts';
import { initialised } from './support.ts';

function contiguous(text: string): boolean[] {
  const { model } = initialised(text);
  for (const zone of model.zones) setZoneContiguous(model, zone);
  return model.zones.map((zone) => zone.contiguous);
}

test('a zone whose holes are its own reserved pages is contiguous', () => {
  // The hole 0x9f..0xff lies inside a pageblock, and its pages are linked to DMA.
  expect(contiguous('1-9f 100-4000')).toEqual([true, true, false, false]);
});

test('an absent section, or hole pages of the zone above, break a zone', () => {
  expect(contiguous('1-9f 100-dffda 100000-140000')).toEqual([true, false, true, false]);
  expect(contiguous('1-9f 100-fff00 100000-140000')).toEqual([true, false, true, false]);
});

test('pages of another node break a zone', () => {
  const all = contiguous('0:1000-8000 1:8000-10000 0:10000-18000');
  expect([all[1], all[5]]).toEqual([false, true]);
});

test('a zone that was contiguous is looked at again', () => {
  const { model } = initialised('1000-8000');
  setZoneContiguous(model, model.zones[1]);
  expect(model.zones[1].contiguous).toBe(true);
  model.map.zone[0x2000] = 0;
  setZoneContiguous(model, model.zones[1]);
  expect(model.zones[1].contiguous).toBe(false);
});
