import { describe, expect, test } from 'vitest';
import { listAdd, listToArray } from '../../src/lib/list.ts';
import { PageMap } from '../../src/mm/page-map.ts';
import {
  NR_PCP_LISTS,
  Pagesets,
  pagesetIndex,
  pcpListHead,
  setPagesetHighAndBatch,
  writePagesets,
  zoneBatchsize,
  zoneHighsize,
} from '../../src/mm/pageset.ts';
import { Zone } from '../../src/mm/zone.ts';

describe('batch of a zone (spec memory-model 4.14)', () => {
  test.each([
    [0, 12288, 1],
    [12288, 24576, 3],
    [24576, 45056, 7],
    [45056, 90112, 15],
    [90112, 176128, 31],
    [176128, 2 ** 30, 63],
  ])('managed pages from %d, below %d: %d', (from, below, batch) => {
    expect(zoneBatchsize(from)).toBe(batch);
    expect(zoneBatchsize(below - 1)).toBe(batch);
  });
});

function zoneWith(managedPages: number, low: number): Zone {
  const zone = new Zone(0, 2);
  zone.managedPages = managedPages;
  zone.watermark[1] = low;
  return zone;
}

describe('high of a zone', () => {
  test.each([
    [250897, 13866, 2, 63, 6933],
    [3840, 212, 2, 1, 106],
  ])('managed %d, low %d, %d CPUs (spec memory-model 4.14)', (managed, low, cpus, batch, high) => {
    expect(zoneBatchsize(managed)).toBe(batch);
    expect(zoneHighsize(zoneWith(managed, low), batch, cpus, 8, 0)).toBe(high);
  });

  test.each([
    [3840, 7, 1, 4],
    [16384, 32, 3, 12],
    [40000, 80, 7, 28],
    [65536, 131, 15, 60],
    [131072, 262, 31, 124],
    [200000, 400, 63, 252],
    [1000000, 2000, 63, 500],
  ])('managed %d, low %d, 4 CPUs (spec buddy 4.30)', (managed, low, batch, high) => {
    const zone = zoneWith(managed, low);
    expect(zoneBatchsize(managed)).toBe(batch);
    expect(zoneHighsize(zone, batch, 4, 4, 0)).toBe(high);
  });

  test('counts the boost, takes a fraction instead, and all CPUs for a node without any', () => {
    const zone = zoneWith(100000, 1000);
    zone.watermarkBoost = 600;
    expect(zoneHighsize(zone, 1, 2, 8, 0)).toBe(800);
    expect(zoneHighsize(zone, 1, 0, 8, 0)).toBe(200);
    expect(zoneHighsize(zone, 1, 2, 8, 8)).toBe(6250);
  });
});

describe('pagesets', () => {
  const sets = () => new Pagesets(new PageMap({ endPfn: 1024 }), 3, 4);

  test('begin as the boot pageset: high 0, batch 1', () => {
    const { count, high, batch } = sets();
    expect([...count, ...high].every((value) => value === 0)).toBe(true);
    expect([...batch].every((value) => value === 1)).toBe(true);
  });

  test('have lists of their own per CPU and zone', () => {
    const all = sets();
    const heads = new Set<number>();
    for (let cpu = 0; cpu < 3; cpu++) {
      for (let zone = 0; zone < 4; zone++) {
        const cell = pagesetIndex(all, cpu, zone);
        for (let list = 0; list < NR_PCP_LISTS; list++) heads.add(pcpListHead(all, cell, list));
      }
    }
    expect(heads.size).toBe(3 * 4 * NR_PCP_LISTS);
  });

  test('change only when high or batch differ from the last ones given; pages stay', () => {
    const all = sets();
    const zone = new Zone(0, 1);
    setPagesetHighAndBatch(all, zone, 40, 7);
    const cells = [0, 1, 2].map((cpu) => pagesetIndex(all, cpu, zone.id));
    expect(cells.map((cell) => [all.high[cell], all.batch[cell]])).toEqual([
      [40, 7],
      [40, 7],
      [40, 7],
    ]);
    writePagesets(all, zone, 0, 1);
    listAdd(all.map, pcpListHead(all, cells[0], 0), 5);
    setPagesetHighAndBatch(all, zone, 40, 7);
    expect(all.high[cells[0]]).toBe(0);
    setPagesetHighAndBatch(all, zone, 41, 7);
    expect(all.high[cells[0]]).toBe(41);
    expect(listToArray(all.map, pcpListHead(all, cells[0], 0))).toEqual([5]);
    expect(all.high[pagesetIndex(all, 0, 2)]).toBe(0);
  });
});
