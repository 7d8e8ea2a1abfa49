import { hex } from '../lib/units.ts';
import { formatGfp, Gfp } from './gfp.ts';
import type { LogSink } from './trace.ts';

/** Bits that may change how hard the page allocator tries. @kernel GFP_RECLAIM_MASK (spec slub 3.3) */
export const GFP_RECLAIM_MASK = 0xbeee0;
/** HARDWALL and THISNODE. @kernel GFP_CONSTRAINT_MASK (spec slub 3.3) */
export const GFP_CONSTRAINT_MASK = 0x300000;
/** HIGHMEM, DMA32 and every bit that is no flag of a request. @kernel GFP_SLAB_BUG_MASK (spec slub 3.3) */
export const GFP_SLAB_BUG_MASK = 0xf8000006;

/**
 * Removes the bits that a slab page must not be asked for with, and says so in the log.
 * @param gfp the caller's mask
 * @returns the mask without them
 * @kernel kmalloc_fix_flags (spec slub 4.10 step 1)
 */
export function fixSlabGfp(gfp: number, log: LogSink | null): number {
  const bad = (gfp & GFP_SLAB_BUG_MASK) >>> 0;
  if (bad === 0) return gfp;
  const good = (gfp & ~GFP_SLAB_BUG_MASK) >>> 0;
  log?.(
    `Unexpected gfp: ${hex(bad)} (${formatGfp(bad)}). ` +
      `Fixing up to gfp: ${hex(good)} (${formatGfp(good)}). Fix your code!`,
  );
  return good;
}

/** Bits that decide whether a request may use the emergency reserves. */
const RESERVE_BITS = Gfp.__GFP_NOMEMALLOC | Gfp.__GFP_MEMALLOC;

/**
 * Whether a request may have objects from slabs that were made of emergency reserves.
 * @param gfp the caller's mask
 * @param privileged the task has PF_MEMALLOC or is an OOM victim
 * @kernel gfp_pfmemalloc_allowed (spec slub 4.12 S3)
 */
export function mayUseReserves(gfp: number, privileged: boolean): boolean {
  const bits = gfp & RESERVE_BITS;
  if ((bits & Gfp.__GFP_NOMEMALLOC) !== 0) return false;
  return bits !== 0 || privileged;
}
