import type { BuddyAllocator } from '../src/buddy/index.ts';
import { Gfp } from '../src/mm/gfp.ts';
import { BENCH_PAGES, benchBuddy } from './lib/page-heaps.ts';
import { measure } from './measure.ts';
import type { Benchmark, Scale } from './types.ts';

/** Pages of 1 MiB. */
const PAGES_PER_MIB = 256;
/** Memory sizes, MiB. */
const SIZES_MIB = [64, 1024, 16384, 65536];
/** CPU counts. */
const CPUS = [1, 4, 16, 64];
/** Orders; those with per-CPU lists are 0 to 3 and 9. */
const ORDERS = [0, 1, 2, 3, 4, 6, 8, 9, 10];

/** Allocates a block and frees it, on all CPUs in turn. */
function pairs(buddy: BuddyAllocator, order: number, cpus: number, count: number): number {
  let hash = 0;
  let cpu = 0;
  for (let i = 0; i < count; i++) {
    const pfn = buddy.allocPages(Gfp.GFP_HIGHUSER_MOVABLE, order, -1, cpu) as number;
    hash = (hash * 31 + pfn) | 0;
    buddy.freePages(pfn, order, cpu);
    cpu = cpu + 1 === cpus ? 0 : cpu + 1;
  }
  return hash >>> 0;
}

/** Nanoseconds of a pair in each of some settings, measured in turn. */
function column(
  settings: readonly {
    readonly name: string;
    readonly order: number;
    readonly cpus: number;
    readonly pages: number;
  }[],
  scale: Scale,
): string[][] {
  const count = scale === 'smoke' ? 4096 : 262144;
  const contenders = settings.map(({ name, order, cpus, pages }) => {
    const buddy = benchBuddy(pages, cpus);
    // The lists of every CPU are filled once, so that all rounds find the same.
    pairs(buddy, order, cpus, cpus);
    return { name, prepare: () => () => pairs(buddy, order, cpus, count) };
  });
  const results = measure(contenders, count, scale === 'smoke' ? 1 : 7);
  return results.map(({ name, minNs }) => [
    name,
    minNs.toFixed(1),
    (minNs / results[0].minNs).toFixed(2),
  ]);
}

/** Heap bytes that a million order-0 pairs leave behind, per pair. */
function garbagePerPair(scale: Scale): string {
  const count = scale === 'smoke' ? 10_000 : 1_000_000;
  const buddy = benchBuddy();
  pairs(buddy, 0, 1, count);
  const before = process.memoryUsage().heapUsed;
  pairs(buddy, 0, 1, count);
  return ((process.memoryUsage().heapUsed - before) / count).toFixed(3);
}

/** How the cost of an alloc/free pair grows with memory, CPUs and order. */
export const pageScalingBenchmark: Benchmark = {
  name: 'page-scaling',
  summary: 'an alloc/free pair by memory size, CPUs and order, ns (ratio to the first of its kind)',
  run: async (scale) => {
    const base = { order: 0, cpus: 1, pages: BENCH_PAGES };
    const bySize = SIZES_MIB.map((mib) => ({
      ...base,
      name: `${mib} MiB`,
      pages: mib * PAGES_PER_MIB,
    }));
    const byCpu = CPUS.map((cpus) => ({ ...base, name: `${cpus} CPUs`, cpus }));
    const byOrder = ORDERS.map((order) => ({ ...base, name: `order ${order}`, order }));
    return [
      ['setting', 'ns per pair', 'ratio'],
      ...column(bySize, scale),
      ...column(byCpu, scale),
      ...column(byOrder, scale),
      ['heap bytes per pair', garbagePerPair(scale), ''],
    ];
  },
};
