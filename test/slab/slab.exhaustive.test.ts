// covers: src/slab/refill.ts src/slab/free.ts src/slab/free-block.ts src/slab/slab-lists.ts src/slab/push-object.ts
import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { recordOfCache } from '../../src/recording/slab-state.ts';
import { checkInvariants } from '../../src/slab/invariants.ts';
import { ReferenceSlab } from './reference.ts';
import { made, TestPages, testSlab, testTopology } from './support.ts';

/** Steps of a small world: two CPUs, two objects per slab, arrays of two, one shared entry. */
const STEPS = ['alloc 0', 'alloc 1', 'free oldest 0', 'free newest 1', 'reap 0', 'shrink'] as const;
type Step = (typeof STEPS)[number];

interface Pair {
  readonly reference: ReferenceSlab;
  readonly owned: number[];
  act(step: Step): void;
}

function pair(cpuNode: readonly number[], nodes: number): Pair & { check(): void } {
  const { slab, pages } = testSlab({
    topology: testTopology(cpuNode, nodes),
    pagesPerNode: 16,
    checks: 'basic',
  });
  const cache = made(slab.createCache('demo', { size: 2048 }));
  cache.tune({ limit: 2, batchcount: 1, shared: 1 });
  const tunables = { limit: 2, batchcount: 1, shared: 1 };
  const shape = { ...cache.geometry(), order: cache.gfporder };
  const own = new TestPages(16, nodes);
  const reference = new ReferenceSlab(shape, own, cpuNode, nodes, tunables, 100);
  for (const n of reference.nodes) n.nextReap = 0;
  for (const n of cache.nodes) if (n !== null) n.nextReap = 0;
  const owned: number[] = [];
  const free = (address: number | undefined, cpu: number): void => {
    if (address === undefined) return;
    reference.free(address, cpu);
    cache.free(address, cpu);
  };
  const alloc = (cpu: number): void => {
    const expected = reference.alloc(Gfp.GFP_KERNEL, -1, cpu);
    expect(cache.alloc(Gfp.GFP_KERNEL, cpu)).toBe(expected);
    if (expected !== null) owned.push(expected);
  };
  const actions: Record<Step, () => void> = {
    'alloc 0': () => alloc(0),
    'alloc 1': () => alloc(1),
    'free oldest 0': () => free(owned.shift(), 0),
    'free newest 1': () => free(owned.pop(), 1),
    'reap 0': () => {
      reference.reap(0, 0);
      slab.cacheReap(0, 0);
    },
    shrink: () => {
      expect(cache.shrink(0)).toBe(reference.shrink(0));
    },
  };
  return {
    reference,
    owned,
    act: (step) => actions[step](),
    check: () => {
      expect(recordOfCache(cache)).toEqual(reference.dump('demo'));
      expect(pages.freed).toEqual(own.freed);
      expect(checkInvariants(slab.state)).toEqual([]);
    },
  };
}

/** Runs every sequence of `length` steps after a start that fills arrays and lists. */
function explore(cpuNode: readonly number[], nodes: number, length: number): number {
  const count = STEPS.length ** length;
  for (let number = 0; number < count; number++) {
    const world = pair(cpuNode, nodes);
    for (let i = 0; i < 5; i++) world.act(i % 2 === 0 ? 'alloc 0' : 'alloc 1');
    for (let rest = number, i = 0; i < length; i++) {
      world.act(STEPS[rest % STEPS.length]);
      rest = Math.floor(rest / STEPS.length);
    }
    world.check();
  }
  return count;
}

test('every sequence of 4 steps on one node', () => {
  expect(explore([0, 0], 1, 4)).toBe(1296);
});

test('every sequence of 4 steps on two nodes', () => {
  expect(explore([0, 1], 2, 4)).toBe(1296);
});
