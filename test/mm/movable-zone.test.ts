import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodePfnRange, rangePages } from '../../src/mm/memory-range.ts';
import { findZoneMovablePfns, type MovableZoneOptions } from '../../src/mm/movable-zone.ts';
import { archZoneBounds } from '../../src/mm/zone-bounds.ts';
import { ranges } from './support.ts';

const MIB = 256;

function starts(text: string, options: MovableZoneOptions, lines: string[] = []): number[] {
  const memory = ranges(text);
  const nodes = 1 + Math.max(...memory.map(({ node }) => node));
  const bounds = archZoneBounds(memory[0].startPfn, memory[memory.length - 1].endPfn);
  return findZoneMovablePfns(nodes, memory, bounds, options, (line) => lines.push(line));
}

const pages = (count: number) => ({ pages: count, percent: 0 });
const percent = (value: number) => ({ pages: 0, percent: value });

const FOUR_NODES = '0:1-9f 0:100-10000 1:10000-20000 2:20000-30000 3:30000-3ffe0';
const FIVE_GIB = '0:1-9f 0:100-bffe0 0:100000-180000';

describe('worked examples', () => {
  test('kernelcore=600M on 4 nodes of 256 MiB (spec memory-model 7.4)', () => {
    expect(starts(FOUR_NODES, { kernelcore: pages(600 * MIB) })).toEqual([
      0x9800, 0x19800, 0x29800, 0x39800,
    ]);
  });

  test('movablecore= larger than the top zone (spec memory-model 7.5)', () => {
    expect(starts(FIVE_GIB, { movablecore: pages(4500 * MIB) })).toEqual([0x100000]);
    expect(starts(FIVE_GIB, { movablecore: pages(1000 * MIB) })).toEqual([0x141800]);
  });
});

describe('sizes', () => {
  test('nothing asked for, or all memory: no ZONE_MOVABLE', () => {
    expect(starts(FOUR_NODES, {})).toEqual([0, 0, 0, 0]);
    const total = rangePages(ranges(FOUR_NODES));
    expect(starts(FOUR_NODES, { kernelcore: pages(total) })).toEqual([0, 0, 0, 0]);
    expect(starts(FOUR_NODES, { kernelcore: percent(100) })).toEqual([0, 0, 0, 0]);
  });

  test('a percentage overrides a size', () => {
    const both = { kernelcore: { pages: 600 * MIB, percent: 50 } };
    expect(starts(FOUR_NODES, both)).toEqual(starts(FOUR_NODES, { kernelcore: percent(50) }));
    expect(starts(FOUR_NODES, both)).not.toEqual(
      starts(FOUR_NODES, { kernelcore: pages(600 * MIB) }),
    );
  });

  test('of both options the larger kernel core wins', () => {
    const small = { kernelcore: pages(100 * MIB), movablecore: pages(300 * MIB) };
    expect(starts(FOUR_NODES, small)).toEqual(
      starts(FOUR_NODES, { movablecore: pages(300 * MIB) }),
    );
    const large = { kernelcore: pages(900 * MIB), movablecore: pages(300 * MIB) };
    expect(starts(FOUR_NODES, large)).toEqual(starts(FOUR_NODES, { kernelcore: pages(900 * MIB) }));
  });

  test('movablecore of all memory leaves no kernel core, so there is no ZONE_MOVABLE', () => {
    expect(starts(FOUR_NODES, { movablecore: percent(100) })).toEqual([0, 0, 0, 0]);
  });

  test('a node that is too small for its share passes the rest on', () => {
    // 512 + 65536 pages, 40000 asked for: node 0 gives all it has, and a second round takes the
    // rest from node 1: 20000 + 19488 pages from its start, rounded up to 1024.
    const text = '0:2000-2200 1:8000-18000';
    expect(starts(text, { kernelcore: pages(40000) })).toEqual([0, 0x8000 + 39936]);
  });

  test('a rest of one page per node is not worth another round', () => {
    // 1026 pages: 512 from node 0, its share of 513 from node 1, which reaches 0x8400; 1 is left.
    expect(starts('0:2000-2200 1:81ff-18000', { kernelcore: pages(1026) })).toEqual([0, 0x8400]);
  });

  test('what lies below the usable zone shrinks the shares of later nodes', () => {
    expect(starts('0:1000-80000 1:100000-180000', { kernelcore: pages(300000) })).toEqual([
      0, 0x100000,
    ]);
  });

  test('memory below the usable zone counts for the kernel even beyond the share', () => {
    expect(starts(FIVE_GIB, { kernelcore: pages(10) })).toEqual([0x100000]);
  });
});

describe('by kind of memory', () => {
  test('movable_node: from the lowest hotpluggable range on, sizes ignored', () => {
    const text = '0:100-10000 1:10000-18000h 1:18000-20000h 2:20000-30000';
    const options = { movableNode: true, kernelcore: pages(10 * MIB) };
    expect(starts(text, options)).toEqual([0, 0x10000, 0]);
  });

  test('kernelcore=mirror: from the lowest unmirrored range above 4 GiB on', () => {
    const lines: string[] = [];
    const text = '0:100-10000m 0:100000-110000m 0:110000-120000 1:120000-130000m 1:130000-140000';
    expect(starts(text, { mirroredKernelcore: true }, lines)).toEqual([0x110000, 0x130000]);
    expect(lines).toEqual([]);
  });

  test('kernelcore=mirror: unmirrored memory below 4 GiB is left alone, with a warning', () => {
    const lines: string[] = [];
    const text = '0:100-10000 0:100000-110000m 0:110200-120000';
    expect(starts(text, { mirroredKernelcore: true }, lines)).toEqual([0x110400]);
    expect(lines).toEqual(['This configuration results in unmirrored kernel memory.']);
  });
});

test('MM-18: starts are multiples of 1024 below the end of the node', () => {
  const range = fc.record({
    gap: fc.nat(5000),
    length: fc.integer({ min: 1, max: 90000 }),
    node: fc.nat(3),
  });
  const size = fc.record({ pages: fc.nat(200000), percent: fc.oneof(fc.constant(0), fc.nat(100)) });
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 12 }), size, size, (list, a, b) => {
      let at = 1;
      const memory = list.map(({ gap, length, node }) => {
        const startPfn = at + gap;
        at = startPfn + length;
        return { startPfn, endPfn: at, node };
      });
      const bounds = archZoneBounds(memory[0].startPfn, at);
      const options = { kernelcore: a, movablecore: b };
      const found = findZoneMovablePfns(4, memory, bounds, options);
      found.forEach((start, node) => {
        expect(start % 1024).toBe(0);
        if (start !== 0) expect(start).toBeLessThan(nodePfnRange(memory, node).endPfn);
      });
    }),
  );
});
