// covers: src/slub/alloc.ts src/slub/cpu-slab.ts src/slub/node-partial.ts src/slub/free.ts src/slub/bulk.ts src/slub/shrink.ts
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlubAllocator } from '../../src/slub/allocator.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import { scaled } from '../support/seed.ts';
import { TestPages } from '../support/test-pages.ts';
import { ReferenceSlub } from './reference.ts';
import { made, recordOf, testSlub, testTopology } from './support.ts';

/** The allocator under test. */
interface Real {
  readonly slub: SlubAllocator;
  readonly cache: SlubCache;
  readonly pages: TestPages;
  /** Cycle counter: how often it was read. */
  readonly clock: { reads: number };
}

/** The plain one, and which objects callers own. */
interface Model {
  readonly reference: ReferenceSlub;
  readonly pages: TestPages;
  readonly owned: number[];
  readonly clock: { reads: number };
}

type Command = fc.Command<Model, Real>;

const PAGES_PER_NODE = 0x400;
const OWNED_MAX = 600;
const { SLAB_STORE_USER, SLAB_RED_ZONE, SLAB_POISON, SLAB_CONSISTENCY_CHECKS } = SlabFlag;

const SHAPES: readonly { size: number; align?: number; flags?: number }[] = [
  { size: 256 },
  { size: 1024 },
  { size: 3000 },
  { size: 8192 },
  { size: 12000 },
  { size: 700, flags: SlabFlag.SLAB_RECLAIM_ACCOUNT },
  { size: 2048, flags: SlabFlag.SLAB_TYPESAFE_BY_RCU },
  { size: 1000, flags: SLAB_CONSISTENCY_CHECKS },
  { size: 2000, flags: SLAB_STORE_USER },
  { size: 3000, flags: SLAB_RED_ZONE | SLAB_POISON },
  { size: 9000, flags: SLAB_CONSISTENCY_CHECKS | SLAB_RED_ZONE | SLAB_POISON | SLAB_STORE_USER },
];

/** A cycle counter whose low bits let the remote search go ahead or not, in turn. */
function cycles(clock: { reads: number }): number {
  clock.reads += 1;
  return clock.reads % 5 === 0 ? 1001 : 1000;
}

function setUp(
  shape: { size: number; flags?: number },
  cpuNode: readonly number[],
  nodes: number,
  contentless: boolean,
): { model: Model; real: Real } {
  const clock = { reads: 0 };
  const { slub, pages } = testSlub({
    pagesPerNode: PAGES_PER_NODE,
    topology: testTopology(cpuNode, nodes),
    checks: 'basic',
    cycles: () => cycles(clock),
    ...(contentless ? { memory: noMemory(PAGES_PER_NODE * nodes * 4096) } : {}),
  });
  const cache = made(slub.createCache('demo', shape));
  const { flags = 0 } = shape;
  const own = new TestPages(PAGES_PER_NODE, nodes);
  const ownClock = { reads: 0 };
  const geometry = cache.geometry();
  const reference = new ReferenceSlub(
    {
      ...geometry,
      pad: geometry.redLeftPad,
      debug: (flags & (SLAB_STORE_USER | SLAB_RED_ZONE | SLAB_CONSISTENCY_CHECKS)) !== 0,
      storeUser: (flags & SLAB_STORE_USER) !== 0,
      rcu: (flags & SlabFlag.SLAB_TYPESAFE_BY_RCU) !== 0,
    },
    own,
    cpuNode,
    nodes,
    geometry,
    () => cycles(ownClock),
  );
  return {
    model: { reference, pages: own, owned: [], clock: ownClock },
    real: { slub, cache, pages, clock },
  };
}

/** A command made of a text and a function; afterwards everything must agree. */
function command(text: string, ownedMax: number, act: (model: Model, real: Real) => void): Command {
  return {
    check: (model) => model.owned.length <= ownedMax,
    run: (model, real) => {
      act(model, real);
      expect(recordOf(real.slub, real.cache)).toEqual(model.reference.dump('demo'));
      expect(real.pages.freed).toEqual(model.pages.freed);
      expect(real.pages.requests.slice(-4)).toEqual(model.pages.requests.slice(-4));
      expect(real.clock.reads).toBe(model.clock.reads);
    },
    toString: () => text,
  };
}

const ALWAYS = Number.POSITIVE_INFINITY;

const MASKS = [
  Gfp.GFP_KERNEL,
  Gfp.GFP_ATOMIC,
  Gfp.GFP_NOWAIT | Gfp.__GFP_NOWARN,
  Gfp.GFP_KERNEL | Gfp.__GFP_THISNODE,
  Gfp.GFP_KERNEL | Gfp.__GFP_ZERO | Gfp.__GFP_NOFAIL,
];

function alloc(gfp: number, node: number, cpu: number): Command {
  const text = `cache.allocNode(0x${gfp.toString(16)}, ${node}, ${cpu})`;
  return command(text, OWNED_MAX, (model, { cache }) => {
    const expected = model.reference.alloc(gfp, node, cpu);
    const got = node === -1 ? cache.alloc(gfp, cpu) : cache.allocNode(gfp, node, cpu);
    expect(got).toBe(expected);
    if (expected !== null) model.owned.push(expected);
  });
}

function allocBulk(count: number, gfp: number, cpu: number): Command {
  const text = `cache.allocBulk(0x${gfp.toString(16)}, ${count} slots, ${cpu})`;
  return command(text, OWNED_MAX, (model, { cache }) => {
    const expected = model.reference.allocBulk(gfp, count, cpu);
    const slots = new Array<number>(count).fill(-1);
    expect(cache.allocBulk(gfp, slots, cpu)).toBe(expected?.length ?? 0);
    if (expected === null) return;
    expect(slots).toEqual(expected);
    model.owned.push(...expected);
  });
}

function free(pick: number, count: number, mixed: boolean, cpu: number): Command {
  const text = `free(${count} of owned from ${pick}, mixed: ${mixed}, ${cpu})`;
  return command(text, ALWAYS, (model, { cache }) => {
    const start = pick % Math.max(1, model.owned.length);
    const objects = model.owned.splice(start, count);
    if (mixed) objects.sort((a, b) => (a % 40009) - (b % 40009));
    if (objects.length === 1) {
      model.reference.free(objects[0], cpu);
      cache.free(objects[0], cpu);
      return;
    }
    const real = [...objects];
    model.reference.freeBulk(objects, cpu);
    cache.freeBulk(real, cpu);
    expect(real).toEqual(objects);
  });
}

function whole(name: string, cpu: number, other: number): Command {
  return command(`${name}(${cpu}, ${other})`, ALWAYS, ({ reference }, { slub, cache }) => {
    switch (name) {
      case 'shrink':
        expect(cache.shrink(cpu)).toBe(reference.shrink(cpu));
        break;
      case 'flush':
        cache.flush();
        reference.flush();
        break;
      case 'cpuDead':
        slub.cpuDead(other, cpu);
        reference.flushCpu(other, cpu);
        break;
      default:
        slub.endGracePeriod(cpu);
        reference.endGracePeriod(cpu);
    }
  });
}

function tune(name: 'min_partial' | 'cpu_partial' | 'remote_node_defrag_ratio', value: number) {
  return command(`writeAttribute(${name}, ${value})`, ALWAYS, ({ reference }, { cache }) => {
    if (name === 'cpu_partial' && reference.shape.debug) return;
    cache.writeAttribute(name, `${value}\n`);
    if (name === 'min_partial') reference.minPartial = value;
    if (name === 'remote_node_defrag_ratio') reference.ratio = value * 10;
    if (name !== 'cpu_partial') return;
    reference.cpuPartialSlabs = Math.ceil((2 * value) / reference.shape.objects);
    reference.flush();
  });
}

function limit(field: 'budget' | 'maxOrder', value: number): Command {
  return command(`pages.${field} = ${value}`, ALWAYS, (model, real) => {
    model.pages[field] = value;
    real.pages[field] = value;
  });
}

/** All kinds of commands, each as a family of its own, so that a run can leave some out. */
function families(cpus: number, nodes: number): fc.Arbitrary<Command>[] {
  const cpu = fc.nat(cpus - 1);
  const node = fc.integer({ min: -1, max: nodes - 1 });
  const mask = fc.constantFrom(...MASKS);
  const upTo = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
  const pick = fc.nat(OWNED_MAX);
  const names = fc.constantFrom('shrink', 'flush', 'cpuDead', 'endGracePeriod');
  return [
    fc.tuple(mask, node, cpu).map((args) => alloc(...args)),
    fc.tuple(pick, fc.constant(1), fc.constant(false), cpu).map((args) => free(...args)),
    fc.tuple(upTo(1, 60), mask, cpu).map((args) => allocBulk(...args)),
    fc.tuple(pick, upTo(2, 9), fc.boolean(), cpu).map((args) => free(...args)),
    fc.tuple(pick, upTo(10, 120), fc.boolean(), cpu).map((args) => free(...args)),
    fc.tuple(names, cpu, cpu).map((args) => whole(...args)),
    upTo(0, 12).map((value) => tune('min_partial', value)),
    upTo(0, 60).map((value) => tune('cpu_partial', value)),
    fc.constantFrom(0, 50, 100).map((value) => tune('remote_node_defrag_ratio', value)),
    fc.constantFrom(0, 1, 3, 1000).map((value) => limit('budget', value)),
    fc.constantFrom(0, 1, 2, 10).map((value) => limit('maxOrder', value)),
  ];
}

describe('any sequence of calls ends as the plain form of the rules says', () => {
  const machines: [string, number[], number][] = [
    ['one CPU', [0], 1],
    ['two CPUs on one node', [0, 0], 1],
    ['three CPUs on two nodes', [0, 1, 0], 2],
    ['eight CPUs on four nodes', [0, 1, 2, 3, 0, 1, 2, 3], 4],
  ];
  for (const [title, cpuNode, nodes] of machines) {
    test(title, () => {
      // A random part of all kinds of commands: an even mix would hover around few slabs.
      const all = families(cpuNode.length, nodes);
      const commands = fc
        .subarray(all, { minLength: 3 })
        .chain((some) =>
          fc.commands([...all.slice(0, 4), ...some], { size: 'large', maxCommands: 150 }),
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
        { numRuns: scaled(25) },
      );
    });
  }
});

test('the reference is no copy: it does what the example of spec slub 7.7 says', () => {
  const { model } = setUp({ size: 8192 }, [0], 1, true);
  const { reference } = model;
  const taken = Array.from({ length: 9 }, () => reference.alloc(Gfp.GFP_KERNEL, -1, 0) ?? -1);
  const [a, b, c] = [taken.slice(0, 4), taken.slice(4, 8), taken.slice(8)];
  reference.freeBulk([a[0], b[1], a[2], c[0], b[0], a[1]], 0);
  const again = Array.from({ length: 8 }, () => reference.alloc(Gfp.GFP_KERNEL, -1, 0));
  const last = [c[0], c[0] + 8192, c[0] + 16384, c[0] + 24576];
  expect(again).toEqual([...last, b[0], b[1], a[0], a[1]]);
});
