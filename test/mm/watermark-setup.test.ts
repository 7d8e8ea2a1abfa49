import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkInvariants } from '../../src/mm/invariants.ts';
import type { MemoryModel } from '../../src/mm/memory-model.ts';
import * as setup from '../../src/mm/watermark-setup.ts';
import { machineOf } from './support.ts';

const PC = '1-9f 100-c0000 100000-300000';
/** Managed pages of example E1 of spec reclaim 7. */
const E1 = { '0:0': 3840, '0:1': 765000, '0:2': 1280000 };

const marks = (model: MemoryModel, count = 4) =>
  model.zones
    .filter((zone) => zone.presentPages > 0)
    .map((zone) => [...zone.watermark].slice(0, count));
const reserves = (model: MemoryModel) =>
  model.zones.filter((zone) => zone.presentPages > 0).map((zone) => [...zone.lowmemReserve]);

describe('example E1 (spec reclaim 7)', () => {
  const booted = () => {
    const model = machineOf(PC, E1, { cpuNode: [0, 0] });
    setup.setupPerCpuPageset(model);
    setup.bringUpCpus(model);
    setup.initPerZoneWmarkMin(model);
    return model;
  };

  test('watermarks, reserves, total reserve', () => {
    const model = booted();
    expect(model.tunables.minFreeKbytes).toBe(11451);
    expect(marks(model)).toEqual([
      [5, 8, 11, 14],
      [1068, 1833, 2598, 3363],
      [1788, 3068, 4348, 5628],
    ]);
    expect(reserves(model)).toEqual([
      [0, 2988, 7988, 7988],
      [0, 0, 5000, 5000],
      [0, 0, 0, 0],
    ]);
    expect(model.totalreservePages).toBe(15786);
    expect(model.nodes[0].totalreservePages).toBe(15786);
    expect(checkInvariants(model)).toEqual([]);
  });

  test('E3: thresholds and drift marks', () => {
    const model = booted();
    expect([0, 1, 2].map((zone) => model.vmstat.zoneThreshold[zone])).toEqual([4, 24, 28]);
    expect([...model.vmstat.nodeThreshold]).toEqual([28, 28]);
    expect([0, 1, 2].map((zone) => model.zones[zone].percpuDriftMark)).toEqual([19, 48, 56]);
  });

  test('khugepaged raises min_free_kbytes', () => {
    const model = booted();
    setup.setRecommendedMinFreeKbytes(model, 'madvise');
    expect(model.tunables.minFreeKbytes).toBe(67584);
    expect(marks(model, 3)).toEqual([
      [31, 38, 45],
      [6308, 7885, 9462],
      [10555, 13193, 15831],
    ]);
    expect(model.totalreservePages).toBe(34133);
    // The drift marks are not touched.
    expect(model.zones[0].percpuDriftMark).toBe(19);
  });

  test('with THP never the size is computed again, from the pages above the high marks', () => {
    const model = booted();
    setup.setRecommendedMinFreeKbytes(model, 'never');
    expect(model.tunables.minFreeKbytes).toBe(11431);
  });

  test('per-CPU lists follow the low mark', () => {
    const model = booted();
    expect(model.zones.slice(0, 3).map((zone) => [zone.pagesetHigh, zone.pagesetBatch])).toEqual([
      [4, 1],
      [916, 63],
      [1534, 63],
    ]);
  });
});

test('example E2: ZONE_MOVABLE shares the watermarks but not the size (spec reclaim 7)', () => {
  const model = machineOf(PC, {}, {});
  const managed = [3840, 765000, 280000, 1000000];
  model.zones.forEach((zone, i) => {
    zone.managedPages = managed[i];
  });
  model.zones[3].presentPages = 1000000;
  model.nodes[0].zonelists[0] = [...model.zones].reverse();
  setup.initPerZoneWmarkMin(model);
  expect(model.tunables.minFreeKbytes).toBe(8193);
  expect(marks(model, 3)).toEqual([
    [3, 6, 9],
    [764, 1529, 2294],
    [279, 559, 839],
    [999, 1999, 2999],
  ]);
  expect(reserves(model)).toEqual([
    [0, 2988, 4082, 7988],
    [0, 0, 1093, 5000],
    [0, 0, 0, 31250],
    [0, 0, 0, 0],
  ]);
  expect(model.totalreservePages).toBe(46222);
});

describe('min_free_kbytes', () => {
  test('lies between 128 and 262144', () => {
    const small = machineOf('100-200');
    setup.calculateMinFreeKbytes(small);
    expect(small.tunables.minFreeKbytes).toBe(128);
    const large = machineOf('1-9f 100-c0000 100000-300000', { '0:2': 2 ** 30 });
    setup.calculateMinFreeKbytes(large);
    expect(large.tunables.minFreeKbytes).toBe(262144);
  });

  test('keeps what the user wrote, with a warning, unless more is needed', () => {
    const model = machineOf(PC, E1);
    const lines: string[] = [];
    model.tunables.minFreeKbytes = 20000;
    model.tunables.userMinFreeKbytes = 20000;
    setup.calculateMinFreeKbytes(model, (line) => lines.push(line));
    expect(model.tunables.minFreeKbytes).toBe(20000);
    expect(lines).toEqual([
      'min_free_kbytes is not updated to 11451 because user defined value 20000 is preferred',
    ]);
    model.tunables.userMinFreeKbytes = 11451;
    setup.calculateMinFreeKbytes(model);
    expect(model.tunables.minFreeKbytes).toBe(20000);
    model.tunables.userMinFreeKbytes = 11450;
    setup.calculateMinFreeKbytes(model, (line) => lines.push(line));
    expect(model.tunables.minFreeKbytes).toBe(11451);
    expect(lines).toHaveLength(1);
  });
});

describe('khugepaged', () => {
  test.each([
    [9, ['1000-80000'], 22528],
    [9, ['1-9f 100-80000'], 45056],
    [9, ['1-9f 100-80000 100000-180000'], 67584],
    [10, ['1-9f 100-80000 100000-180000'], 135168],
  ])('pageblock order %d, %s: %d KiB', (pageblockOrder, [text], kbytes) => {
    const model = machineOf(text, {}, { pageblockOrder });
    setup.setRecommendedMinFreeKbytes(model, 'always');
    expect(model.tunables.minFreeKbytes).toBe(kbytes);
  });

  test('wants at most a twentieth, and never lowers', () => {
    const model = machineOf('1000-18000');
    setup.setRecommendedMinFreeKbytes(model, 'always');
    expect(model.tunables.minFreeKbytes).toBe(4710 * 4);
    model.tunables.minFreeKbytes = 100000;
    setup.setRecommendedMinFreeKbytes(model, 'madvise');
    expect(model.tunables.minFreeKbytes).toBe(100000);
  });

  test('says so when it overrides the user', () => {
    const model = machineOf('1000-80000');
    const lines: string[] = [];
    model.tunables.minFreeKbytes = 5000;
    model.tunables.userMinFreeKbytes = 5000;
    setup.setRecommendedMinFreeKbytes(model, 'always', (line) => lines.push(line));
    expect(lines).toEqual([
      'khugepaged: raising min_free_kbytes from 5000 to 22528 to help transparent hugepage allocations',
    ]);
  });

  test('runs from 512 MiB on', () => {
    const model = machineOf('1000-80000');
    model.totalramPages = 131071;
    expect(setup.khugepagedRuns(model)).toBe(false);
    model.totalramPages = 131072;
    expect(setup.khugepagedRuns(model)).toBe(true);
  });
});

test('RECLAIM-2: the raw minima add up to the whole, less rounding', () => {
  const kbytes = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  const managed = fc.integer({ min: 0, max: 2 ** 29 });
  const model = machineOf('1-9f 100-c0000 100000-300000');
  fc.assert(
    fc.property(kbytes, fc.tuple(managed, managed, managed), (minFree, pages) => {
      pages.forEach((count, i) => {
        model.zones[i].managedPages = count;
        model.zones[i].presentPages = count;
      });
      model.tunables.minFreeKbytes = minFree;
      setup.setupZoneWatermarks(model);
      const total = BigInt(pages[0] + pages[1] + pages[2]);
      const wanted = BigInt(Math.floor(minFree / 4));
      for (let i = 0; i < 3; i++) {
        const exact = total === 0n ? 0n : (wanted * BigInt(pages[i])) / total;
        expect(BigInt(model.zones[i].watermark[0])).toBe(exact);
      }
    }),
  );
});

test('set-up resets boosts', () => {
  const model = machineOf(PC, E1);
  model.zones[2].watermarkBoost = 512;
  setup.setupPerZoneWmarks(model);
  expect(model.zones[2].watermarkBoost).toBe(0);
});

test('a reserve ratio of 0 and an unmanaged zone mean no reserve', () => {
  const model = machineOf(PC, E1);
  model.tunables.lowmemReserveRatio = [256, 0, 32, 0];
  setup.setupPerZoneLowmemReserve(model);
  expect([...model.zones[1].lowmemReserve]).toEqual([0, 0, 0, 0]);
  model.zones[0].managedPages = 0;
  setup.setupPerZoneLowmemReserve(model);
  expect([...model.zones[0].lowmemReserve]).toEqual([0, 0, 0, 0]);
});

test('limits of node reclaim are percentages, zone by zone', () => {
  const model = machineOf(PC, { '0:0': 199, '0:1': 1050, '0:2': 10 });
  setup.setupMinUnmappedRatio(model);
  setup.setupMinSlabRatio(model);
  expect(model.nodes[0].minUnmappedPages).toBe(1 + 10 + 0);
  expect(model.nodes[0].minSlabPages).toBe(9 + 52 + 0);
});

test('buffer pages are counted from the node of the CPU that asks, all nodes included', () => {
  const model = machineOf('0:100-8000 1:8000-10000', {}, { cpuNode: [1] });
  const total = 0x8000 - 0x100 + 0x8000;
  expect(setup.nrFreeBufferPages(model)).toBe(total);
  model.zones[1].watermark[2] = 100;
  model.zones[0].watermark[2] = 100000;
  expect(setup.nrFreeBufferPages(model)).toBe(total - 100 - (0x1000 - 0x100));
});
