// covers: src/slab/refill.ts src/slab/node-alloc.ts src/slab/free-block.ts src/slab/alien.ts src/slab/drain.ts
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { scaled } from '../support/seed.ts';
import { commandFamilies, type Model, type Real } from './commands.ts';
import { ReferenceSlab } from './reference.ts';
import { made, TestPages, testSlab, testTopology } from './support.ts';

const HZ = 100;
const SHAPES: readonly { size: number; ctor?: () => void; flags?: number }[] = [
  ...[96, 200, 600, 1024, 2048, 4000, 6000].map((size) => ({ size })),
  // Index arrays at the end of the slab, and in objects of their own.
  { size: 40, ctor: () => undefined },
  { size: 1400, ctor: () => undefined, flags: SlabFlag.SLAB_RECLAIM_ACCOUNT },
  { size: 1024, ctor: () => undefined },
];

function setUp(
  shape: (typeof SHAPES)[number],
  cpuNode: readonly number[],
  nodes: number,
  contentless: boolean,
): { model: Model; real: Real } {
  const pagesPerNode = 0x400;
  const { slab, pages } = testSlab({
    pagesPerNode,
    topology: testTopology(cpuNode, nodes),
    checks: 'basic',
    hz: HZ,
    ...(contentless ? { memory: noMemory(pagesPerNode * nodes * 4096) } : {}),
  });
  const cache = made(slab.createCache('demo', shape));
  const { limit, batchcount, shared } = cache;
  const own = new TestPages(pagesPerNode, nodes);
  const geometry = { ...cache.geometry(), order: cache.gfporder };
  const tunables = { limit, batchcount, shared };
  const reference = new ReferenceSlab(geometry, own, cpuNode, nodes, tunables, HZ);
  // All nodes of a cache without a descriptor of its own are due at the same time.
  for (const n of reference.nodes) n.nextReap = cache.nodes[0]?.nextReap ?? 0;
  return { model: { reference, pages: own, owned: [], now: 0 }, real: { slab, cache, pages } };
}

describe('any sequence of calls ends as the plain form of the rules says', () => {
  const shapes: [string, number[], number][] = [
    ['one CPU', [0], 1],
    ['three CPUs on one node', [0, 0, 0], 1],
    ['three CPUs on two nodes', [0, 1, 0], 2],
    ['four CPUs on three nodes', [0, 1, 2, 1], 3],
  ];
  for (const [title, cpuNode, nodes] of shapes) {
    test(title, () => {
      // A random part of all kinds of commands: an even mix would hover around few slabs.
      const commands = fc
        .subarray(commandFamilies(cpuNode.length, nodes), { minLength: 3 })
        .chain((families) =>
          fc.commands([...commandFamilies(cpuNode.length, nodes).slice(0, 4), ...families], {
            size: 'large',
            maxCommands: 120,
          }),
        );
      fc.assert(
        fc.property(
          fc.constantFrom(...SHAPES),
          fc.boolean(),
          commands,
          (shape, contentless, cmds) => {
            fc.modelRun(() => setUp(shape, cpuNode, nodes, contentless), cmds);
          },
        ),
        { numRuns: scaled(60) },
      );
    });
  }
});

test('the reference is no copy: it hands out what the example of spec slab 7.2 says', () => {
  const { model } = setUp({ size: 200 }, [0], 1, false);
  const objects = Array.from({ length: 4 }, () => model.reference.alloc(0xcc0, -1, 0));
  expect(objects).toEqual([15, 14, 13, 12].map((i) => 4096 + i * 200));
});
