import { expect, test } from 'vitest';
import { ArgumentError } from '../../src/lib/errors.ts';
import { MemoryModel } from '../../src/mm/memory-model.ts';
import {
  checkTopology,
  memoryNodeOf,
  type SlabTopology,
  singleNodeTopology,
  topologyOfModel,
  zoneRefIndex,
  zoneRefNode,
} from '../../src/mm/slab-topology.ts';

const TWO: SlabTopology = {
  cpuNode: [0, 1],
  nodeIds: 2,
  memoryNodes: [1],
  zonelists: [[6, 5], [6]],
  thisNodeZonelists: [[], [6]],
};

test('an entry of a zonelist is a node and a zone index', () => {
  expect([zoneRefNode(6), zoneRefIndex(6)]).toEqual([1, 2]);
});

test('a CPU without memory on its node uses the nearest node that has some', () => {
  expect([memoryNodeOf(TWO, 0), memoryNodeOf(TWO, 1)]).toEqual([1, 1]);
  expect(memoryNodeOf({ ...TWO, zonelists: [[], [6]] }, 0)).toBe(1);
});

test('topologies that contradict themselves are refused', () => {
  checkTopology(TWO);
  checkTopology(singleNodeTopology(4));
  const wrong: Partial<SlabTopology>[] = [
    { cpuNode: [] },
    { cpuNode: [2] },
    { memoryNodes: [] },
    { memoryNodes: [1, 0] },
    { zonelists: [[]] },
    { thisNodeZonelists: [] },
  ];
  for (const change of wrong) {
    expect(() => checkTopology({ ...TWO, ...change })).toThrow(ArgumentError);
  }
});

test('the topology of a model', () => {
  const model = new MemoryModel({ endPfn: 0x1000, nodeCount: 2, cpuNode: [0, 1, 1] });
  const [node0, node1] = model.nodes;
  node1.presentPages = 5;
  node0.zonelists[0] = [node1.zones[2]];
  expect(topologyOfModel(model)).toEqual({
    cpuNode: [0, 1, 1],
    nodeIds: 2,
    memoryNodes: [1],
    zonelists: [[6], []],
    thisNodeZonelists: [[], []],
  });
});
