import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { HostFailure, SmallMachine } from './machine.ts';

type Step = (machine: SmallMachine) => void;

const cpu = fc.nat(1);
const index = fc.nat(60);
const order = fc.nat(4);

function zonelist({ world }: SmallMachine) {
  return world.model.nodes[0].zonelists[0];
}

/** What can happen to the machine, by family. */
const FAMILIES: readonly fc.Arbitrary<Step>[] = [
  fc.tuple(fc.nat(3), index, cpu).map(
    ([file, index, cpu]): Step =>
      (machine) => {
        machine.cache.read(machine.files[file], index, cpu);
      },
  ),
  fc.tuple(fc.nat(3), index, cpu).map(
    ([file, index, cpu]): Step =>
      (machine) => {
        machine.cache.write(machine.files[file], index, cpu);
      },
  ),
  fc.tuple(fc.nat(1), index, fc.boolean(), fc.boolean(), cpu).map(
    ([file, index, write, exec, cpu]): Step =>
      (machine) => {
        machine.cache.fault(machine.files[file], index, { write, exec }, cpu);
      },
  ),
  fc.tuple(fc.nat(2), fc.nat(39), fc.boolean(), cpu).map(
    ([region, index, write, cpu]): Step =>
      ({ cache, regions }) => {
        const { entries } = regions[region];
        cache.anon.touch(regions[region], index % entries.length, write, cpu);
      },
  ),
  fc.tuple(fc.nat(39), cpu).map(
    ([index, cpu]): Step =>
      ({ regions, world }) => {
        const entry = regions[0].entries[index];
        if (entry > 0) world.reclaim.markPageLazyfree(entry - 1, cpu);
      },
  ),
  fc.nat(30).map(
    (jiffies): Step =>
      ({ cache }) =>
        cache.advance(jiffies),
  ),
  fc.constant<Step>(({ cache }) => cache.sync()),
  fc.constantFrom<Step>(
    ({ world }) => world.reclaim.lruAddDrainAll(),
    ({ world }) => void world.reclaim.runKswapd(0),
    ({ world }) => void world.reclaim.settleKswapd(0),
  ),
  fc.tuple(order, fc.constantFrom(1, 2, 3), cpu).map(
    ([order, zone]): Step =>
      ({ world }) => {
        world.reclaim.wakeupKswapd(zone, Gfp.GFP_KERNEL, order, zone);
        world.reclaim.runKswapd(0);
      },
  ),
  fc.tuple(order, cpu).map(
    ([order, cpu]): Step =>
      (machine) => {
        const gfp = Gfp.GFP_HIGHUSER_MOVABLE;
        machine.world.reclaim.tryToFreePages(zonelist(machine), order, gfp, null, cpu);
      },
  ),
  fc.tuple(fc.integer({ min: 1, max: 60 }), cpu).map(
    ([pages, cpu]): Step =>
      ({ world }) => {
        world.reclaim.shrinkAllMemory(pages, cpu);
      },
  ),
  fc.tuple(fc.nat(7), order).map(
    ([mode, order]): Step =>
      ({ world }) => {
        world.model.tunables.nodeReclaimMode = mode;
        world.reclaim.nodeReclaim(0, Gfp.GFP_HIGHUSER_MOVABLE, order);
      },
  ),
  fc.tuple(fc.nat(200), fc.constantFrom(0, 512)).map(
    ([swappiness, boost]): Step =>
      ({ world }) => {
        world.model.tunables.swappiness = swappiness;
        world.zone(2).watermarkBoost = boost;
      },
  ),
  fc.tuple(fc.nat(3), index).map(
    ([file, from]): Step =>
      ({ cache, files }) => {
        cache.truncate(files[file], from);
      },
  ),
  fc.boolean().map(
    (on): Step =>
      ({ cache, files }) =>
        cache.setUnevictable(files[2], on),
  ),
  fc.nat(1000).map(
    (pick): Step =>
      ({ pinned, world }) => {
        // An extra reference for a while: such a page can neither be freed nor go.
        const used = world.reclaim.lruList(0, 2);
        if (pinned.length > 3) world.reclaim.folioPut(pinned.shift() as number);
        else if (used.length > 0) {
          const pfn = used[pick % used.length];
          world.reclaim.folioGet(pfn);
          pinned.push(pfn);
        }
      },
  ),
  fc.nat(1000).map(
    (pick): Step =>
      ({ pinned, world }) => {
        const used = world.reclaim.lruList(0, 3).filter((pfn) => !pinned.includes(pfn));
        if (used.length === 0) return;
        const pfn = used[pick % used.length];
        world.reclaim.isolateLruPage(pfn);
        world.reclaim.reclaimPages([pfn]);
      },
  ),
];

const [read, write, fault, touch, ...others] = FAMILIES;
const runs = fc.subarray(others, { minLength: 2 }).chain((families) =>
  fc.array(fc.oneof(read, write, fault, touch, touch, read, ...families), {
    maxLength: 150,
    size: 'max',
  }),
);

/** What all runs together reached. */
const REACHED = [
  'pgsteal_anon',
  'pgsteal_file',
  'pgsteal_direct',
  'pgsteal_kswapd',
  'pgactivate',
  'pgdeactivate',
  'pgrotated',
  'pgskip_movable',
  'pswpin',
  'pswpout',
  'pglazyfree',
  'unevictable_pgs_culled',
  'unevictable_pgs_rescued',
] as const;

test('nothing is lost, whatever happens', () => {
  const reached = new Set<string>();
  fc.assert(
    fc.property(runs, (steps) => {
      const machine = new SmallMachine();
      for (const step of steps) {
        step(machine);
        machine.check();
      }
      for (const name of REACHED) if (machine.world.event(name) > 0) reached.add(name);
    }),
  );
  expect(REACHED.filter((name) => !reached.has(name))).toEqual([]);
});

test('a host callback that throws leaves everything in order', () => {
  let failures = 0;
  fc.assert(
    fc.property(runs, fc.array(fc.nat(40), { minLength: 150, maxLength: 150 }), (steps, fuses) => {
      const machine = new SmallMachine();
      steps.forEach((step, i) => {
        machine.cache.fuse = fuses[i];
        try {
          step(machine);
        } catch (error) {
          if (!(error instanceof HostFailure)) throw error;
          failures++;
        }
        machine.cache.fuse = -1;
        machine.check();
      });
    }),
  );
  expect(failures).toBeGreaterThan(50);
});
