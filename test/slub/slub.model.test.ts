import fc from 'fast-check';
import { expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { sparseMemory } from '../../src/memory/sparse.ts';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import { Vmstat } from '../../src/mm/vmstat.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import type { SlubConfig } from '../../src/slub/types.ts';
import { scaled } from '../support/seed.ts';
import { families, Owners, type Real } from './commands.ts';
import { made, testSlub, testTopology } from './support.ts';

const { SLAB_RED_ZONE, SLAB_TYPESAFE_BY_RCU, SLAB_HWCACHE_ALIGN, SLAB_RECLAIM_ACCOUNT } = SlabFlag;

const SHAPES: readonly { size: number; align?: number; flags?: number }[] = [
  { size: 8 },
  { size: 700, flags: SLAB_HWCACHE_ALIGN },
  { size: 2500, flags: SLAB_RECLAIM_ACCOUNT },
  { size: 64, flags: SLAB_TYPESAFE_BY_RCU },
  { size: 120, flags: SLAB_RED_ZONE },
  { size: 200, flags: DEBUG_DEFAULT_FLAGS },
  { size: 9000, align: 64 },
];
const PAGES = 0x2000;
/** Runs can be multiplied from outside. */
const LONG = { timeout: 600_000 };

interface Setting {
  readonly content: boolean;
  readonly boot: 'kernel' | 'bare';
  readonly config: Partial<SlubConfig>;
}

function setUp({ content, boot, config }: Setting): Real & { log: string[] } {
  const memory = content ? sparseMemory(PAGES * 4096 * 2) : noMemory(PAGES * 4096 * 2);
  const { slub, log } = testSlub({
    pagesPerNode: PAGES,
    memory,
    boot,
    config,
    checks: 'basic',
    vmstat: new Vmstat(3, 8, 2),
    topology: testTopology([0, 0, 1], 2),
  });
  const caches: SlubCache[] = SHAPES.map((shape, i) => made(slub.createCache(`c${i}`, shape)));
  return { slub, caches, memory: content ? memory : null, log };
}

const settings: fc.Arbitrary<Setting> = fc.record({
  content: fc.boolean(),
  boot: fc.constantFrom('kernel' as const, 'bare' as const),
  config: fc.constantFrom<Partial<SlubConfig>>(
    {},
    {},
    { cpuPartial: false },
    { freelistRandom: true },
    { freelistHardened: true },
    { stats: true, numa: false },
  ),
});

test('any sequence of calls: owners do not overlap, contents stay, rules hold', LONG, () => {
  const runs = fc.tuple(
    settings,
    fc
      .subarray(families(SHAPES.length), { minLength: 3 })
      .chain((some) => fc.commands(some, { maxCommands: 50, size: 'max' })),
  );
  fc.assert(
    fc.property(runs, ([setting, commands]) => {
      const real = setUp(setting);
      fc.modelRun(() => ({ model: new Owners(), real }), commands);
      expect(real.log.filter((line) => line.startsWith('BUG'))).toEqual([]);
    }),
    { numRuns: scaled(60) },
  );
});

test('with and without content the same calls give the same addresses', () => {
  const calls = fc.array(fc.tuple(fc.nat(SHAPES.length - 1), fc.nat(2), fc.nat(3), fc.nat(1000)), {
    maxLength: 150,
    size: 'max',
  });
  const run = (content: boolean, steps: [number, number, number, number][]): number[] => {
    const { caches } = setUp({ content, boot: 'bare', config: {} });
    const held: [number, number][] = [];
    const seen: number[] = [];
    for (const [index, cpu, kind, choice] of steps) {
      if (kind > 0 || held.length === 0) {
        const address = made(caches[index].alloc(0xcc0, cpu));
        held.push([index, address]);
        seen.push(address);
      } else {
        const [[owner, address]] = held.splice(choice % held.length, 1);
        caches[owner].free(address, cpu);
      }
    }
    return seen;
  };
  fc.assert(
    fc.property(calls, (steps) => {
      expect(run(false, steps)).toEqual(run(true, steps));
    }),
    { numRuns: scaled(30) },
  );
});
