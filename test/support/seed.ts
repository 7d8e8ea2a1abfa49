import fc from 'fast-check';

/**
 * One seed for all property tests of a run. `PAGEFRAME_SEED` repeats a run; without it the fixed
 * default keeps `npm test` reproducible. `PAGEFRAME_RUNS` multiplies the number of generated cases.
 */
const seed = Number(process.env.PAGEFRAME_SEED ?? 61192);
const factor = Number(process.env.PAGEFRAME_RUNS ?? 1);

fc.configureGlobal({ seed, numRuns: Math.ceil(100 * factor) });

/**
 * Cases of a property that wants another number than the default 100.
 * @param count cases of a usual run
 */
export function scaled(count: number): number {
  return Math.ceil(count * factor);
}
