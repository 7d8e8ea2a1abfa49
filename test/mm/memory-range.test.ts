import { describe, expect, test } from 'vitest';
import { PageframeError } from '../../src/lib/errors.ts';
import {
  checkMemoryRanges,
  nodePfnRange,
  nodesWithMemory,
  ramPagesIn,
  rangePages,
} from '../../src/mm/memory-range.ts';
import { ranges } from './support.ts';

const memory = ranges('0:1-9f 0:100-1000 2:1000-2000 0:3000-4000');

test('pages in total, of a node, in a span', () => {
  expect(rangePages(memory)).toBe(0x9e + 0xf00 + 0x1000 + 0x1000);
  expect(rangePages(memory, 2)).toBe(0x1000);
  expect(ramPagesIn(memory, 0, 0x80, 0x3100)).toBe(0x1f + 0xf00 + 0x100);
  expect(ramPagesIn(memory, 2, 0, 0x1000)).toBe(0);
});

test('ends of a node; 0, 0 without memory', () => {
  expect(nodePfnRange(memory, 0)).toEqual({ startPfn: 1, endPfn: 0x4000 });
  expect(nodePfnRange(memory, 1)).toEqual({ startPfn: 0, endPfn: 0 });
  expect(nodesWithMemory(memory)).toEqual([0, 2]);
});

describe('refused are', () => {
  test.each([
    ['overlapping ranges', '0:0-10 0:8-20'],
    ['descending ranges', '0:100-110 0:0-20'],
    ['an end before the start', '0:20-10'],
    ['unknown nodes', '3:0-10'],
  ])('%s', (_, text) => {
    expect(() => checkMemoryRanges(ranges(text), 3)).toThrowError(PageframeError);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5])('numbers like %d', (startPfn) => {
    const range = { startPfn, endPfn: 2 ** 40, node: 0 };
    expect(() => checkMemoryRanges([range], 1)).toThrowError(PageframeError);
  });

  test('not: touching ranges, empty ranges', () => {
    expect(() => checkMemoryRanges(ranges('0:0-10 1:10-10 1:10-20'), 2)).not.toThrow();
  });
});
