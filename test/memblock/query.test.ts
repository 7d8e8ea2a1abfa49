import { describe, expect, test } from 'vitest';
import {
  isDriverManaged,
  isHotpluggable,
  isMirror,
  isNomap,
  Memblock,
  type MemblockRegion,
  memblockAddrsOverlap,
  memoryBasePfn,
  memoryEndPfn,
  reservedBasePfn,
  reservedEndPfn,
} from '../../src/memblock/index.ts';
import { ALL_ONES, NOMAP } from './show.ts';

/** The memory of spec memblock 7.9. */
function example(): Memblock {
  const m = new Memblock();
  m.addNode(0x1000n, 0x7000n, 0, 0);
  m.addNode(0x8000n, 0x8000n, 1, 0);
  m.addNode(0x20000n, 0x800n, 1, NOMAP);
  m.reserve(0x3000n, 0x2000n);
  m.reserve(0x20800n, 0x800n);
  return m;
}

describe('queries (spec memblock 7.9)', () => {
  const m = example();

  test('single addresses', () => {
    expect([0xfffn, 0x1000n, 0x10000n, 0x20000n].map((addr) => m.isMemory(addr))).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect([0x1000n, 0x20000n, 0x10000n].map((addr) => m.isMapMemory(addr))).toEqual([
      true,
      false,
      false,
    ]);
    expect([0x4fffn, 0x5000n].map((addr) => m.isReserved(addr))).toEqual([true, false]);
  });

  test('containment in one entry', () => {
    expect(m.isRegionMemory(0x7000n, 0x1000n)).toBe(true);
    expect(m.isRegionMemory(0x7000n, 0x2000n)).toBe(false);
    expect(m.isRegionMemory(0x9000n, 0n)).toBe(true);
    expect(m.isRegionMemory(0x11000n, 0n)).toBe(false);
  });

  test('overlap', () => {
    expect(m.isRegionReserved(0x2000n, 0x1000n)).toBe(false);
    expect(m.isRegionReserved(0x2000n, 0x1001n)).toBe(true);
    expect(m.isRegionReserved(0x3000n, 0n)).toBe(false);
    expect(m.isRegionReserved(0x3001n, 0n)).toBe(true);
    expect(m.isRegionReserved(0x5000n, 0x100000n)).toBe(true);
    expect(m.overlapsRegion('memory', 0x10000n, 0x10000n)).toBe(false);
    expect(m.overlapsRegion('memory', 0x10000n, 0x10001n)).toBe(true);
    expect(m.overlapsRegion('memory', 0x10000n, ALL_ONES)).toBe(true);
    expect(new Memblock().overlapsRegion('memory', 0n, ALL_ONES)).toBe(false);
  });

  test('node of a page frame', () => {
    expect(m.searchPfnNid(0x20)).toEqual({ nid: 1, startPfn: 0x20, endPfn: 0x20 });
    expect(m.searchPfnNid(0x21)).toBeNull();
    expect(m.searchPfnNid(7)).toEqual({ nid: 0, startPfn: 1, endPfn: 8 });
  });

  test('sizes and ends', () => {
    expect(m.startOfDRAM()).toBe(0x1000n);
    expect(m.endOfDRAM()).toBe(0x20800n);
    expect(m.physMemSize()).toBe(0xf800n);
    expect(m.reservedSize()).toBe(0x2800n);
    const none = new Memblock();
    expect([none.startOfDRAM(), none.endOfDRAM()]).toEqual([0n, 0n]);
  });
});

test('two ranges: ends wrap', () => {
  expect(memblockAddrsOverlap(0x1000n, 0x1000n, 0x1fffn, 1n)).toBe(true);
  expect(memblockAddrsOverlap(0x1000n, 0x1000n, 0x2000n, 1n)).toBe(false);
  expect(memblockAddrsOverlap(0x1000n, ALL_ONES, 0x2000n, 1n)).toBe(false);
});

test('of one entry: memory rounds inward, reserved outward', () => {
  const region: MemblockRegion = { base: 0x1800n, end: 0x3800n, size: 0x2000n, flags: 5, nid: 0 };
  expect([isHotpluggable, isMirror, isNomap, isDriverManaged].map((is) => is(region))).toEqual([
    true,
    false,
    true,
    false,
  ]);
  expect([memoryBasePfn(region), memoryEndPfn(region)]).toEqual([2, 3]);
  expect([reservedBasePfn(region), reservedEndPfn(region)]).toEqual([1, 4]);
});
