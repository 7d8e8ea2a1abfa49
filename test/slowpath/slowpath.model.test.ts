import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { VmEvent, type VmEventName } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { scaled } from '../support/seed.ts';
import { type Fault, TestMachine } from './machine.ts';

/** What a run does, one step. */
interface Step {
  readonly name: string;
  run(machine: TestMachine): void;
}

const cpu = fc.nat(1);
const { GFP_KERNEL, GFP_ATOMIC, GFP_NOFS, GFP_HIGHUSER_MOVABLE, GFP_TRANSHUGE } = Gfp;
const { __GFP_NORETRY, __GFP_RETRY_MAYFAIL, __GFP_COMP, __GFP_NOWARN, __GFP_THISNODE } = Gfp;
const gfps = fc.constantFrom(
  GFP_KERNEL,
  GFP_KERNEL | __GFP_COMP,
  GFP_KERNEL | __GFP_NORETRY,
  GFP_KERNEL | __GFP_RETRY_MAYFAIL,
  GFP_KERNEL | Gfp.__GFP_RECLAIMABLE,
  GFP_NOFS | __GFP_NORETRY,
  Gfp.GFP_NOIO | __GFP_NORETRY,
  GFP_ATOMIC | __GFP_NOWARN,
  GFP_HIGHUSER_MOVABLE,
  GFP_HIGHUSER_MOVABLE | __GFP_THISNODE,
  GFP_TRANSHUGE,
  GFP_TRANSHUGE | __GFP_NORETRY,
);

const step = <T>(
  name: string,
  arbitrary: fc.Arbitrary<T>,
  run: (machine: TestMachine, input: T) => void,
): fc.Arbitrary<Step> =>
  arbitrary.map((input) => ({
    name: `${name} ${fc.stringify(input)}`,
    run: (machine) => run(machine, input),
  }));

const FAMILIES: readonly fc.Arbitrary<Step>[] = [
  step('alloc', fc.tuple(gfps, fc.nat(4), fc.integer({ min: -1, max: 1 }), cpu), (m, input) => {
    m.alloc(...input);
  }),
  step('allocLarge', fc.tuple(gfps, fc.integer({ min: 5, max: 10 }), cpu), (m, [gfp, order, c]) => {
    m.alloc(gfp, order, -1, c);
  }),
  step('allocMany', fc.tuple(gfps, fc.integer({ min: 50, max: 1500 }), cpu), (m, [gfp, n, c]) => {
    for (let i = 0; i < n; i++) if (m.alloc(gfp, 0, -1, c) === null) break;
  }),
  step('allocLargeMany', fc.tuple(gfps, fc.integer({ min: 2, max: 9 })), (m, [gfp, order]) => {
    for (let i = 0; i < 12; i++) m.alloc(gfp, order, -1, i & 1);
  }),
  step('free', fc.tuple(fc.nat(1000), cpu), (m, [index, c]) => m.free(index, c)),
  step('freeMany', fc.tuple(fc.integer({ min: 2, max: 5 }), cpu), (m, [every, c]) => {
    for (let i = 0; i < 900; i += every) m.free(i, c);
  }),
  step('read', fc.tuple(fc.nat(1), fc.nat(1500), cpu), (m, [file, from, c]) => {
    for (let i = 0; i < 60; i++) m.read(file, from + i, c);
  }),
  step('write', fc.tuple(fc.nat(1), fc.nat(1500), cpu), (m, [file, from, c]) => {
    for (let i = 0; i < 20; i++) m.read(file, from + i, c, true);
  }),
  step('driver', fc.tuple(fc.boolean(), cpu), (m, [movable, c]) => {
    const gfp = (movable ? GFP_HIGHUSER_MOVABLE : GFP_KERNEL) | __GFP_NORETRY;
    for (let i = 0; i < 20; i++) m.makeDriverPage(gfp, c);
  }),
  step('freeDriver', fc.tuple(fc.nat(100), cpu), (m, [index, c]) => m.freeDriverPage(index, c)),
  step('compactMemory', cpu, (m, c) => {
    m.attempt(() => m.slowPath.compactMemory(c));
  }),
  step('runKcompactd', fc.tuple(fc.nat(1), fc.nat(9)), (m, [node, order]) => {
    m.slowPath.wakeupKcompactd(node, order, 2);
    m.attempt(() => m.slowPath.runKcompactd(node));
  }),
  step('runKswapd', fc.nat(1), (m, node) => {
    m.attempt(() => m.reclaim.settleKswapd(node));
  }),
  step('advance', fc.integer({ min: 1, max: 60 }), (m, jiffies) => {
    m.cache.advance(jiffies);
    m.attempt(() => m.slowPath.tick());
  }),
  step('fault', fc.constantFrom<Fault>('none', 'again', 'busy', 'throw'), (m, fault) => {
    m.fault = fault;
  }),
  step('switchTo', fc.nat(3), (m, index) => m.switchTo(index)),
  step('spawn', fc.constant(null), (m) => {
    if (m.processes.tasks.length < 5) m.spawn();
  }),
];

const EVENTS: readonly VmEventName[] = [
  'compact_fail',
  'compact_success',
  'compact_daemon_wake',
  'pgmigrate_success',
  'pgmigrate_fail',
  'pgsteal_direct',
  'pgsteal_kswapd',
  'oom_kill',
];

test('a machine under pressure keeps its rules, its contents and its page frames', () => {
  const reached = new Set<string>();
  // Some families at a time: an even mix would hover around the same states.
  const runs = fc
    .subarray(FAMILIES.slice(4), { minLength: 3 })
    .chain((families) =>
      fc.array(fc.oneof(...FAMILIES.slice(0, 4), ...families), { minLength: 12, maxLength: 40 }),
    );
  fc.assert(
    fc.property(runs, fc.constantFrom(0, 1500, 3000, 3500), (steps, seedPages) => {
      const machine = new TestMachine(seedPages);
      for (const { name, run } of steps) {
        run(machine);
        const problems = machine.problems();
        if (problems.length > 0)
          throw new Error(`after ${name}: ${problems.slice(0, 5).join('\n')}`);
      }
      const { vmstat } = machine.buddy.model;
      for (const name of EVENTS) if (vmEvent(vmstat, VmEvent[name]) > 0) reached.add(name);
      if (machine.faults > 0) reached.add('faults');
      expect(machine.leaks()).toEqual([]);
    }),
    { numRuns: scaled(60) },
  );
  expect([...reached].sort()).toEqual([...EVENTS, 'faults'].sort());
});
