import { describe, expect, test } from 'vitest';
import { calcMemmapSize, highestPopulatedZone } from '../../src/mm/zone-sizing.ts';
import { initialised } from './support.ts';

/** Start, span, RAM and estimate of the zones that span anything, by name. */
function zones(...args: Parameters<typeof initialised>): Record<string, number[]> {
  const { model } = initialised(...args);
  const names = ['DMA', 'DMA32', 'Normal', 'Movable'];
  return Object.fromEntries(
    model.zones
      .filter((zone) => zone.spannedPages > 0)
      .map((zone) => [
        `${zone.node}:${names[zone.index]}`,
        [zone.startPfn, zone.spannedPages, zone.presentPages, zone.managedPages],
      ]),
  );
}

describe('worked examples', () => {
  test('64 MiB (spec memory-model 7.1)', () => {
    expect(zones('1-9f 100-4000', { dmaReserve: 158 })).toEqual({
      '0:DMA': [1, 4095, 3998, 3776],
      '0:DMA32': [4096, 12288, 12288, 12096],
    });
  });

  test('hole below 4 GiB (spec memory-model 7.2)', () => {
    const text = '1-9f 100-dffda 100000-13fc00';
    expect(zones(text, { dmaReserve: 158 })).toEqual({
      '0:DMA': [1, 4095, 3998, 3776],
      '0:DMA32': [4096, 1044480, 913370, 899098],
      '0:Normal': [0x100000, 261120, 261120, 257040],
    });
  });

  test('kernelcore=600M on 4 nodes (spec memory-model 7.4)', () => {
    const text = '0:1-9f 0:100-10000 1:10000-20000 2:20000-30000 3:30000-3ffe0';
    const found = zones(text, { kernelcore: { pages: 153600, percent: 0 } });
    expect(found['0:DMA32'].slice(0, 2)).toEqual([4096, 34816]);
    expect(found['0:Movable'].slice(0, 2)).toEqual([38912, 26624]);
    expect(found['3:Movable'].slice(0, 2)).toEqual([0x39800, 26592]);
  });

  test('movablecore=4500M takes all of Normal (spec memory-model 7.5)', () => {
    const text = '1-9f 100-bffe0 100000-180000';
    const found = zones(text, { movablecore: { pages: 1152000, percent: 0 } });
    expect(found['0:Normal']).toBeUndefined();
    expect(found['0:Movable'].slice(0, 3)).toEqual([0x100000, 0x80000, 0x80000]);
    // A zone that is not the last of its node reaches up to its limit.
    expect(found['0:DMA32'][1]).toBe(1044480);
  });
});

test('a node without memory has nothing', () => {
  const { model } = initialised('0:100-1000 2:1000-2000');
  const [, empty] = model.nodes;
  expect([empty.startPfn, empty.spannedPages, empty.presentPages, empty.nrZones]).toEqual([
    0, 0, 0, 0,
  ]);
  expect(empty.online).toBe(false);
  expect(highestPopulatedZone(model, 1)).toBeUndefined();
  expect(highestPopulatedZone(model, 0)?.index).toBe(0);
});

test('nodes interleave: spans cover the other node, RAM does not', () => {
  const found = zones('0:1000-2000 1:2000-3000 0:3000-4000');
  expect(found['0:DMA32'].slice(0, 3)).toEqual([0x1000, 0x3000, 0x2000]);
  expect(found['1:DMA32'].slice(0, 3)).toEqual([0x2000, 0x1000, 0x1000]);
});

test('a node span is the sum of its zones, not end minus start', () => {
  const { model } = initialised('100-800 100000-101000');
  const [node] = model.nodes;
  // DMA 0x100..0x1000, DMA32 up to 4 GiB, Normal.
  expect(node.spannedPages).toBe(0xf00 + (0x100000 - 0x1000) + 0x1000);
  expect(node.presentPages).toBe(0x700 + 0x1000);
  expect(node.nrZones).toBe(3);
});

test('mirror mode: Normal keeps mirrored pages, Movable has the others', () => {
  const text = '100000-110000m 110000-120000 120000-130000m';
  const found = zones(text, { mirroredKernelcore: true });
  expect(found['0:Normal'].slice(0, 3)).toEqual([0x100000, 0x30000, 0x20000]);
  expect(found['0:Movable'].slice(0, 3)).toEqual([0x110000, 0x20000, 0x10000]);
});

test('page 0 as RAM does not give the zones without RAM a span', () => {
  expect(Object.keys(zones('0-800'))).toEqual(['0:DMA']);
});

describe('estimate', () => {
  test('of the page map switches to RAM when the span is more than 1/16 larger', () => {
    expect(calcMemmapSize(4095, 3998)).toBe(64);
    expect(calcMemmapSize(17000, 16000)).toBe(Math.ceil(17000 / 64));
    expect(calcMemmapSize(17001, 16000)).toBe(250);
    expect(calcMemmapSize(17001, 16001)).toBe(Math.ceil(17001 / 64));
    expect(calcMemmapSize(17002, 16001)).toBe(251);
  });

  test('of the page map takes 56 bytes per page frame with SLAB (spec 2.3)', () => {
    // 4095 * 56 = 229320 bytes are 55.99 pages; 4097 * 56 are 56.01.
    expect(calcMemmapSize(4095, 4095, 56)).toBe(56);
    expect(calcMemmapSize(4097, 4097, 56)).toBe(57);
    expect(zones('100-800', { structPageBytes: 56 })['0:DMA'][3]).toBe(0x700 - 25);
  });

  test('warns when the page map does not fit, and subtracts nothing', () => {
    const { model, lines } = initialised('100-101');
    expect(lines).not.toContain('  DMA zone: 1 memmap pages exceeds freesize 1');
    expect(model.zones[0].managedPages).toBe(0);
    const tiny = initialised('fff-1001');
    // DMA has one page and needs one for the map: exactly enough.
    expect(tiny.model.zones[0].managedPages).toBe(0);
  });

  test('the reserve of ZONE_DMA counts only if it fits', () => {
    expect(zones('100-800', { dmaReserve: 100 })['0:DMA'][3]).toBe(0x700 - 28 - 100);
    expect(zones('100-800', { dmaReserve: 0x700 - 28 })['0:DMA'][3]).toBe(0x700 - 28);
  });
});
