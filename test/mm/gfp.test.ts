import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatGfp,
  formatGfpTrace,
  Gfp,
  gfpMigratetype,
  gfpZone,
  parseGfp,
} from '../../src/mm/gfp.ts';

describe('values as seen in traces and backtraces (spec memory-model 7.8)', () => {
  test.each([
    [3264, 'GFP_KERNEL', 2, 0],
    [3268, 'GFP_KERNEL|GFP_DMA32', 1, 0],
    [2592, 'GFP_ATOMIC', 2, 0],
    [4197824, 'GFP_KERNEL_ACCOUNT|__GFP_ZERO', 2, 0],
    [
      1387594,
      'GFP_NOFS|__GFP_HIGHMEM|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP|__GFP_HARDWALL|__GFP_MOVABLE',
      3,
      1,
    ],
    [1387722, 'GFP_HIGHUSER_MOVABLE|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP', 3, 1],
    [1125578, 'GFP_HIGHUSER_MOVABLE|__GFP_NOWARN|__GFP_NORETRY', 3, 1],
    [1051850, 'GFP_HIGHUSER_MOVABLE', 3, 1],
    [860352, '__GFP_IO|__GFP_FS|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP|__GFP_NOMEMALLOC', 2, 0],
    [600192, 'GFP_NOWAIT|__GFP_FS|__GFP_NOWARN|__GFP_NORETRY|__GFP_NOMEMALLOC', 2, 0],
    [1846474, 'GFP_TRANSHUGE|GFP_NOWAIT', 3, 1],
    [4007114, 'GFP_TRANSHUGE|__GFP_NORETRY|__GFP_THISNODE', 3, 1],
    [256, '__GFP_ZERO', 2, 0],
    [0x820, 'GFP_NOWAIT|__GFP_HIGH', 2, 0],
  ])('%d', (gfp, text, zone, migratetype) => {
    expect(formatGfp(gfp)).toBe(text);
    expect(formatGfpTrace(gfp)).toBe(text);
    expect(parseGfp(text)).toBe(gfp);
    expect(gfpZone(gfp)).toBe(zone);
    expect(gfpMigratetype(gfp)).toBe(migratetype);
  });

  test('nothing is "none" in a trace and empty in a report', () => {
    expect(formatGfp(0)).toBe('');
    expect(formatGfpTrace(0)).toBe('none');
    expect(parseGfp('none')).toBe(0);
    expect(parseGfp('')).toBe(0);
  });
});

test('zone of every combination of the four modifiers (spec memory-model 4.15)', () => {
  const zones = Array.from({ length: 16 }, (_, bits) => gfpZone(bits));
  expect(zones).toEqual([2, 0, 2, 0, 1, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0]);
});

test('composite masks consist of the bits that their names promise', () => {
  const { __GFP_IO: io, __GFP_FS: fs, __GFP_RECLAIM: reclaim } = Gfp;
  expect(Gfp.__GFP_DIRECT_RECLAIM | Gfp.__GFP_KSWAPD_RECLAIM).toBe(reclaim);
  expect(Gfp.__GFP_HIGH | Gfp.__GFP_ATOMIC | Gfp.__GFP_KSWAPD_RECLAIM).toBe(Gfp.GFP_ATOMIC);
  expect(reclaim | io | fs).toBe(Gfp.GFP_KERNEL);
  expect(Gfp.GFP_KERNEL | Gfp.__GFP_HARDWALL).toBe(Gfp.GFP_USER);
  expect(Gfp.GFP_USER | Gfp.__GFP_HIGHMEM | Gfp.__GFP_MOVABLE).toBe(Gfp.GFP_HIGHUSER_MOVABLE);
  const light = Gfp.GFP_HIGHUSER_MOVABLE | Gfp.__GFP_COMP | Gfp.__GFP_NOMEMALLOC;
  expect((light | Gfp.__GFP_NOWARN) & ~reclaim).toBe(Gfp.GFP_TRANSHUGE_LIGHT);
  expect(Gfp.__GFP_BITS_MASK & ~(reclaim | io | fs)).toBe(Gfp.GFP_BOOT_MASK);
});

test('MM-21: the text of a mask stands for that mask', () => {
  fc.assert(
    fc.property(fc.nat(Gfp.__GFP_BITS_MASK), (gfp) => parseGfp(formatGfpTrace(gfp)) === gfp),
  );
});

test('bits without a name are one number at the end; unknown names are refused', () => {
  expect(formatGfp(0x1000000)).toBe('0x1000000');
  expect(formatGfp(0xcc0 | 0x8000000)).toBe('GFP_KERNEL|0x8000000');
  expect(parseGfp('GFP_KERNEL|0x8000000')).toBe(0x8000cc0);
  expect(parseGfp('GFP_KERNEL|GFP_WHATEVER')).toBeUndefined();
});
