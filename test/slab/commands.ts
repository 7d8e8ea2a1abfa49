import fc from 'fast-check';
import { expect } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { recordOfCache } from '../../src/recording/slab-state.ts';
import type { SlabAllocator } from '../../src/slab/allocator.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import { checkInvariants } from '../../src/slab/invariants.ts';
import type { ReferenceSlab } from './reference.ts';
import type { TestPages } from './support.ts';

/** The allocator under test. */
export interface Real {
  readonly slab: SlabAllocator;
  readonly cache: SlabCache;
  readonly pages: TestPages;
}

/** The plain one, and which objects callers own. */
export interface Model {
  readonly reference: ReferenceSlab;
  readonly pages: TestPages;
  readonly owned: number[];
  /** Jiffies, which both see. */
  now: number;
}

/** Everything that must agree after a command. */
function compare(model: Model, real: Real): void {
  expect(recordOfCache(real.cache)).toEqual(model.reference.dump(real.cache.name));
  expect(real.pages.freed).toEqual(model.pages.freed);
  expect(real.pages.requests.slice(-3)).toEqual(model.pages.requests.slice(-3));
  expect(checkInvariants(real.slab.state)).toEqual([]);
}

/** A command; its text is the public call, ready to paste. */
class SlabCommand implements fc.Command<Model, Real> {
  private readonly text: string;
  private readonly act: (model: Model, real: Real) => void;
  private readonly ownedMax: number;

  constructor(text: string, ownedMax: number, act: (model: Model, real: Real) => void) {
    this.text = text;
    this.ownedMax = ownedMax;
    this.act = act;
  }

  check(model: Readonly<Model>): boolean {
    return model.owned.length <= this.ownedMax;
  }

  run(model: Model, real: Real): void {
    this.act(model, real);
    compare(model, real);
  }

  toString(): string {
    return this.text;
  }
}

/** Commands that take objects stop here. */
const OWNED_MAX = 400;
const ALWAYS = Number.POSITIVE_INFINITY;

function alloc(gfp: number, node: number, cpu: number): SlabCommand {
  const text = `cache.allocNode(0x${gfp.toString(16)}, ${node}, ${cpu})`;
  return new SlabCommand(text, OWNED_MAX, (model, { cache }) => {
    const expected = model.reference.alloc(gfp, node, cpu);
    const got = node === -1 ? cache.alloc(gfp, cpu) : cache.allocNode(gfp, node, cpu);
    expect(got).toBe(expected);
    if (expected !== null) model.owned.push(expected);
  });
}

function free(pick: number, count: number, cpu: number): SlabCommand {
  const text = `cache.freeBulk(owned from ${pick}, ${count} objects, ${cpu})`;
  return new SlabCommand(text, ALWAYS, (model, { cache }) => {
    const start = pick % Math.max(1, model.owned.length);
    const objects = model.owned.splice(start, count);
    for (const object of objects) model.reference.free(object, cpu);
    if (objects.length === 1) cache.free(objects[0], cpu);
    else cache.freeBulk(objects, cpu);
  });
}

function allocBulk(count: number, cpu: number): SlabCommand {
  const text = `cache.allocBulk(GFP_KERNEL, ${count} slots, ${cpu})`;
  return new SlabCommand(text, OWNED_MAX, (model, { cache }) => {
    const expected: number[] = [];
    for (let i = 0; i < count; i++) {
      const object = model.reference.alloc(Gfp.GFP_KERNEL, -1, cpu);
      if (object === null) {
        for (const taken of expected.splice(0)) model.reference.free(taken, cpu);
        break;
      }
      expected.push(object);
    }
    const slots = new Array<number>(count).fill(-1);
    expect(cache.allocBulk(Gfp.GFP_KERNEL, slots, cpu)).toBe(expected.length);
    if (expected.length > 0) expect(slots).toEqual(expected);
    model.owned.push(...expected);
  });
}

function reap(cpu: number, later: number): SlabCommand {
  const text = `slab.cacheReap(${cpu}, ${later} jiffies later)`;
  return new SlabCommand(text, ALWAYS, (model, { slab, cache }) => {
    model.now += later;
    model.reference.reap(cpu, model.now);
    slab.cacheReap(cpu, model.now);
    expect(cache.nodes.map((n) => n?.nextReap)).toEqual(
      model.reference.nodes.map((n) => n.nextReap),
    );
  });
}

function shrink(cpu: number): SlabCommand {
  return new SlabCommand(`cache.shrink(${cpu})`, ALWAYS, (model, { cache }) => {
    expect(cache.shrink(cpu)).toBe(model.reference.shrink(cpu));
  });
}

function tune(limit: number, batch: number, shared: number, cpu: number): SlabCommand {
  const batchcount = Math.min(batch, limit);
  const text = `slab.slabinfoWrite('NAME ${limit} ${batchcount} ${shared}', ${cpu})`;
  return new SlabCommand(text, ALWAYS, (model, { slab, cache }) => {
    const line = `${cache.name} ${limit} ${batchcount} ${shared}\n`;
    model.reference.tune(limit, batchcount, shared, cpu);
    expect(slab.slabinfoWrite(line, cpu)).toBe(line.length);
  });
}

function budget(slabs: number): SlabCommand {
  return new SlabCommand(`pages.budget = ${slabs}`, ALWAYS, (model, real) => {
    model.pages.budget = slabs;
    real.pages.budget = slabs;
  });
}

const MASKS = [
  Gfp.GFP_KERNEL,
  Gfp.GFP_ATOMIC,
  Gfp.GFP_NOWAIT,
  Gfp.GFP_KERNEL | Gfp.__GFP_THISNODE,
  Gfp.GFP_KERNEL | Gfp.__GFP_ZERO,
];

/** All kinds of commands, each as a family of its own, so that a run can leave some out. */
export function commandFamilies(
  cpus: number,
  nodes: number,
): fc.Arbitrary<fc.Command<Model, Real>>[] {
  const cpu = fc.nat(cpus - 1);
  const node = fc.integer({ min: -1, max: nodes - 1 });
  const upTo = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
  return [
    fc.tuple(fc.constantFrom(...MASKS), node, cpu).map((args) => alloc(...args)),
    fc.tuple(fc.nat(OWNED_MAX), upTo(1, 3), cpu).map((args) => free(...args)),
    fc.tuple(upTo(1, 60), cpu).map((args) => allocBulk(...args)),
    fc.tuple(fc.nat(OWNED_MAX), upTo(10, 80), cpu).map((args) => free(...args)),
    fc.tuple(cpu, fc.constantFrom(0, 200, 1000)).map((args) => reap(...args)),
    fc.tuple(upTo(1, 20), upTo(1, 20), fc.nat(3), cpu).map((args) => tune(...args)),
    cpu.map(shrink),
    fc.constantFrom(0, 1, 3, 1000).map(budget),
  ];
}
