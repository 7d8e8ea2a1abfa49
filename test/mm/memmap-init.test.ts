import { describe, expect, test } from 'vitest';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { pageblockMigratetype, zoneIdOf } from '../../src/mm/page-map.ts';
import { initialised } from './support.ts';

const holes = (lines: readonly string[]) =>
  lines.filter((line) => line.startsWith('On node')).map((line) => line.replace('On node ', ''));

describe('holes', () => {
  test('64 MiB (spec memory-model 7.1)', () => {
    expect(holes(initialised('1-9f 100-4000').lines)).toEqual([
      '0, zone DMA: 1 pages in unavailable ranges',
      '0, zone DMA: 97 pages in unavailable ranges',
      '0, zone DMA32: 16384 pages in unavailable ranges',
    ]);
  });

  test('below 4 GiB belong to the zone above; absent sections are skipped (spec 7.2)', () => {
    const { model, lines } = initialised('1-9f 100-dffda 100000-13fc00');
    expect(holes(lines)).toEqual([
      '0, zone DMA: 1 pages in unavailable ranges',
      '0, zone DMA: 97 pages in unavailable ranges',
      '0, zone Normal: 38 pages in unavailable ranges',
      '0, zone Normal: 1024 pages in unavailable ranges',
    ]);
    expect(zoneIdOf(model.map, 0xdffd9)).toBe(1);
    expect(zoneIdOf(model.map, 0xdffda)).toBe(2);
    expect(zoneIdOf(model.map, 0xe0000)).toBe(-1);
  });

  test('at the end belong to the highest populated zone of the last node (spec 7.4)', () => {
    const text = '0:1-9f 0:100-10000 1:10000-20000 2:20000-30000 3:30000-3ffe0';
    const { lines } = initialised(text, { kernelcore: { pages: 153600, percent: 0 } });
    expect(holes(lines).at(-1)).toBe('3, zone Movable: 32 pages in unavailable ranges');
  });

  test('reach to the end of the last range, also where its end is above all zones (spec 4.6 step 5)', () => {
    const { model, lines } = initialised('1-9f 100-10000', { maxLowPfn: 0x8000 });
    expect(holes(lines).at(-1)).toBe('0, zone DMA32: 32768 pages in unavailable ranges');
    expect(zoneIdOf(model.map, 0xffff)).toBe(1);
  });

  test('are reserved pages with one reference; RAM is untouched but for its zone', () => {
    const { map } = initialised('1-9f 100-4000').model;
    for (const pfn of [0, 0x9f, 0xff, 0x4000, 0x7fff]) {
      expect([map.flags[pfn], map.refcount[pfn]]).toEqual([PageFlag.PG_reserved, 1]);
    }
    for (const pfn of [1, 0x9e, 0x100, 0x3fff]) {
      expect([map.flags[pfn], map.refcount[pfn], map.next[pfn]]).toEqual([0, 0, 0]);
      expect(map.zone[pfn]).not.toBe(0);
    }
  });

  test('MM-23: with RAM they fill the present sections', () => {
    const { model, lines, memory } = initialised(
      '0:1-9f 0:100-bffe0 1:100000-123456 1:140000-140001',
    );
    const counted = holes(lines).map((line) => Number(/(\d+) pages/.exec(line)?.[1]));
    const ram = memory.reduce((sum, range) => sum + range.endPfn - range.startPfn, 0);
    const unavailable = counted.reduce((sum, count) => sum + count, 0);
    expect(unavailable + ram).toBe(32768 * model.sections.presentCount);
  });
});

describe('pageblocks', () => {
  test('are MOVABLE exactly when they begin with RAM', () => {
    const { map } = initialised('1-9f 100-4000').model;
    const types = Array.from({ length: 64 }, (_, block) => pageblockMigratetype(map, block * 512));
    expect(types).toEqual([0, ...new Array(31).fill(1), ...new Array(32).fill(0)]);
  });

  test('with a hole at their start stay UNMOVABLE (spec memory-model 7.6)', () => {
    const { map } = initialised('10000-11000 11300-12001').model;
    const type = (pfn: number) => pageblockMigratetype(map, pfn);
    expect([0x10e00, 0x11000, 0x11200, 0x11400, 0x12000].map(type)).toEqual([1, 0, 0, 1, 1]);
  });

  test('of order 10 likewise', () => {
    const { map } = initialised('10000-11000 11200-12000', {}, { pageblockOrder: 10 }).model;
    const type = (pfn: number) => pageblockMigratetype(map, pfn);
    expect([0x10c00, 0x11000, 0x11400].map(type)).toEqual([1, 0, 1]);
  });
});

test('mirror mode: mirrored pages inside Movable stay in Normal', () => {
  const text = '100000-110000m 110000-120000 120000-130000m 130000-140000';
  const { map } = initialised(text, { mirroredKernelcore: true }).model;
  const zones = [0x100000, 0x110000, 0x120000, 0x130000].map((pfn) => zoneIdOf(map, pfn));
  expect(zones).toEqual([2, 3, 2, 3]);
});

describe('deferred', () => {
  test('begins at the section border after more than a section of the last zone (spec 7.7)', () => {
    const { model } = initialised('1-9f 100-c0000 100000-140000', { deferred: true });
    expect(model.nodes[0].firstDeferredPfn).toBe(0x108000);
    expect(zoneIdOf(model.map, 0x107fff)).toBe(2);
    expect(zoneIdOf(model.map, 0x108000)).toBe(-1);
    expect(zoneIdOf(model.map, 0xbffff)).toBe(1);
    expect(pageblockMigratetype(model.map, 0x108000)).toBe(0);
  });

  test('counts over ranges and skips all later ones; holes are initialised all the same', () => {
    const text = '100000-104000 105000-109000 10a000-118000 119000-120000';
    const { model } = initialised(text, { deferred: true });
    // 0x4000 + 0x4000 pages up to 0x109000: the next one counts 32769, the border is 0x110000.
    expect(model.nodes[0].firstDeferredPfn).toBe(0x110000);
    expect(zoneIdOf(model.map, 0x119000)).toBe(-1);
    expect(zoneIdOf(model.map, 0x118000)).toBe(2);
  });

  test('takes a whole section more when a page is missing at the start', () => {
    // At 0x108000 the count is 32768 only.
    const { model } = initialised('100001-140000', { deferred: true });
    expect(model.nodes[0].firstDeferredPfn).toBe(0x110000);
  });

  test('never touches a lower zone or a small one', () => {
    const { model } = initialised('100-80000 100000-108000', { deferred: true });
    expect(model.nodes[0].firstDeferredPfn).toBe(Number.POSITIVE_INFINITY);
    expect(zoneIdOf(model.map, 0x7ffff)).toBe(1);
  });
});
