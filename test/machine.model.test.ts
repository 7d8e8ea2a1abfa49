// covers: src/mm/boot-invariants.ts
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memoryRanges, reservedRanges } from '../src/boot/memblock-ranges.ts';
import type { BootRegion, MemblockBootOptions } from '../src/boot/types.ts';
import { InvariantError, PageframeError } from '../src/lib/errors.ts';
import { boot, bootFromMemblock, type Machine } from '../src/machine.ts';
import {
  checkBootInvariants,
  checkInvariants,
  freeListHead,
  freeListToArray,
  listAddTail,
  listDel,
  listMoveTail,
  type MemoryModel,
  pageblockMigratetype,
  setPageblockMigratetype,
  zoneIdOf,
} from '../src/mm/index.ts';
import { regions } from './boot/support.ts';
import { scaled } from './support/seed.ts';

/** A free block: page frame, order, zone, list. */
interface Block {
  readonly pfn: number;
  readonly order: number;
  readonly zone: number;
  readonly type: number;
}

/**
 * The free blocks by definition: of the pages that are RAM as a whole and touched by no reservation,
 * the largest aligned blocks inside one zone, ascending; a block is on the list of its first
 * pageblock, which is MOVABLE exactly if it begins with RAM.
 */
function naiveBlocks(options: MemblockBootOptions, zoneOf: (pfn: number) => number): Block[] {
  const ram = new Set<number>();
  const free = new Set<number>();
  for (const { base, size } of options.memblockMemory) {
    for (let pfn = pagesUp(base); pfn < pagesDown(base + size); pfn++) {
      ram.add(pfn);
      free.add(pfn);
    }
  }
  for (const { base, size } of options.memblockReserved) {
    for (let pfn = pagesDown(base); pfn < pagesUp(base + size); pfn++) free.delete(pfn);
  }
  const blockPages = options.hugetlb === false ? 1024 : 512;
  const blocks: Block[] = [];
  for (let order = 10; order >= 0; order--) {
    const size = 1 << order;
    for (const pfn of [...free].filter((page) => page % size === 0)) {
      const pages = Array.from({ length: size }, (_, i) => pfn + i);
      const zone = zoneOf(pfn);
      if (!pages.every((page) => free.has(page) && zoneOf(page) === zone)) continue;
      for (const page of pages) free.delete(page);
      const type = ram.has(pfn - (pfn % blockPages)) ? 1 : 0;
      blocks.push({ pfn, order, zone, type });
    }
  }
  return blocks.sort((a, b) => a.order - b.order || a.pfn - b.pfn);
}

/** The free blocks of a model, in list order. */
function modelBlocks({ areas, zones }: MemoryModel): Block[] {
  const blocks: Block[] = [];
  for (let order = 0; order <= 10; order++) {
    for (const { id: zone } of zones) {
      for (let type = 0; type < 5; type++) {
        for (const pfn of freeListToArray(areas, zone, order, type)) {
          blocks.push({ pfn, order, zone, type });
        }
      }
    }
  }
  return blocks;
}

function bySize(blocks: readonly Block[]): Block[] {
  return [...blocks].sort((a, b) => a.order - b.order || a.pfn - b.pfn);
}

const pagesUp = (addr: bigint) => Number((addr + 4095n) / 4096n);
const pagesDown = (addr: bigint) => Number(addr / 4096n);

/** Memory of some nodes around a zone border, never touching, and reservations of any bounds. */
const PAGES_SPAN = 0x3000;
const gap = fc.integer({ min: 1, max: 700 });
const memoryShape = fc.record({
  gap,
  pages: fc.integer({ min: 1, max: 3000 }),
  node: fc.nat(2),
  cutLow: fc.nat(4095),
  cutHigh: fc.nat(4095),
});
const reservedShape = fc.record({
  at: fc.nat(PAGES_SPAN * 4096),
  size: fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 3 << 20 })),
});

const world = fc.record({
  start: fc.constantFrom<number>(1, 0xe00, 0xfff00),
  memory: fc.array(memoryShape, { minLength: 1, maxLength: 6 }),
  reserved: fc.array(reservedShape, { maxLength: 20 }),
  hugetlb: fc.boolean(),
  kernelcore: fc.oneof(
    fc.constant(''),
    fc.integer({ min: 1, max: 60 }).map((mb) => `kernelcore=${mb}M`),
  ),
});

type WorldShape = typeof world extends fc.Arbitrary<infer T> ? T : never;

function optionsOf({ start, memory, reserved, hugetlb, kernelcore }: WorldShape) {
  let pfn = start;
  const memblockMemory: BootRegion[] = memory.map(
    ({ gap: space, pages, node, cutLow, cutHigh }) => {
      const base = BigInt((pfn + space) * 4096 + cutLow);
      pfn += space + pages + 1;
      return { base, size: BigInt(pfn * 4096) - base - BigInt(cutHigh), nid: node };
    },
  );
  const memblockReserved = reserved.map(({ at, size }) => ({
    base: BigInt(start * 4096 + at),
    size: BigInt(size),
  }));
  const options: MemblockBootOptions = {
    memblockMemory: memblockMemory.filter(({ size }) => size > 0n),
    memblockReserved,
    nodeCount: 3,
    hugetlb,
    cmdline: kernelcore,
  };
  return options;
}

function bootMemory(machine: Machine) {
  return { memory: memoryRanges(machine.memblock), reserved: reservedRanges(machine.memblock) };
}

test('whatever the regions, the free lists are those of the definition and the rules hold', () => {
  fc.assert(
    fc.property(world, (shape) => {
      const options = optionsOf(shape);
      fc.pre(
        options.memblockMemory.some(({ base, size }) => pagesUp(base) < pagesDown(base + size)),
      );
      const machine = bootFromMemblock(options);
      const { model } = machine;
      const zoneOf = (pfn: number) => zoneIdOf(model.map, pfn);
      expect(bySize(modelBlocks(model))).toEqual(naiveBlocks(options, zoneOf));
      expect(checkInvariants(model)).toEqual([]);
      expect(checkBootInvariants(model, bootMemory(machine))).toEqual([]);
    }),
    { numRuns: scaled(60) },
  );
});

test('whatever the regions, a deferred boot frees the same pages', () => {
  fc.assert(
    fc.property(world, (shape) => {
      const options = optionsOf({ ...shape, start: 0x100000 });
      const large = { base: 0x110000n * 4096n, size: 0x20000n * 4096n, nid: 0 };
      const memblockMemory = [...options.memblockMemory, large];
      const whole = { ...options, memblockMemory, cmdline: '' };
      const plain = bootFromMemblock(whole).model;
      const late = bootFromMemblock({ ...whole, deferredInit: true }).model;
      expect(late.zones.map((zone) => zone.managedPages)).toEqual(
        plain.zones.map((zone) => zone.managedPages),
      );
      expect(late.totalramPages).toBe(plain.totalramPages);
      expect(checkInvariants(late)).toEqual([]);
    }),
    { numRuns: scaled(15) },
  );
});

/** Maps as firmware might give them: any order, overlaps, odd borders, a few GiB at most. */
const entry = fc.record({
  addr: fc.oneof(
    fc.bigInt(0n, 0x1_8000_0000n),
    fc.constantFrom(0n, 0x100000n, 0x1000000n, 1n << 32n),
  ),
  size: fc.oneof(fc.bigInt(0n, 0x10_0000n), fc.bigInt(0n, 0x6000_0000n)),
  type: fc.constantFrom(1, 1, 1, 1, 2, 3, 4, 12, 128),
});
const word = fc.constantFrom(
  'mem=200M',
  'memmap=16M$64M',
  'memmap=4K#0x5000',
  'kernelcore=30%',
  'movablecore=64M',
  'movable_node',
  'numa=fake=3',
  'numa=fake=128M',
  'swiotlb=noforce',
  'alloc_mptable',
);

test('whatever firmware says, a machine boots by the rules or an error says why', () => {
  let booted = 0;
  fc.assert(
    fc.property(
      fc.array(entry, { minLength: 2, maxLength: 12 }),
      fc.array(word, { maxLength: 3 }),
      fc.integer({ min: 1, max: 9 }),
      (e820, words, cpus) => {
        let machine: Machine;
        try {
          machine = boot({ e820, cmdline: words.join(' '), cpus });
        } catch (error) {
          expect(error).toBeInstanceOf(PageframeError);
          expect(error).not.toBeInstanceOf(InvariantError);
          return;
        }
        booted++;
        expect(checkInvariants(machine.model)).toEqual([]);
        const found = checkBootInvariants(machine.model, bootMemory(machine));
        expect(found.slice(0, 3)).toEqual([]);
      },
    ),
    { numRuns: scaled(25) },
  );
  expect(booted).toBeGreaterThan(5);
});

describe('the checker finds', () => {
  const sound = () =>
    bootFromMemblock({
      memblockMemory: regions('1000-9f000 100000-4000000'),
      memblockReserved: regions('0-100000 1000000-1c05000'),
    });

  const cases: [string, (machine: Machine) => void][] = [
    ['MM-5', ({ model }) => (model.map.zone[0x3000] = 0)],
    ['MM-6', ({ model }) => (model.sections.node[0] = 0)],
    ['MM-7', ({ model }) => (model.map.zone[0x3000] = 1)],
    ['MM-8', ({ model }) => (model.map.refcount[0x3001] = 1)],
    ['MM-8', ({ model }) => (model.map.refcount[0x1000] = 0)],
    ['MM-9', ({ memblock }) => memblock.reserve(0x3000000n, 0x1000n)],
    ['MM-9', ({ memblock }) => memblock.remove(0x3000000n, 0x1000n)],
    ['MM-13', ({ model }) => model.zones[1].managedPages--],
    ['MM-16', ({ model }) => setPageblockMigratetype(model.map, 0x3000, 2)],
    ['MM-17', ({ model }) => setPageblockMigratetype(model.map, 0, 1)],
    ['MM-4', ({ model }) => model.nodes[0].presentPages--],
  ];
  test.each(cases)('%s (%#)', (rule, breakIt) => {
    const machine = sound();
    expect(checkBootInvariants(machine.model, bootMemory(machine))).toEqual([]);
    breakIt(machine);
    const rules = checkBootInvariants(machine.model, bootMemory(machine)).map((v) => v.rule);
    expect(rules).toContain(rule === 'MM-13' ? 'MM-22' : rule);
  });

  test('MM-14: a list that does not ascend', () => {
    const machine = sound();
    const { areas, map } = machine.model;
    const head = freeListHead(areas, 1, 10, 1);
    listMoveTail(map, head, map.next[head]);
    const rules = checkBootInvariants(machine.model, bootMemory(machine)).map((v) => v.rule);
    expect(rules).toEqual(['MM-14']);
  });

  test('MM-15: buddies that did not merge', () => {
    const machine = sound();
    const { areas, map } = machine.model;
    const [first] = freeListToArray(areas, 1, 10, 1);
    listDel(map, first);
    for (const half of [first, first + 512]) {
      map.blockState[half] = 10;
      listAddTail(map, freeListHead(areas, 1, 9, 1), half);
    }
    const rules = checkBootInvariants(machine.model, bootMemory(machine)).map((v) => v.rule);
    expect(rules).toContain('MM-15');
  });
});

describe('every reservation of a small world', () => {
  /** Ten pages across the border of two pageblocks, all patterns of reserved pages. */
  const START = 0x11fb;
  const PAGES = 10;
  test('gives the free lists of the definition', () => {
    const memblockMemory = [{ base: BigInt(START) * 4096n, size: BigInt(PAGES) * 4096n }];
    for (let pattern = 0; pattern < 1 << PAGES; pattern++) {
      const memblockReserved = Array.from({ length: PAGES }, (_, i) => i)
        .filter((i) => (pattern & (1 << i)) !== 0)
        .map((i) => ({ base: BigInt(START + i) * 4096n, size: 0x800n }));
      const options = { memblockMemory, memblockReserved, until: 'release' } as const;
      const { model } = bootFromMemblock(options);
      const got = bySize(modelBlocks(model));
      const zoneOf = (pfn: number) => zoneIdOf(model.map, pfn);
      if (JSON.stringify(got) !== JSON.stringify(naiveBlocks(options, zoneOf))) {
        expect(got).toEqual(naiveBlocks(options, zoneOf));
      }
    }
  });

  test('the first pageblock begins with a hole, the second with RAM', () => {
    const { model } = bootFromMemblock({
      memblockMemory: [{ base: BigInt(START) * 4096n, size: BigInt(PAGES) * 4096n }],
      memblockReserved: [],
    });
    const types = [START, START + PAGES - 1].map((pfn) => pageblockMigratetype(model.map, pfn));
    expect(types).toEqual([0, 1]);
  });
});
