import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { type AllocContext, nextZoneref } from './alloc-context.ts';
import { AllocFlag, gfpPfmemallocFlags, gfpToAllocFlags } from './alloc-flags.ts';
import { BuddyError } from './errors.ts';
import type { BuddyState } from './state.ts';
import { wakeAllKswapds } from './wakeup.ts';
import { getPageFromFreelist } from './zone-walk.ts';

/** Starts the walk anew with what the request may use now. */
function resetPreferredZone(ac: AllocContext): void {
  ac.preferredZoneref = nextZoneref(ac.zonelist, 0, ac.highestZoneidx, ac.nodemask);
}

/**
 * The slow path as far as it needs no reclaim: kswapd is woken, the min watermark and the reserves
 * are tried. All there is for a request that cannot block; a request that can fails where the kernel
 * would begin to reclaim.
 * @returns first page frame of a prepared block, -1 for none
 * @throws BuddyError `WOULD_LOOP` for a blocking `__GFP_NOFAIL` request: the kernel would not return
 * @kernel __alloc_pages_slowpath (spec buddy 4.20)
 */
export function shortSlowPath(
  state: BuddyState,
  gfp: number,
  order: number,
  ac: AllocContext,
  cpu: number,
): number {
  let flags = gfpToAllocFlags(state, gfp, order);
  resetPreferredZone(ac);
  if (ac.preferredZoneref < ac.zonelist.length) {
    if ((flags & AllocFlag.ALLOC_KSWAPD) !== 0) wakeAllKswapds(state, gfp, order, ac);
    let pfn = getPageFromFreelist(state, gfp, order, flags, ac, cpu);
    if (pfn !== NIL) return pfn;
    if ((flags & AllocFlag.ALLOC_KSWAPD) !== 0) wakeAllKswapds(state, gfp, order, ac);
    const reserve = gfpPfmemallocFlags(state, gfp);
    if (reserve !== 0) flags = reserve | (flags & AllocFlag.ALLOC_KSWAPD);
    if (reserve !== 0 || (flags & AllocFlag.ALLOC_CPUSET) === 0) {
      ac.nodemask = null;
      resetPreferredZone(ac);
    }
    pfn = getPageFromFreelist(state, gfp, order, flags, ac, cpu);
    if (pfn !== NIL) return pfn;
  }
  if ((gfp & Gfp.__GFP_NOFAIL) !== 0 && (gfp & Gfp.__GFP_DIRECT_RECLAIM) !== 0) {
    throw new BuddyError(
      'WOULD_LOOP',
      'a request that must not fail found no page, and nothing that could reclaim is attached',
      { gfp, order },
    );
  }
  return NIL;
}
