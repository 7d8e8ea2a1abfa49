import { ArgumentError, checkInteger } from '../lib/errors.ts';
import { type MemoryModel, onlineZones } from './memory-model.ts';
import {
  setupMinSlabRatio,
  setupMinUnmappedRatio,
  setupPerZoneLowmemReserve,
  setupPerZoneWmarks,
  zonePcpUpdate,
} from './watermark-setup.ts';
import { MAX_NR_ZONES } from './zone-types.ts';

/** Largest value of an `int`. */
const INT_MAX = 0x7fffffff;
/** Smallest fraction that `percpu_pagelist_high_fraction` takes. */
const HIGH_FRACTION_MIN = 8;

/**
 * Writes `/proc/sys/vm/min_free_kbytes`: the user's value stays, whatever memory is added later.
 * Watermarks and per-CPU lists follow.
 * @param kbytes KiB, 0 or more
 * @throws ArgumentError `BAD_ARGUMENT` for a value that the kernel refuses
 * @kernel min_free_kbytes_sysctl_handler (spec reclaim 4.6)
 */
export function setMinFreeKbytes(model: MemoryModel, kbytes: number): void {
  checkInteger('min_free_kbytes', kbytes, 0, INT_MAX);
  model.tunables.userMinFreeKbytes = kbytes;
  model.tunables.minFreeKbytes = kbytes;
  setupPerZoneWmarks(model);
}

/**
 * Writes `/proc/sys/vm/watermark_scale_factor`: distance of the watermarks; they follow.
 * @param factor in 1/10000 of managed pages, 1 to 3000
 * @throws ArgumentError `BAD_ARGUMENT` for a value that the kernel refuses
 * @kernel watermark_scale_factor_sysctl_handler (spec reclaim 4.6)
 */
export function setWatermarkScaleFactor(model: MemoryModel, factor: number): void {
  checkInteger('watermark_scale_factor', factor, 1, 3000);
  model.tunables.watermarkScaleFactor = factor;
  setupPerZoneWmarks(model);
}

/**
 * Writes `/proc/sys/vm/watermark_boost_factor`; it counts from the next boost on.
 * @param factor in 1/10000 of the high watermark, 0 for no boosts
 * @throws ArgumentError `BAD_ARGUMENT` for a value that the kernel refuses
 */
export function setWatermarkBoostFactor(model: MemoryModel, factor: number): void {
  checkInteger('watermark_boost_factor', factor, 0, INT_MAX);
  model.tunables.watermarkBoostFactor = factor;
}

/**
 * Writes `/proc/sys/vm/lowmem_reserve_ratio`; the reserves follow.
 * @param ratios divisor by zone index; values below 1 become 0, which means no reserve
 * @throws ArgumentError `BAD_ARGUMENT` unless it is one integer per zone
 * @kernel lowmem_reserve_ratio_sysctl_handler (spec reclaim 4.6)
 */
export function setLowmemReserveRatio(model: MemoryModel, ratios: readonly number[]): void {
  checkInteger('number of ratios', ratios.length, MAX_NR_ZONES, MAX_NR_ZONES);
  for (const ratio of ratios) checkInteger('lowmem_reserve_ratio', ratio, -INT_MAX - 1, INT_MAX);
  model.tunables.lowmemReserveRatio = ratios.map((ratio) => Math.max(0, ratio));
  setupPerZoneLowmemReserve(model);
}

/**
 * Writes `/proc/sys/vm/percpu_pagelist_high_fraction`; high and batch of all per-CPU lists follow.
 * @param fraction part of a zone that its per-CPU lists may hold, 8 or more; 0 for the default rule
 * @throws ArgumentError `BAD_ARGUMENT` for a value that the kernel refuses, 1 to 7 among them
 * @kernel percpu_pagelist_high_fraction_sysctl_handler (spec buddy 4.30)
 */
export function setPercpuPagelistHighFraction(model: MemoryModel, fraction: number): void {
  checkInteger('percpu_pagelist_high_fraction', fraction, 0, INT_MAX);
  if (fraction !== 0 && fraction < HIGH_FRACTION_MIN) {
    throw new ArgumentError(
      `percpu_pagelist_high_fraction must be 0 or at least ${HIGH_FRACTION_MIN}, got ${fraction}`,
      { fraction },
    );
  }
  if (fraction === model.tunables.percpuPagelistHighFraction) return;
  model.tunables.percpuPagelistHighFraction = fraction;
  for (const zone of onlineZones(model)) zonePcpUpdate(model, zone);
}

/**
 * Writes `/proc/sys/vm/min_unmapped_ratio`; the nodes' limits follow.
 * @param percent 0 to 100
 * @throws ArgumentError `BAD_ARGUMENT` for a value that the kernel refuses
 */
export function setMinUnmappedRatio(model: MemoryModel, percent: number): void {
  checkInteger('min_unmapped_ratio', percent, 0, 100);
  model.tunables.minUnmappedRatio = percent;
  setupMinUnmappedRatio(model);
}

/**
 * Writes `/proc/sys/vm/min_slab_ratio`; the nodes' limits follow.
 * @param percent 0 to 100
 * @throws ArgumentError `BAD_ARGUMENT` for a value that the kernel refuses
 */
export function setMinSlabRatio(model: MemoryModel, percent: number): void {
  checkInteger('min_slab_ratio', percent, 0, 100);
  model.tunables.minSlabRatio = percent;
  setupMinSlabRatio(model);
}

/**
 * Writes `/proc/sys/vm/swappiness`.
 * @param swappiness 0 to 200
 * @throws ArgumentError `BAD_ARGUMENT` for a value that the kernel refuses
 */
export function setSwappiness(model: MemoryModel, swappiness: number): void {
  checkInteger('swappiness', swappiness, 0, 200);
  model.tunables.swappiness = swappiness;
}

/**
 * Writes `/proc/sys/vm/zone_reclaim_mode`.
 * @param mode bits RECLAIM_ZONE 1, RECLAIM_WRITE 2, RECLAIM_UNMAP 4
 * @throws ArgumentError `BAD_ARGUMENT` for a negative value
 */
export function setZoneReclaimMode(model: MemoryModel, mode: number): void {
  checkInteger('zone_reclaim_mode', mode, 0, INT_MAX);
  model.tunables.nodeReclaimMode = mode;
}

/**
 * Writes `/proc/sys/vm/extfrag_threshold`.
 * @param threshold 0 to 1000
 * @throws ArgumentError `BAD_ARGUMENT` for a value that the kernel refuses
 */
export function setExtfragThreshold(model: MemoryModel, threshold: number): void {
  checkInteger('extfrag_threshold', threshold, 0, 1000);
  model.tunables.extfragThreshold = threshold;
}

/**
 * Writes `/proc/sys/vm/numa_stat`; switching it off clears the NUMA events.
 * @param enabled 1 to count NUMA events, 0 not to
 * @throws ArgumentError `BAD_ARGUMENT` for another value
 * @kernel sysctl_vm_numa_stat_handler (spec buddy 4.33)
 */
export function setNumaStat(model: MemoryModel, enabled: number): void {
  checkInteger('numa_stat', enabled, 0, 1);
  if (enabled === 0) model.vmstat.numa.fill(0);
  model.tunables.numaStat = enabled;
}

/** `/proc/sys/vm/lowmem_reserve_ratio` as it reads: values separated by tabs. (spec reclaim 5.4) */
export function formatLowmemReserveRatio(model: MemoryModel): string {
  return model.tunables.lowmemReserveRatio.join('\t');
}
