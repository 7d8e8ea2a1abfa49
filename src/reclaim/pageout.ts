import { PageFlag } from '../mm/page-flags.ts';
import { NodeStatItem, VmEvent } from '../mm/vm-items.ts';
import { countVmEvents, modNodeState } from '../mm/vmstat.ts';
import { AOP_WRITEPAGE_ACTIVATE } from './constants.ts';
import { hasMapping, inSwapcache, isFileLru } from './folio.ts';
import { nodeOf } from './lru.ts';
import { detachPrivate, folioFreeSwap } from './remove-mapping.ts';
import type { ReclaimState } from './state.ts';
import { folioClearDirtyForIo, folioMarkDirty } from './writeback.ts';

/** What came of writing a page. @kernel pageout_t */
export const PageoutResult = {
  /** It stays inactive. */
  PAGE_KEEP: 0,
  /** It becomes active. */
  PAGE_ACTIVATE: 1,
  /** It was handed to the file system. */
  PAGE_SUCCESS: 2,
  /** It was clean after all. */
  PAGE_CLEAN: 3,
} as const;

/**
 * Writes a dirty page out, through the host.
 * @returns a `PageoutResult`
 * @kernel pageout (spec reclaim 4.23)
 */
export function pageout(state: ReclaimState, pfn: number, gfp: number, cpu: number): number {
  const { host, map } = state;
  const flags = map.flags[pfn];
  const isPrivate = (flags & PageFlag.PG_private) !== 0;
  if (map.refcount[pfn] - (isPrivate ? 1 : 0) !== 2) return PageoutResult.PAGE_KEEP;
  if (!hasMapping(flags)) {
    if (!isPrivate || !host.releaseFolio(pfn, gfp)) return PageoutResult.PAGE_KEEP;
    detachPrivate(state, pfn);
    map.flags[pfn] &= ~PageFlag.PG_dirty;
    return PageoutResult.PAGE_CLEAN;
  }
  const swapcache = inSwapcache(flags);
  if (!swapcache && !host.hasWritepage(pfn)) return PageoutResult.PAGE_ACTIVATE;
  if (!folioClearDirtyForIo(state, pfn, cpu)) return PageoutResult.PAGE_CLEAN;
  map.flags[pfn] |= PageFlag.PG_reclaim;
  const result = swapcache ? swapWritepage(state, pfn, cpu) : callWritepage(state, pfn, cpu);
  if (result === AOP_WRITEPAGE_ACTIVATE) {
    map.flags[pfn] &= ~PageFlag.PG_reclaim;
    return PageoutResult.PAGE_ACTIVATE;
  }
  if ((map.flags[pfn] & PageFlag.PG_writeback) === 0) map.flags[pfn] &= ~PageFlag.PG_reclaim;
  state.trace?.mmVmscanWriteFolio?.(pfn, isFileLru(map.flags[pfn]));
  modNodeState(state.vm, cpu, nodeOf(state, pfn), NodeStatItem.nr_vmscan_write, 1);
  return PageoutResult.PAGE_SUCCESS;
}

function callWritepage(state: ReclaimState, pfn: number, cpu: number): number {
  try {
    return state.host.writepage(pfn, cpu);
  } catch (error) {
    // Nothing was written: the page is as dirty as it was.
    state.map.flags[pfn] &= ~PageFlag.PG_reclaim;
    folioMarkDirty(state, pfn, cpu);
    throw error;
  }
}

/** Writes a page to its swap slot, unless nobody needs the slot. @kernel swap_writepage (spec reclaim 4.23) */
function swapWritepage(state: ReclaimState, pfn: number, cpu: number): number {
  if (folioFreeSwap(state, pfn, cpu)) return 0;
  countVmEvents(state.vm, cpu, VmEvent.pswpout, 1);
  return callWritepage(state, pfn, cpu);
}
