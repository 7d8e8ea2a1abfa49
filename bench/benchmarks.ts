import { bootBenchmark } from './boot.bench.ts';
import { dmesgBenchmark } from './dmesg.bench.ts';
import { memblockBenchmark } from './memblock.bench.ts';
import { objectsBenchmark } from './objects.bench.ts';
import { pageScalingBenchmark } from './page-scaling.bench.ts';
import { pagesBenchmark } from './pages.bench.ts';
import { reclaimBenchmark } from './reclaim.bench.ts';
import { slabBenchmark } from './slab.bench.ts';
import type { Benchmark } from './types.ts';

/** All benchmarks, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [
  bootBenchmark,
  dmesgBenchmark,
  memblockBenchmark,
  pagesBenchmark,
  pageScalingBenchmark,
  objectsBenchmark,
  slabBenchmark,
  reclaimBenchmark,
];
