import { Gfp } from '../mm/gfp.ts';
import { inTask, type TaskContext } from '../mm/task.ts';
import { AllocFlag } from './constants.ts';

/**
 * Allocation flags of the slow path's attempts.
 * @kernel gfp_to_alloc_flags (spec slowpath-compaction 4.1)
 */
export function gfpToAllocFlags(gfp: number, order: number, task: TaskContext): number {
  let flags: number = AllocFlag.ALLOC_WMARK_MIN | AllocFlag.ALLOC_CPUSET;
  flags |= gfp & (Gfp.__GFP_HIGH | Gfp.__GFP_KSWAPD_RECLAIM);
  if ((gfp & Gfp.__GFP_DIRECT_RECLAIM) !== 0) {
    if (task.rtTask && inTask(task)) flags |= AllocFlag.ALLOC_MIN_RESERVE;
    return flags;
  }
  const reserve = (flags & AllocFlag.ALLOC_MIN_RESERVE) !== 0;
  if ((gfp & Gfp.__GFP_NOMEMALLOC) === 0) {
    flags |= AllocFlag.ALLOC_NON_BLOCK;
    if (order > 0 && reserve) flags |= AllocFlag.ALLOC_HIGHATOMIC;
  }
  if (reserve) flags &= ~AllocFlag.ALLOC_CPUSET;
  return flags;
}

/**
 * Flags that override the others for a caller that may use the reserves; 0 for any other.
 * @kernel __gfp_pfmemalloc_flags (spec slowpath-compaction 4.2)
 */
export function gfpPfmemallocFlags(gfp: number, task: TaskContext): number {
  if ((gfp & Gfp.__GFP_NOMEMALLOC) !== 0) return 0;
  if ((gfp & Gfp.__GFP_MEMALLOC) !== 0) return AllocFlag.ALLOC_NO_WATERMARKS;
  if (task.inServingSoftirq && task.pfMemalloc) return AllocFlag.ALLOC_NO_WATERMARKS;
  if (task.inInterrupt) return 0;
  if (task.pfMemalloc) return AllocFlag.ALLOC_NO_WATERMARKS;
  return task.oomVictim ? AllocFlag.ALLOC_OOM : 0;
}
