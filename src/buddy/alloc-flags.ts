import { Gfp } from '../mm/gfp.ts';
import { inTask } from '../mm/task.ts';
import type { Zone } from '../mm/zone.ts';
import { ZoneType } from '../mm/zone-types.ts';
import type { BuddyState } from './state.ts';

/** How deep an allocation attempt may go, with the values of 6.1.192 (spec buddy 3.2). */
export const AllocFlag = {
  /** Index of the min watermark. */
  ALLOC_WMARK_MIN: 0x0,
  /** Index of the low watermark. */
  ALLOC_WMARK_LOW: 0x1,
  /** Index of the high watermark. */
  ALLOC_WMARK_HIGH: 0x2,
  /** Mask of the watermark index. */
  ALLOC_WMARK_MASK: 0x3,
  /** Ignore a failed watermark check. */
  ALLOC_NO_WATERMARKS: 0x4,
  /** The task is an OOM victim. */
  ALLOC_OOM: 0x8,
  /** The caller cannot reclaim. */
  ALLOC_NON_BLOCK: 0x10,
  /** May use half of the min watermark; the bit of `__GFP_HIGH`. */
  ALLOC_MIN_RESERVE: 0x20,
  /** Obey the cpuset. */
  ALLOC_CPUSET: 0x40,
  /** May use CMA pageblocks; no effect here. */
  ALLOC_CMA: 0x80,
  /** Do not break pageblocks of other migratetypes. */
  ALLOC_NOFRAGMENT: 0x100,
  /** May use the HIGHATOMIC lists first, and reserves a pageblock. */
  ALLOC_HIGHATOMIC: 0x200,
  /** May wake kswapd; the bit of `__GFP_KSWAPD_RECLAIM`. */
  ALLOC_KSWAPD: 0x800,
  /** May go below the watermark: OOM, NON_BLOCK, MIN_RESERVE, HIGHATOMIC. */
  ALLOC_RESERVES: 0x238,
} as const;

/**
 * NOFRAGMENT of the fast path: set when there is a DMA32 zone to turn to before a foreign pageblock
 * is broken. `zone` is the preferred one.
 * @kernel alloc_flags_nofragment (spec buddy 4.20)
 */
export function allocFlagsNofragment(state: BuddyState, zone: Zone, gfp: number): number {
  const flags = gfp & Gfp.__GFP_KSWAPD_RECLAIM;
  if (zone.index !== ZoneType.ZONE_NORMAL) return flags;
  const { nodes } = state.model;
  const dma32 = nodes[zone.node].zones[ZoneType.ZONE_DMA32];
  if (dma32.presentPages === 0 && severalNodesOnline(state)) return flags;
  return flags | AllocFlag.ALLOC_NOFRAGMENT;
}

/** Whether more than one node is online. @kernel nr_online_nodes */
export function severalNodesOnline(state: BuddyState): boolean {
  const { nodes } = state.model;
  let online = 0;
  for (let node = 0; node < nodes.length && online < 2; node++) {
    if (nodes[node].online) online++;
  }
  return online > 1;
}

/**
 * Flags of the first attempt of the slow path.
 * @kernel gfp_to_alloc_flags (spec buddy 4.20)
 */
export function gfpToAllocFlags(state: BuddyState, gfp: number, order: number): number {
  let flags = AllocFlag.ALLOC_WMARK_MIN | AllocFlag.ALLOC_CPUSET;
  flags |= gfp & (Gfp.__GFP_HIGH | Gfp.__GFP_KSWAPD_RECLAIM);
  const minReserve = (flags & AllocFlag.ALLOC_MIN_RESERVE) !== 0;
  if ((gfp & Gfp.__GFP_DIRECT_RECLAIM) !== 0) {
    if (state.task.rtTask && inTask(state.task)) flags |= AllocFlag.ALLOC_MIN_RESERVE;
    return flags;
  }
  if ((gfp & Gfp.__GFP_NOMEMALLOC) === 0) {
    flags |= AllocFlag.ALLOC_NON_BLOCK;
    if (order > 0 && minReserve) flags |= AllocFlag.ALLOC_HIGHATOMIC;
  }
  return minReserve ? flags & ~AllocFlag.ALLOC_CPUSET : flags;
}

/**
 * Reserves that the caller's context opens: 0 for none, else the flags that replace all others.
 * @kernel __gfp_pfmemalloc_flags (spec buddy 4.20)
 */
export function gfpPfmemallocFlags(state: BuddyState, gfp: number): number {
  if ((gfp & Gfp.__GFP_NOMEMALLOC) !== 0) return 0;
  if ((gfp & Gfp.__GFP_MEMALLOC) !== 0) return AllocFlag.ALLOC_NO_WATERMARKS;
  const { task } = state;
  if (task.inServingSoftirq && task.pfMemalloc) return AllocFlag.ALLOC_NO_WATERMARKS;
  if (task.inInterrupt || task.inServingSoftirq) return 0;
  if (task.pfMemalloc) return AllocFlag.ALLOC_NO_WATERMARKS;
  return task.oomVictim ? AllocFlag.ALLOC_OOM : 0;
}

/**
 * Mask of a request after the scope flags of the running task: no I/O, no file systems, no movable.
 * @kernel current_gfp_context (spec buddy 4.19)
 */
export function currentGfpContext(state: BuddyState, gfp: number): number {
  const { task } = state;
  let mask = gfp;
  if (task.pfMemallocNoio) mask &= ~(Gfp.__GFP_IO | Gfp.__GFP_FS);
  else if (task.pfMemallocNofs) mask &= ~Gfp.__GFP_FS;
  return task.pfMemallocPin ? mask & ~Gfp.__GFP_MOVABLE : mask;
}
