import { expect, test } from 'vitest';
import * as ranges from '../../src/boot/memblock-ranges.ts';
import { MemblockFlags } from '../../src/memblock/index.ts';
import { memblockOf } from './support.ts';

test('RAM is rounded inward, reservations outward; scraps disappear', () => {
  const memblock = memblockOf(
    '1800-9f400 a0000-a0800 0:100000-200000 1:200000-300000',
    '150400-150800',
  );
  expect(ranges.memoryRanges(memblock)).toEqual([
    { startPfn: 2, endPfn: 0x9f, node: 0, hotplug: false, mirror: false },
    { startPfn: 0x100, endPfn: 0x200, node: 0, hotplug: false, mirror: false },
    { startPfn: 0x200, endPfn: 0x300, node: 1, hotplug: false, mirror: false },
  ]);
  expect(ranges.reservedRanges(memblock)).toEqual([{ startPfn: 0x150, endPfn: 0x151 }]);
  expect(ranges.freeRanges(memblock)).toEqual([
    { startPfn: 2, endPfn: 0x9f, node: 0 },
    { startPfn: 0x100, endPfn: 0x150, node: 0 },
    { startPfn: 0x151, endPfn: 0x200, node: 0 },
    { startPfn: 0x200, endPfn: 0x300, node: 1 },
  ]);
});

test('regions without a node are of node 0; flags are told', () => {
  const memblock = memblockOf('');
  memblock.add(0x100000n, 0x100000n);
  memblock.addNode(0x200000n, 0x100000n, 1, MemblockFlags.MEMBLOCK_HOTPLUG);
  memblock.setMirroredKernelcore(true);
  memblock.markMirror(0x100000n, 0x100000n);
  expect(ranges.memoryRanges(memblock)).toEqual([
    { startPfn: 0x100, endPfn: 0x200, node: 0, hotplug: false, mirror: true },
    { startPfn: 0x200, endPfn: 0x300, node: 1, hotplug: true, mirror: false },
  ]);
  expect(ranges.freeRanges(memblock)[0].node).toBe(0);
});

test('the reserve of ZONE_DMA is what is in use below 16 MiB (spec memory-model 7.1)', () => {
  const memblock = memblockOf('1000-9f000 100000-4000000', '0-100000 1000000-1c05000');
  expect(ranges.findDmaReserve(memblock)).toBe(158);
  memblock.reserve(0xfffff0n, 0x20n);
  expect(ranges.findDmaReserve(memblock)).toBe(159);
});

test('first page frame, bytes of RAM in a range', () => {
  const memblock = memblockOf('1800-9f400 100000-200000');
  expect(ranges.firstMemoryPfn(memblock)).toBe(1);
  expect(ranges.firstMemoryPfn(memblockOf(''))).toBe(0);
  expect(ranges.ramBytesIn(memblock, 0x9f000n, 0x180000n)).toBe(0x400n + 0x80000n);
  expect(ranges.pfnDownAddr(0x1fffn)).toBe(1);
});

test('the dummy of an empty array is no region', () => {
  expect(ranges.regionsOf(memblockOf(''), 'memory')).toEqual([]);
  expect(ranges.memoryRanges(memblockOf(''))).toEqual([]);
});
