import { ilog2 } from '../lib/bits.ts';
import { SLAB_DEBUG_FLAGS, SlabFlag } from '../mm/slab-flags.ts';

/** Least node partial slabs to keep. */
export const MIN_PARTIAL = 5;
/** Most node partial slabs to keep. */
export const MAX_PARTIAL = 10;

/** Whether any debug flag is set: such a cache has no CPU slabs. @kernel kmem_cache_debug (spec slub 2.7) */
export function isDebugCache(flags: number): boolean {
  return (flags & SLAB_DEBUG_FLAGS) !== 0;
}

/** Node partial slabs to keep before empty ones go back. @kernel set_min_partial (spec slub 4.7) */
export function initialMinPartial(size: number): number {
  return Math.min(MAX_PARTIAL, Math.max(MIN_PARTIAL, Math.floor(ilog2(size) / 2)));
}

/** Nominal objects on a CPU's partial list. @kernel set_cpu_partial (spec slub 4.7) */
export function initialCpuPartial(size: number, flags: number, hasCpuPartial: boolean): number {
  if (!hasCpuPartial || isDebugCache(flags)) return 0;
  if (size >= 4096) return 6;
  if (size >= 1024) return 24;
  return size >= 256 ? 52 : 120;
}

/** Slabs that a number of objects stands for. @kernel slub_set_cpu_partial (spec slub 4.7) */
export function cpuPartialSlabs(cpuPartial: number, objectsPerSlab: number): number {
  return Math.ceil((2 * cpuPartial) / objectsPerSlab);
}

/** Debug flags that forbid changing freelist and counters in one step. */
const NEEDS_LOCK =
  SlabFlag.SLAB_CONSISTENCY_CHECKS | SlabFlag.SLAB_STORE_USER | SlabFlag.SLAB_TRACE;

/** The flags with `__CMPXCHG_DOUBLE` as it results; it only shows, it changes nothing here. */
export function withCmpxchgDouble(flags: number): number {
  return (flags & NEEDS_LOCK) === 0 ? (flags | SlabFlag.__CMPXCHG_DOUBLE) >>> 0 : flags;
}
