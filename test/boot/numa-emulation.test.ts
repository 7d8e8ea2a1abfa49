import { describe, expect, test } from 'vitest';
import { formatShort, type NumaLayout } from '../../src/boot/numa.ts';
import { emulateNodes, parseNumaFake } from '../../src/boot/numa-emulation.ts';
import { textLog } from './support.ts';

const GIB = 1n << 30n;

/** One node, or two of equal size, with RAM everywhere but from 640 KiB to 1 MiB and in page 0. */
function layoutOf(end: bigint, nodes = 1, cpus = 2): NumaLayout {
  const size = end / BigInt(nodes);
  const ids = Array.from({ length: nodes }, (_, id) => id);
  const cpuNode = Array.from({ length: cpus }, (_, cpu) => cpu % nodes);
  return {
    nodeCount: nodes,
    blocks: ids.map((id) => ({
      start: size * BigInt(id),
      end: size * BigInt(id + 1),
      node: id,
      hotplug: false,
    })),
    earlyCpuNode: cpuNode,
    cpuNode,
    nodeCpus: ids.map((id) => cpuNode.flatMap((node, cpu) => (node === id ? [cpu] : []))),
    distance: nodes === 1 ? undefined : ids.map((a) => ids.map((b) => (a === b ? 10 : 30))),
  };
}

function ramIn(start: bigint, end: bigint): bigint {
  const part = (from: bigint, to: bigint) => {
    const a = start > from ? start : from;
    const b = end < to ? end : to;
    return b > a ? b - a : 0n;
  };
  return part(0x1000n, 0x9f000n) + part(0x100000n, 1n << 60n);
}

function emulate(text: string, layout: NumaLayout) {
  const emulation = parseNumaFake(text);
  if (emulation === null) throw new Error('nothing asked for');
  const { log, lines } = textLog();
  return { layout: emulateNodes(layout, emulation, ramIn, log), lines };
}

describe('the option', () => {
  test.each([
    ['4', { count: 4, sizeBytes: 0n, perNode: false, distances: [] }],
    ['4U', { count: 4, sizeBytes: 0n, perNode: true, distances: [] }],
    ['512M', { count: 0, sizeBytes: 512n << 20n, perNode: false, distances: [] }],
    ['2:10,20,20,10', { count: 2, sizeBytes: 0n, perNode: false, distances: [10, 20, 20, 10] }],
    ['0', null],
    ['2:10,x', null],
    ['', null],
  ])('%s', (text, expected) => {
    expect(parseNumaFake(text)).toEqual(expected);
  });
});

test('two nodes of 2 GiB, as recorded', () => {
  const { layout, lines } = emulate('2', layoutOf(0x7ffe0000n, 1, 4));
  expect(lines).toEqual([
    'Faking node 0 at [mem 0x0000000000000000-0x000000003fffffff] (1024MB)',
    'Faking node 1 at [mem 0x0000000040000000-0x000000007ffdffff] (1023MB)',
  ]);
  expect(layout.cpuNode).toEqual([0, 0, 0, 0]);
  expect(layout.nodeCpus).toEqual([
    [0, 1, 2, 3],
    [0, 1, 2, 3],
  ]);
  expect(layout.earlyCpuNode).toEqual([0, 1, 0, 1]);
  expect(layout.distance).toEqual([
    [10, 10],
    [10, 10],
  ]);
});

test('distances after the colon replace the table', () => {
  const { layout } = emulate('2:10,15,16,10', layoutOf(2n * GIB));
  expect(layout.distance).toEqual([
    [10, 15],
    [16, 10],
  ]);
});

test('pieces come from each node in turn', () => {
  const { layout } = emulate('4', layoutOf(4n * GIB, 2));
  const pieces = [...layout.blocks].map((block) => `${block.node} ${formatShort(block)}`);
  expect(pieces).toEqual([
    '0 [mem 0x00000000-0x3fffffff]',
    '2 [mem 0x40000000-0x7fffffff]',
    '1 [mem 0x80000000-0xbfffffff]',
    '3 [mem 0xc0000000-0xffffffff]',
  ]);
  expect(layout.cpuNode).toEqual([0, 1]);
  expect(layout.nodeCpus).toEqual([[0], [1], [0], [1]]);
  expect(layout.distance?.[0]).toEqual([10, 30, 10, 30]);
});

test('each node can be split on its own, or into pieces of a size', () => {
  const uniform = emulate('2U', layoutOf(4n * GIB, 2)).layout;
  expect(uniform.blocks.map(({ node }) => node)).toEqual([0, 1, 2, 3]);
  expect(uniform.cpuNode).toEqual([0, 2]);
  const sized = emulate('1G', layoutOf(4n * GIB)).layout;
  // The first piece grows by 32 MiB because of its holes, so that too little is left for a fourth.
  expect(sized.blocks.map(formatShort)).toEqual([
    '[mem 0x00000000-0x41ffffff]',
    '[mem 0x42000000-0x81ffffff]',
    '[mem 0x82000000-0xffffffff]',
  ]);
});

test('without enough memory there is no emulation', () => {
  const layout = layoutOf(64n << 20n);
  const { layout: same, lines } = emulate('8', layout);
  expect(same).toBe(layout);
  expect(lines).toEqual(['Not enough memory for each node.  NUMA emulation disabled.']);
  expect(emulate('64', layoutOf(64n * GIB)).lines.at(-1)).toContain('disabled');
});
