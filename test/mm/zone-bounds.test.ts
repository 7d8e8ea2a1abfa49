import { expect, test } from 'vitest';
import { archZoneBounds, usableZoneForMovable } from '../../src/mm/zone-bounds.ts';

test.each([
  ['64 MiB (spec memory-model 7.1)', 1, 0x4000, [1, 4096, 0x4000], [4096, 0x4000, 0x4000], 1],
  ['RAM above 4 GiB', 1, 0x140000, [1, 4096, 0x100000], [4096, 0x100000, 0x140000], 2],
  ['less than 16 MiB', 1, 0x800, [1, 0x800, 0x800], [0x800, 0x800, 0x800], 0],
  ['all RAM above 16 MiB', 0x2000, 0x4000, [0x2000, 0x2000, 0x4000], [0x2000, 0x4000, 0x4000], 1],
  [
    'all RAM above 4 GiB',
    0x100000,
    0x120000,
    [0x100000, 0x100000, 0x100000],
    [0x100000, 0x100000, 0x120000],
    2,
  ],
])('bounds of %s', (_, firstPfn, maxLowPfn, low, high, usable) => {
  const bounds = archZoneBounds(firstPfn, maxLowPfn);
  expect(bounds.low).toEqual([...low, 0]);
  expect(bounds.high).toEqual([...high, 0]);
  expect(usableZoneForMovable(bounds)).toBe(usable);
});

test('without memory no zone can be cut', () => {
  expect(usableZoneForMovable(archZoneBounds(0, 0))).toBe(-1);
});
