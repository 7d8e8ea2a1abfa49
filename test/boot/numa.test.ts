import { describe, expect, test } from 'vitest';
import {
  dummyNumaLayout,
  firmwareNumaLayout,
  formatShort,
  fullDistance,
} from '../../src/boot/numa.ts';
import type { BootNode } from '../../src/boot/types.ts';
import { textLog } from './support.ts';

const GIB = 1n << 30n;
const range = (start: bigint, end: bigint) => ({ start, end });

function layoutOf(nodes: BootNode[], cpus = 1, end = 8n * GIB) {
  const { log, lines } = textLog();
  return { layout: firmwareNumaLayout(nodes, undefined, end, cpus, log), lines };
}

test('one node for all memory and all CPUs', () => {
  const { log, lines } = textLog();
  const layout = dummyNumaLayout(0x3fe0000n, 2, log);
  expect(lines).toEqual(['Faking a node at [mem 0x0000000000000000-0x0000000003fdffff]']);
  expect(layout).toMatchObject({ nodeCount: 1, cpuNode: [0, 0], nodeCpus: [[0, 1]] });
  expect(fullDistance(layout)).toEqual([[10]]);
});

test('ranges of a node join where no other node lies between, with a line', () => {
  const { layout, lines } = layoutOf([
    { memory: [range(0n, 0xa0000n), range(0x100000n, 0x20000000n), range(4n * GIB, 5n * GIB)] },
    { memory: [range(0x20000000n, 0x40000000n)] },
  ]);
  expect(lines).toEqual([
    'NUMA: Node 0 [mem 0x00000000-0x0009ffff] + [mem 0x00100000-0x1fffffff] -> [mem 0x00000000-0x1fffffff]',
  ]);
  expect(layout.blocks.map((block) => `${block.node} ${formatShort(block)}`)).toEqual([
    '0 [mem 0x00000000-0x1fffffff]',
    '1 [mem 0x20000000-0x3fffffff]',
    '0 [mem 0x100000000-0x13fffffff]',
  ]);
});

test('memory past the end of RAM is cut off, a node beyond it has none', () => {
  const { layout } = layoutOf(
    [{ memory: [range(0n, GIB)] }, { memory: [range(GIB, 2n * GIB)] }],
    2,
    GIB,
  );
  expect(layout.blocks).toHaveLength(1);
  expect(layout.nodeCount).toBe(2);
  expect(layout.cpuNode).toEqual([0, 0]);
});

test('CPUs that no node names go round the nodes with memory', () => {
  const nodes = [
    { memory: [range(0n, GIB)], cpus: [3] },
    { memory: [] },
    { memory: [range(GIB, 2n * GIB)] },
  ];
  const { layout } = layoutOf(nodes, 5);
  expect(layout.cpuNode).toEqual([0, 2, 0, 0, 2]);
  expect(layout.nodeCpus).toEqual([[0, 2, 3], [], [1, 4]]);
});

describe('refused are', () => {
  const memory = [range(0n, GIB)];
  test.each<[string, BootNode[], string]>([
    ['no nodes', [], 'BAD_NODES'],
    ['too many nodes', new Array(64).fill({ memory: [] }), 'BAD_NODES'],
    ['overlapping nodes', [{ memory }, { memory: [range(GIB - 1n, 2n * GIB)] }], 'BAD_NODES'],
    ['an end before the start', [{ memory: [range(GIB, 0n)] }], 'BAD_REGION'],
    ['a negative start', [{ memory: [range(-1n, GIB)] }], 'BAD_REGION'],
    ['a CPU that does not exist', [{ memory, cpus: [7] }], 'BAD_NODES'],
    [
      'a CPU of two nodes',
      [
        { memory, cpus: [0] },
        { memory: [], cpus: [0] },
      ],
      'BAD_NODES',
    ],
    ['a CPU that is no number', [{ memory, cpus: [Number.NaN] }], 'BAD_NODES'],
  ])('%s', (_, nodes, code) => {
    expect(() => layoutOf(nodes)).toThrowError(expect.objectContaining({ code }));
  });
});
