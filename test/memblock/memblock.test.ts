// covers: src/memblock/memblock.ts src/memblock/memblock-regions.ts src/memblock/errors.ts
import { describe, expect, test } from 'vitest';
import { Memblock, MemblockError, type MemblockTypeName } from '../../src/memblock/index.ts';

const BAD_U64 = [
  -1n,
  2n ** 64n,
  5 as unknown as bigint,
  undefined as unknown as bigint,
  Number.NaN as unknown as bigint,
];
const BAD_INT = [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '1' as unknown as number];

/** Every call that takes an address or size, with one of them bad. */
const u64Calls: readonly [string, (m: Memblock, bad: bigint) => unknown][] = [
  ['add', (m, bad) => m.add(bad, 1n)],
  ['add', (m, bad) => m.add(0n, bad)],
  ['addNode', (m, bad) => m.addNode(bad, 1n, 0, 0)],
  ['remove', (m, bad) => m.remove(0n, bad)],
  ['reserve', (m, bad) => m.reserve(bad, 1n)],
  ['physFree', (m, bad) => m.physFree(bad, 1n)],
  ['free', (m, bad) => m.free(bad, 1n)],
  ['markHotplug', (m, bad) => m.markHotplug(bad, 1n)],
  ['clearHotplug', (m, bad) => m.clearHotplug(bad, 1n)],
  ['markMirror', (m, bad) => m.markMirror(bad, 1n)],
  ['markNomap', (m, bad) => m.markNomap(0n, bad)],
  ['clearNomap', (m, bad) => m.clearNomap(0n, bad)],
  ['setNode', (m, bad) => m.setNode(0n, bad, 'memory', 0)],
  ['trimMemory', (m, bad) => m.trimMemory(bad)],
  ['enforceMemoryLimit', (m, bad) => m.enforceMemoryLimit(bad)],
  ['capMemoryRange', (m, bad) => m.capMemoryRange(0n, bad)],
  ['memLimitRemoveMap', (m, bad) => m.memLimitRemoveMap(bad)],
  ['isMemory', (m, bad) => m.isMemory(bad)],
  ['isMapMemory', (m, bad) => m.isMapMemory(bad)],
  ['isReserved', (m, bad) => m.isReserved(bad)],
  ['isRegionMemory', (m, bad) => m.isRegionMemory(0n, bad)],
  ['isRegionReserved', (m, bad) => m.isRegionReserved(bad, 0n)],
  ['allocRangeNid', (m, bad) => m.allocRangeNid(bad, 1n, 0n, 0n, 0, false)],
  ['physAllocRange', (m, bad) => m.physAllocRange(1n, bad, 0n, 0n)],
  ['physAllocRange', (m, bad) => m.physAllocRange(1n, 1n, bad, 0n)],
  ['physAllocRange', (m, bad) => m.physAllocRange(1n, 1n, 0n, bad)],
  ['allocTryNid', (m, bad) => m.allocTryNid(bad, 1n, 0n, 0n, 0)],
  ['allocTryNidRaw', (m, bad) => m.allocTryNidRaw(1n, bad, 0n, 0n, 0)],
  ['allocExactNidRaw', (m, bad) => m.allocExactNidRaw(1n, 1n, bad, 0n, 0)],
  ['allocFrom', (m, bad) => m.allocFrom(1n, 1n, bad)],
  ['alloc', (m, bad) => m.alloc(bad, 1n)],
  ['nextMemRange', (m, bad) => m.nextMemRange(bad, 'memory', null)],
  ['nextMemRangeRev', (m, bad) => m.nextMemRangeRev(bad, 'memory', null)],
  ['setCurrentLimit', (m, bad) => m.setCurrentLimit(bad)],
  ['freeLate', (m, bad) => m.freeLate({ freePages: () => undefined }, bad, 1n)],
];

const intCalls: readonly [string, (m: Memblock, bad: number) => unknown][] = [
  ['addNode nid', (m, bad) => m.addNode(0n, 1n, bad, 0)],
  ['addNode flags', (m, bad) => m.addNode(0n, 1n, 0, bad)],
  ['setNode', (m, bad) => m.setNode(0n, 1n, 'memory', bad)],
  ['allocNode', (m, bad) => m.allocNode(1n, 1n, bad)],
  ['physAllocTryNid', (m, bad) => m.physAllocTryNid(1n, 1n, bad)],
  ['freeMemRanges', (m, bad) => m.freeMemRanges(bad)],
  ['freeMemRangesReverse', (m, bad) => m.freeMemRangesReverse(0, bad)],
  ['memPfnRanges', (m, bad) => m.memPfnRanges(bad)],
  ['freePfnRangesInZone', (m, bad) => m.freePfnRangesInZone({ nid: bad, startPfn: 0, endPfn: 1 })],
];

describe('misuse is refused before anything changed', () => {
  function refuses(run: (m: Memblock) => unknown): void {
    const m = new Memblock();
    m.add(0x1000n, 0x1000n);
    const before = m.snapshot();
    expect(() => run(m)).toThrow(
      expect.objectContaining({ name: 'MemblockError', code: 'BAD_ARGUMENT' }),
    );
    expect(m.snapshot()).toEqual(before);
  }

  test.each(u64Calls)('%s', (_, run) => {
    for (const bad of BAD_U64) refuses((m) => run(m, bad));
  });

  test.each(intCalls)('%s', (_, run) => {
    for (const bad of BAD_INT) refuses((m) => run(m, bad));
  });

  test('names, page frames, zones', () => {
    const name = 'mirror' as MemblockTypeName;
    refuses((m) => m.regions(name));
    refuses((m) => m.setNode(0n, 1n, name, 0));
    refuses((m) => m.searchPfnNid(-1));
    refuses((m) => m.freePfnRangesInZone({ nid: 0, startPfn: -1, endPfn: 1 }));
    refuses((m) => m.freePfnRangesInZone({ nid: 0, startPfn: 0, endPfn: Number.NaN }));
  });

  test('the message says what was wrong', () => {
    const m = new Memblock();
    expect(() => m.add(-1n, 1n)).toThrow(
      'base must be a bigint from 0 to 0xffffffffffffffff, got -1n',
    );
    expect(() => m.add(5 as unknown as bigint, 1n)).toThrow('got number 5');
    try {
      m.addNode(0n, 1n, 1.5, 0);
    } catch (error) {
      expect(error).toBeInstanceOf(MemblockError);
      expect((error as MemblockError).data).toMatchObject({ name: 'nid', value: 1.5 });
    }
  });
});

test('two memblocks in one process never meet', () => {
  const [a, b] = [new Memblock(), new Memblock()];
  a.add(0x1000n, 0x1000n);
  a.setBottomUp(true);
  expect(b.regions('memory')[0].size).toBe(0n);
  expect(b.bottomUp()).toBe(false);
});

test('what regions() gives is the caller’s own', () => {
  const m = new Memblock();
  m.add(0x1000n, 0x1000n);
  m.regions('memory').pop();
  expect(m.regions('memory')).toHaveLength(1);
});
