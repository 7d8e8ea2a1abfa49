import { expect, test } from 'vitest';
import { PageframeError } from '../../src/lib/errors.ts';
import { formatPfnRange, freeAreaInit } from '../../src/mm/free-area-init.ts';
import { MemoryModel } from '../../src/mm/memory-model.ts';
import { initialised, ranges } from './support.ts';

test('log of the 64 MiB machine (spec memory-model 7.1)', () => {
  expect(initialised('1-9f 100-4000', { dmaReserve: 158 }).lines).toEqual([
    'Zone ranges:',
    '  DMA      [mem 0x0000000000001000-0x0000000000ffffff]',
    '  DMA32    [mem 0x0000000001000000-0x0000000003ffffff]',
    '  Normal   empty',
    'Movable zone start for each node',
    'Early memory node ranges',
    '  node   0: [mem 0x0000000000001000-0x000000000009efff]',
    '  node   0: [mem 0x0000000000100000-0x0000000003ffffff]',
    'Initmem setup node 0 [mem 0x0000000000001000-0x0000000003ffffff]',
    'On node 0, zone DMA: 1 pages in unavailable ranges',
    'On node 0, zone DMA: 97 pages in unavailable ranges',
    'On node 0, zone DMA32: 16384 pages in unavailable ranges',
  ]);
});

test('log of nodes without memory, and of ZONE_MOVABLE', () => {
  const memory = '0:100-10000 2:10000-20000';
  const { lines } = initialised(memory, { kernelcore: { pages: 65536, percent: 0 } });
  expect(lines).toContain('  Node 0: 0x0000000008400000');
  expect(lines).toContain('  Node 2: 0x0000000018000000');
  expect(lines).toContain('Initializing node 1 as memoryless');
  expect(lines).toContain('Initmem setup node 1 as memoryless');
  expect(lines).toContain('Initmem setup node 2 [mem 0x0000000010000000-0x000000001fffffff]');
});

test('the Zone ranges line of Normal does not change when Movable takes all of it (spec 7.5)', () => {
  const { lines } = initialised('1-9f 100-bffe0 100000-180000', {
    movablecore: { pages: 1152000, percent: 0 },
  });
  expect(lines).toContain('  Normal   [mem 0x0000000100000000-0x000000017fffffff]');
});

test('a node id that firmware does not know is not mentioned', () => {
  const memory = ranges('0:100-8000 2:8000-10000');
  const model = new MemoryModel({ endPfn: 0x10000, nodeCount: 3 });
  model.nodes[1].possible = false;
  const lines: string[] = [];
  freeAreaInit(model, memory, {}, (line) => lines.push(line));
  expect(lines.some((line) => line.includes('node 1'))).toBe(false);
});

test('bad ranges change nothing', () => {
  const model = new MemoryModel({ endPfn: 0x8000 });
  expect(() => freeAreaInit(model, ranges('100-200 180-300'))).toThrowError(PageframeError);
  expect(model.sections.presentCount).toBe(0);
  expect(model.map.zone.some((cell) => cell !== 0)).toBe(false);
});

test('ranges print with 16 digits, the end included', () => {
  expect(formatPfnRange(1, 0x2_0000_0000)).toBe('[mem 0x0000000000001000-0x00001fffffffffff]');
});
