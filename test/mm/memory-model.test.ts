import { expect, test } from 'vitest';
import { PageframeError } from '../../src/lib/errors.ts';
import {
  defaultTunables,
  MemoryModel,
  nodeDistance,
  nodeOfPage,
  onlineZones,
  zoneOfPage,
} from '../../src/mm/memory-model.ts';

test('the default is one node with one CPU', () => {
  const model = new MemoryModel({ endPfn: 1024 });
  expect(model.nodes).toHaveLength(1);
  expect(model.zones).toHaveLength(4);
  expect(model.cpuCount).toBe(1);
  expect(model.nodes[0].cpus).toEqual([0]);
  expect(model.migrateTypes).toBe(5);
  expect(model.hz).toBe(100);
  expect(model.map.pageblockOrder).toBe(9);
});

test('CPUs are in the masks of their nodes, and distances have defaults', () => {
  const model = new MemoryModel({
    endPfn: 1024,
    nodeCount: 3,
    cpuNode: [2, 0, 2],
    distance: [[10, 17]],
    memoryIsolation: false,
  });
  expect(model.nodes.map(({ cpus }) => cpus)).toEqual([[1], [], [0, 2]]);
  expect(nodeDistance(model, 0, 1)).toBe(17);
  expect(nodeDistance(model, 1, 0)).toBe(20);
  expect(nodeDistance(model, 2, 2)).toBe(10);
  expect(model.migrateTypes).toBe(4);
});

test('pages know their zone and node', () => {
  const model = new MemoryModel({ endPfn: 1024, nodeCount: 2 });
  model.map.zone[5] = 1 + 6;
  expect(zoneOfPage(model, 5)).toBe(model.zones[6]);
  expect(nodeOfPage(model, 5)).toBe(1);
});

test('zones of offline nodes are left out', () => {
  const model = new MemoryModel({ endPfn: 1024, nodeCount: 2 });
  model.nodes[0].online = false;
  expect(onlineZones(model).map(({ id }) => id)).toEqual([4, 5, 6, 7]);
});

test('two models share nothing', () => {
  const [a, b] = [new MemoryModel({ endPfn: 64 }), new MemoryModel({ endPfn: 64 })];
  a.tunables.lowmemReserveRatio[0] = 1;
  a.zones[0].watermark[0] = 9;
  expect(b.tunables).toEqual(defaultTunables());
  expect(b.zones[0].watermark[0]).toBe(0);
});

test.each([
  { endPfn: Number.POSITIVE_INFINITY },
  { endPfn: 64, nodeCount: 0 },
  { endPfn: 64, nodeCount: 64 },
  { endPfn: 64, cpuNode: [] },
  { endPfn: 64, cpuNode: [1] },
  { endPfn: 64, cpuNode: [-1] },
  { endPfn: 64, distance: [[Number.NaN]] },
  { endPfn: 64, distance: [[256]] },
  { endPfn: 64, pageblockOrder: 0 },
])('refuses %o', (options) => {
  expect(() => new MemoryModel(options)).toThrowError(PageframeError);
});
