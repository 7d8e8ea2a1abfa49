import fc from 'fast-check';
import { expect } from 'vitest';
import {
  assertInvariants,
  Memblock,
  MemblockError,
  MemblockFlags,
  type MemblockOptions,
} from '../../src/memblock/index.ts';
import { CELL, CELLS, KernelBug, NaiveMemblock, NODES, TOP, WORLD } from './model.ts';

/** What the commands run on: the memblock, its model, and what warned. */
export interface World {
  readonly real: Memblock;
  readonly model: NaiveMemblock;
  readonly warnings: string[];
  /** The kernel would have stopped: nothing more can be said. */
  dead: boolean;
}

export interface WorldOptions {
  readonly max: number;
  readonly mirrored: boolean;
  readonly movable: boolean;
  readonly growing: boolean;
  readonly bottomUp: boolean;
  /** Three nodes of memory are there at the start. */
  readonly populated: boolean;
}

export const worldOptions: fc.Arbitrary<WorldOptions> = fc.record({
  max: fc.constantFrom(3, 4, 8, 128),
  mirrored: fc.boolean(),
  movable: fc.boolean(),
  growing: fc.boolean(),
  bottomUp: fc.boolean(),
  populated: fc.boolean(),
});

export function makeWorld(world: WorldOptions): World {
  const { max, mirrored, movable, growing, bottomUp, populated } = world;
  const warnings: string[] = [];
  const options: MemblockOptions = {
    initMemoryRegions: max,
    initReservedRegions: max,
    mirroredKernelcore: mirrored,
    movableNode: movable,
    smpCacheBytes: BigInt(CELL),
    warn: (reason) => {
      if (reason !== 'ALIGN_ZERO') warnings.push(reason);
    },
  };
  const real = new Memblock(options);
  const model = new NaiveMemblock(max, mirrored, movable);
  if (growing) real.allowResize();
  model.canResize = growing;
  real.setBottomUp(bottomUp);
  model.bottomUp = bottomUp;
  const third = Math.floor(CELLS / 3) * CELL;
  for (let node = 0; populated && node < 3; node++) {
    real.addNode(BigInt(node * third), BigInt(third), node, 0);
    model.add(model.memory, node * third, third, node, 0);
  }
  return { real, model, warnings, dead: false };
}

function regionsOf(world: World, name: 'memory' | 'reserved'): unknown {
  const array = world.model[name];
  const entries = array.entries();
  if (entries.length === 0) entries.push({ start: 0, end: 0, nid: array.dummyNid, flags: 0 });
  return entries.map(({ start, end, nid, flags }) => {
    const size = BigInt(end - start);
    return { base: BigInt(start), size, end: BigInt(end), flags, nid };
  });
}

/** Both sides must hold the same, and the rules of the specification must hold. */
function compare(world: World): void {
  const { real, model } = world;
  assertInvariants(real.state);
  for (const name of ['memory', 'reserved'] as const) {
    expect(real.regions(name)).toEqual(regionsOf(world, name));
    expect(real.state[name].max).toBe(model[name].max);
    expect(Number(real.state[name].totalSize)).toBe(model[name].total);
    expect(Number(real.state[name].arrayAddress ?? -1n)).toBe(model[name].array ?? -1);
  }
  expect(world.warnings).toEqual(model.warnings);
}

/** One call on both sides: `make` gives the model's answer and the real one as plain values. */
export class Call implements fc.Command<World, World> {
  readonly #text: string;
  readonly #model: (model: NaiveMemblock) => unknown;
  readonly #real: (real: Memblock) => unknown;

  constructor(
    text: string,
    model: (model: NaiveMemblock) => unknown,
    real: (real: Memblock) => unknown,
  ) {
    this.#text = text;
    this.#model = model;
    this.#real = real;
  }

  check(world: Readonly<World>): boolean {
    return !world.dead;
  }

  run(world: World): void {
    let expected: unknown;
    try {
      expected = this.#model(world.model);
    } catch (error) {
      if (!(error instanceof KernelBug)) throw error;
      expect(() => this.#real(world.real)).toThrow(MemblockError);
      world.dead = true;
      return;
    }
    expect(this.#real(world.real)).toEqual(expected);
    compare(world);
  }

  toString(): string {
    return this.#text;
  }
}

const u64 = (value: number): bigint => (value >= TOP ? 2n ** 64n - 1n : BigInt(value));
const hex = (value: number): string => `0x${value.toString(16)}n`;
const addrOrNull = (value: number): bigint | null => (value === 0 ? null : BigInt(value));

const cell = fc.integer({ min: 0, max: CELLS - 1 }).map((index) => index * CELL);
const span = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 6 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: CELLS }) },
);
/** A range inside the world. */
const range = fc
  .tuple(cell, span)
  .map(([base, cells]): [number, number] => [base, Math.min(cells * CELL, WORLD - base)]);
/** A range that may reach the top of the address space. */
const openRange = fc.oneof(
  { weight: 8, arbitrary: range },
  { weight: 1, arbitrary: cell.map((base): [number, number] => [base, TOP]) },
);
const nid = fc.integer({ min: 0, max: 2 });
const anyNid = fc.constantFrom(-1, -1, 0, 1, 2);
const flagBits = fc.constantFrom(0, 0, 0, 1, 2, 4, 8, 5, 9);
const size = fc.integer({ min: 1, max: 12 }).map((cells) => cells * CELL);
const align = fc.constantFrom(0, CELL, CELL, 2 * CELL, 4 * CELL, 16 * CELL);
const bound = fc.oneof(fc.constantFrom(0, 1, TOP), cell);
const lower = fc.oneof(fc.constant(0), cell);

const call = (
  name: string,
  args: readonly (number | string | boolean)[],
  model: (m: NaiveMemblock) => unknown,
  real: (m: Memblock) => unknown,
): Call => {
  const shown = args.map((arg) => (typeof arg === 'number' && arg >= CELL ? hex(arg) : arg));
  return new Call(`${name}(${shown.join(', ')})`, model, real);
};

const add = range.map(([b, s]) =>
  call(
    'add',
    [b, s],
    (m) => m.add(m.memory, b, s, NODES, 0),
    (m) => m.add(u64(b), u64(s)),
  ),
);
const addNode = fc.tuple(range, nid, flagBits).map(([[b, s], n, f]) =>
  call(
    'addNode',
    [b, s, n, f],
    (m) => m.add(m.memory, b, s, n, f),
    (m) => m.addNode(u64(b), u64(s), n, f),
  ),
);
const reserve = range.map(([b, s]) =>
  call(
    'reserve',
    [b, s],
    (m) => m.reserve(b, s),
    (m) => m.reserve(u64(b), u64(s)),
  ),
);
const remove = openRange.map(([b, s]) =>
  call(
    'remove',
    [b, s],
    (m) => m.remove(m.memory, b, s),
    (m) => m.remove(u64(b), u64(s)),
  ),
);
const physFree = openRange.map(([b, s]) =>
  call(
    'physFree',
    [b, s],
    (m) => m.remove(m.reserved, b, s),
    (m) => m.physFree(u64(b), u64(s)),
  ),
);

const { MEMBLOCK_HOTPLUG, MEMBLOCK_NOMAP } = MemblockFlags;
const setFlag = fc
  .tuple(fc.constantFrom('markHotplug', 'clearHotplug', 'markNomap', 'clearNomap'), openRange)
  .map(([name, [b, s]]) =>
    call(
      name,
      [b, s],
      (m) => {
        const flag = name.endsWith('Hotplug') ? MEMBLOCK_HOTPLUG : MEMBLOCK_NOMAP;
        return m.setFlag(b, s, name.startsWith('mark'), flag);
      },
      (m) => m[name](u64(b), u64(s)),
    ),
  );
const markMirror = openRange.map(([b, s]) =>
  call(
    'markMirror',
    [b, s],
    (m) => m.markMirror(b, s),
    (m) => m.markMirror(u64(b), u64(s)),
  ),
);
const setNode = fc
  .tuple(openRange, fc.constantFrom('memory', 'reserved'), nid)
  .map(([[b, s], type, n]) =>
    call(
      'setNode',
      [b, s, type, n],
      (m) => m.setNode(m[type], b, s, n),
      (m) => m.setNode(u64(b), u64(s), type, n),
    ),
  );

const trim = fc.constantFrom(2 * CELL, 4 * CELL, 16 * CELL).map((a) =>
  call(
    'trimMemory',
    [a],
    (m) => m.trim(a),
    (m) => m.trimMemory(u64(a)),
  ),
);
const generousLimit = fc.integer({ min: CELLS / 2, max: CELLS }).map((cells) => cells * CELL);
const limits = fc
  .tuple(
    fc.constantFrom('enforceMemoryLimit', 'memLimitRemoveMap'),
    fc.oneof(cell, { weight: 3, arbitrary: generousLimit }),
  )
  .map(([name, limit]) =>
    call(
      name,
      [limit],
      (m) => (name === 'enforceMemoryLimit' ? m.enforce(limit) : m.limitRemoveMap(limit)),
      (m) => m[name](u64(limit)),
    ),
  );
const wideRange = fc
  .tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: CELLS / 2, max: CELLS }))
  .map(([base, cells]): [number, number] => [base * CELL, cells * CELL]);
const cap = fc.oneof(range, { weight: 3, arbitrary: wideRange }).map(([b, s]) =>
  call(
    'capMemoryRange',
    [b, s],
    (m) => m.cap(b, s),
    (m) => m.capMemoryRange(u64(b), u64(s)),
  ),
);

const allocRangeNid = fc
  .tuple(size, align, lower, bound, anyNid, fc.boolean())
  .map(([s, a, from, to, n, exact]) =>
    call(
      'allocRangeNid',
      [s, a, from, to, n, exact],
      (m) => addrOrNull(m.allocRange(s, a, from, to, n, exact)),
      (m) => m.allocRangeNid(u64(s), u64(a), u64(from), u64(to), n, exact),
    ),
  );
const physAlloc = fc.tuple(size, align).map(([s, a]) =>
  call(
    'physAlloc',
    [s, a],
    (m) => addrOrNull(m.allocRange(s, a, 0, 0, -1, false)),
    (m) => m.physAlloc(u64(s), u64(a)),
  ),
);
const allocVirtual = fc
  .tuple(
    fc.constantFrom('allocTryNid', 'allocTryNidRaw', 'allocExactNidRaw'),
    fc.tuple(size, align, lower, bound, anyNid),
  )
  .map(([name, [s, a, from, to, n]]) =>
    call(
      name,
      [s, a, from, to, n],
      (m) => addrOrNull(m.allocVirtual(s, a, from, to, n, name === 'allocExactNidRaw')),
      (m) => m[name](u64(s), u64(a), u64(from), u64(to), n),
    ),
  );

const freeRanges = fc.tuple(anyNid, flagBits).map(([n, f]) =>
  call(
    'freeMemRanges',
    [n, f],
    (m) => m.freeRanges(n, f),
    (m) => {
      const plain = [...m.freeMemRanges(n, f)].map(plainRange);
      const reverse = [...m.freeMemRangesReverse(n, f)].map(plainRange);
      // MEMBLOCK-15
      expect(reverse.reverse()).toEqual(plain);
      return plain;
    },
  ),
);
function plainRange({ start, end, nid: node }: { start: bigint; end: bigint; nid: number }) {
  return [Number(start), Number(end), node];
}

const queries = openRange.map(([b, s]) =>
  call(
    'queries',
    [b, s],
    (m) => {
      const at = (name: 'memory' | 'reserved') => m[name].entries();
      const home = at('memory').find((e) => e.start <= b && b < e.end);
      return [
        home !== undefined,
        home !== undefined && (home.flags & MEMBLOCK_NOMAP) === 0,
        at('reserved').some((e) => e.start <= b && b < e.end),
        home !== undefined && b + s <= home.end,
        at('memory').some((e) => b < e.end && e.start < b + s),
        at('reserved').some((e) => b < e.end && e.start < b + s),
        at('memory')[0]?.start ?? 0,
        at('memory').at(-1)?.end ?? 0,
      ];
    },
    (m) => [
      m.isMemory(u64(b)),
      m.isMapMemory(u64(b)),
      m.isReserved(u64(b)),
      m.isRegionMemory(u64(b), u64(s)),
      m.overlapsRegion('memory', u64(b), u64(s)),
      m.isRegionReserved(u64(b), u64(s)),
      Number(m.startOfDRAM()),
      Number(m.endOfDRAM()),
    ],
  ),
);

const settings = fc.oneof(
  fc.boolean().map((on) =>
    call(
      'setBottomUp',
      [on],
      (m) => m.set({ bottomUp: on }),
      (m) => m.setBottomUp(on),
    ),
  ),
  bound.map((limit) =>
    call(
      'setCurrentLimit',
      [limit],
      (m) => m.set({ limit }),
      (m) => m.setCurrentLimit(u64(limit)),
    ),
  ),
  fc.constant(
    call(
      'allowResize',
      [],
      (m) => m.set({ canResize: true }),
      (m) => m.allowResize(),
    ),
  ),
);

/** A snapshot taken over by a new memblock must go on the same; it also forgets nothing. */
const roundTrip = fc.constant(
  call(
    'restore(snapshot',
    [],
    () => undefined,
    (m) => m.restore(structuredClone(m.snapshot())),
  ),
);

/** Families of commands; a run uses some of them, so that full and fragmented worlds come up. */
export const families: readonly fc.Arbitrary<Call>[] = [
  add,
  addNode,
  addNode,
  reserve,
  reserve,
  remove,
  physFree,
  setFlag,
  markMirror,
  setNode,
  trim,
  limits,
  cap,
  allocRangeNid,
  allocRangeNid,
  physAlloc,
  physAlloc,
  allocVirtual,
  allocVirtual,
  freeRanges,
  queries,
  settings,
  roundTrip,
];
