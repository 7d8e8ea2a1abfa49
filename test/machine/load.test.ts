import { describe, expect, test } from 'vitest';
import { MachineLoad, type MachineLoadOptions } from '../../bench/soak/load.ts';
import { noReservations } from '../../src/boot/reservations.ts';

/** `PAGEFRAME_SEED` repeats a run, or tries another one. */
const SEED = Number(process.env.PAGEFRAME_SEED ?? 61192);
const FACTOR = Number(process.env.PAGEFRAME_RUNS ?? 1);

/** Does so many operations with a check of everything after each `every`, and after giving all back. */
function runLoad(
  options: Omit<MachineLoadOptions, 'seed'>,
  steps: number,
  every: number,
): MachineLoad {
  const load = new MachineLoad({ seed: SEED, ...options });
  expect(load.problems()).toEqual([]);
  for (let step = 1; step <= steps * FACTOR; step++) {
    load.step();
    if (step % every !== 0) continue;
    const found = load.problems();
    if (found.length > 0) expect.fail(`seed ${SEED}, step ${step}:\n${found.join('\n')}`);
  }
  return load;
}

/** A machine small enough to be checked after every operation. */
const SMALL = { reservations: noReservations(), swapPages: 1000 };

describe('a whole machine under random load', () => {
  test.each(['slub', 'slab'] as const)('breaks no rule after any operation, with %s', (slab) => {
    const load = runLoad({ memoryMib: 16, boot: { ...SMALL, slab } }, 1000, 1);
    expect(load.finish()).toEqual([]);
    expect(load.problems()).toEqual([]);
  });

  test('breaks no rule on one node with one CPU and without swap', () => {
    const options = { memoryMib: 16, nodes: 1, boot: { ...SMALL, cpus: 1, swapPages: 0 } };
    const load = runLoad(options, 1000, 2);
    expect(load.finish()).toEqual([]);
  });

  test('breaks no rule on four nodes with pageblocks of 4 MiB', () => {
    const options = { memoryMib: 64, nodes: 4, boot: { ...SMALL, cpus: 5, hugetlb: false } };
    const load = runLoad(options, 3000, 50);
    expect(load.finish()).toEqual([]);
  });

  test('loses nothing over many operations, and visits every corner', () => {
    const load = runLoad({}, 40_000, 2000);
    expect(load.counts).toMatchObject({
      alloc: expect.any(Number),
      'no memory': expect.any(Number),
      exit: expect.any(Number),
      truncate: expect.any(Number),
      cache: expect.any(Number),
      kcompactd: expect.any(Number),
      drain: expect.any(Number),
    });
    expect(load.finish()).toEqual([]);
    expect(load.problems()).toEqual([]);
  });

  test('gives the same results again', () => {
    const run = (): number => runLoad({ memoryMib: 32, boot: SMALL }, 3000, 3000).hash;
    expect(run()).toBe(run());
  });
});
