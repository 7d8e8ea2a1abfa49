/** Counters of a cache and CPU with SLUB_STATS, in the kernel's order. (spec slub 4.29) */
export const STAT_NAMES = [
  'alloc_fastpath',
  'alloc_slowpath',
  'free_fastpath',
  'free_slowpath',
  'free_frozen',
  'free_add_partial',
  'free_remove_partial',
  'alloc_from_partial',
  'alloc_slab',
  'alloc_refill',
  'alloc_node_mismatch',
  'free_slab',
  'cpuslab_flush',
  'deactivate_full',
  'deactivate_empty',
  'deactivate_to_head',
  'deactivate_to_tail',
  'deactivate_remote_frees',
  'deactivate_bypass',
  'order_fallback',
  'cmpxchg_double_fail',
  'cmpxchg_double_cpu_fail',
  'cpu_partial_alloc',
  'cpu_partial_free',
  'cpu_partial_node',
  'cpu_partial_drain',
] as const;

/** Name of a counter. */
export type StatName = (typeof STAT_NAMES)[number];

/** Number of counters. */
export const NR_SLUB_STAT_ITEMS: number = STAT_NAMES.length;

/** Index of each counter in `STAT_NAMES`. @kernel enum stat_item */
export const Stat: Readonly<Record<StatName, number>> = Object.fromEntries(
  STAT_NAMES.map((name, item) => [name, item]),
) as Record<StatName, number>;

/** Counts an event. @kernel stat */
export function countStat(stats: Float64Array | null, cpu: number, item: number): void {
  if (stats !== null) stats[cpu * NR_SLUB_STAT_ITEMS + item]++;
}

/** Sum of a counter over all CPUs. */
export function statSum(stats: Float64Array, item: number): number {
  let sum = 0;
  for (let cell = item; cell < stats.length; cell += NR_SLUB_STAT_ITEMS) sum += stats[cell];
  return sum;
}
