import { describe, expect, test } from 'vitest';
import { ArgumentError } from '../../src/lib/errors.ts';
import * as sysctl from '../../src/mm/sysctl.ts';
import { machineOf } from './support.ts';

const PC = '1-9f 100-c0000 100000-300000';

test('min_free_kbytes is kept as the user wrote it, without clamping', () => {
  const model = machineOf(PC);
  sysctl.setMinFreeKbytes(model, 0);
  expect(model.tunables.userMinFreeKbytes).toBe(0);
  expect(model.zones[2].watermark[0]).toBe(0);
  sysctl.setMinFreeKbytes(model, 1000000);
  expect(model.tunables).toMatchObject({ minFreeKbytes: 1000000, userMinFreeKbytes: 1000000 });
  const sum = model.zones.reduce((total, zone) => total + zone.watermark[0], 0);
  expect(sum).toBeGreaterThan(250000 - 4);
});

test('watermark_scale_factor moves the marks apart', () => {
  const model = machineOf(PC);
  sysctl.setWatermarkScaleFactor(model, 3000);
  const zone = model.zones[2];
  expect(zone.watermark[1] - zone.watermark[0]).toBe(Math.floor(zone.managedPages * 0.3));
  expect(zone.pagesetHigh).toBe(zone.watermark[1]);
});

test('watermark_boost_factor only stores', () => {
  const model = machineOf(PC);
  model.zones[2].watermarkBoost = 512;
  sysctl.setWatermarkBoostFactor(model, 0);
  expect(model.tunables.watermarkBoostFactor).toBe(0);
  expect(model.zones[2].watermarkBoost).toBe(512);
});

test('lowmem_reserve_ratio turns values below 1 into 0', () => {
  const model = machineOf(PC);
  sysctl.setLowmemReserveRatio(model, [-5, 100, 1, 7]);
  expect(model.tunables.lowmemReserveRatio).toEqual([0, 100, 1, 7]);
  expect(sysctl.formatLowmemReserveRatio(model)).toBe('0\t100\t1\t7');
  expect([...model.zones[0].lowmemReserve]).toEqual([0, 0, 0, 0]);
  expect(model.zones[1].lowmemReserve[2]).toBe(Math.floor(0x200000 / 100));
});

test('percpu_pagelist_high_fraction gives the lists a part of the zone, 0 the default again', () => {
  const model = machineOf(PC);
  sysctl.setPercpuPagelistHighFraction(model, 8);
  const before = model.zones[2].pagesetHigh;
  expect(before).toBe(0x200000 / 8);
  expect(() => sysctl.setPercpuPagelistHighFraction(model, 7)).toThrowError(ArgumentError);
  expect(model.tunables.percpuPagelistHighFraction).toBe(8);
  sysctl.setPercpuPagelistHighFraction(model, 0);
  expect(model.zones[2].pagesetHigh).toBe(4 * 63);
});

test('the same fraction again computes nothing', () => {
  const model = machineOf(PC);
  sysctl.setPercpuPagelistHighFraction(model, 0);
  expect(model.zones[2].pagesetHigh).toBe(0);
});

test('ratios recompute the limits of nodes', () => {
  const model = machineOf('1000-2000');
  sysctl.setMinUnmappedRatio(model, 50);
  sysctl.setMinSlabRatio(model, 100);
  expect(model.nodes[0]).toMatchObject({ minUnmappedPages: 0x800, minSlabPages: 0x1000 });
});

test('the others store', () => {
  const model = machineOf('1000-2000');
  model.vmstat.numa.fill(3);
  sysctl.setSwappiness(model, 200);
  sysctl.setZoneReclaimMode(model, 7);
  sysctl.setExtfragThreshold(model, 1000);
  sysctl.setNumaStat(model, 0);
  expect(model.tunables).toMatchObject({
    swappiness: 200,
    nodeReclaimMode: 7,
    extfragThreshold: 1000,
    numaStat: 0,
  });
  expect(model.vmstat.numa.every((count) => count === 0)).toBe(true);
});

describe('refused, with nothing changed', () => {
  test.each([
    [sysctl.setMinFreeKbytes, -1],
    [sysctl.setMinFreeKbytes, 2 ** 31],
    [sysctl.setMinFreeKbytes, Number.NaN],
    [sysctl.setWatermarkScaleFactor, 0],
    [sysctl.setWatermarkScaleFactor, 3001],
    [sysctl.setWatermarkBoostFactor, -1],
    [sysctl.setPercpuPagelistHighFraction, 1],
    [sysctl.setPercpuPagelistHighFraction, -8],
    [sysctl.setMinUnmappedRatio, 101],
    [sysctl.setMinSlabRatio, -1],
    [sysctl.setSwappiness, 201],
    [sysctl.setZoneReclaimMode, -1],
    [sysctl.setExtfragThreshold, 1001],
    [sysctl.setNumaStat, 2],
  ] as const)('%o to %d', (set, value) => {
    const model = machineOf(PC);
    const before = structuredClone(model.tunables);
    expect(() => set(model, value)).toThrowError(ArgumentError);
    expect(model.tunables).toEqual(before);
  });

  test.each([[[1, 2, 3]], [[1, 2, 3, 4.5]], [[1, 2, 3, Number.POSITIVE_INFINITY]]])(
    'setLowmemReserveRatio(%o)',
    (ratios) => {
      const model = machineOf(PC);
      expect(() => sysctl.setLowmemReserveRatio(model, ratios)).toThrowError(ArgumentError);
      expect(model.tunables.lowmemReserveRatio).toEqual([256, 256, 32, 0]);
    },
  );
});
