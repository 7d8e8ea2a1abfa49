import { PageFlag } from '../mm/page-flags.ts';
import { buddyOrder, compoundHead, compoundOrder, isCompound } from '../mm/page-map.ts';
import type { Zone } from '../mm/zone.ts';
import { ZoneType } from '../mm/zone-types.ts';
import { isMovablePage } from './fallback.ts';
import type { BuddyState } from './state.ts';

/** How strict the isolation of pageblocks is. */
export const IsolateFlag = {
  /** For taking memory offline: hardware-poisoned pages may stay. */
  MEMORY_OFFLINE: 0x1,
  /** Failures are reported; no effect here. */
  REPORT_FAILURE: 0x2,
} as const;

/**
 * First page of a range, inside one pageblock, that could not be moved away.
 * @param flags bits of `IsolateFlag`
 * @returns its page frame, -1 for none
 * @kernel has_unmovable_pages (spec buddy 4.34)
 */
export function unmovablePage(
  state: BuddyState,
  zone: Zone,
  start: number,
  end: number,
  flags: number,
): number {
  let pfn = start;
  while (pfn < end) {
    const step = movablePages(state, zone, pfn, flags);
    if (step === 0) return pfn;
    pfn += step;
  }
  return -1;
}

/** Pages from `pfn` on that can be moved or are free, 0 for none. */
function movablePages({ map }: BuddyState, zone: Zone, pfn: number, flags: number): number {
  const word = map.flags[pfn];
  if (map.zone[pfn] === 0 || (word & PageFlag.PG_reserved) !== 0) return 0;
  if (zone.index === ZoneType.ZONE_MOVABLE) return 1;
  if (isCompound(map, pfn)) {
    const head = compoundHead(map, pfn);
    return isMovablePage(map, head) ? head + (1 << compoundOrder(map, head)) - pfn : 0;
  }
  if (map.refcount[pfn] === 0) {
    const order = buddyOrder(map, pfn);
    return order < 0 ? 1 : 1 << order;
  }
  const offline = (flags & IsolateFlag.MEMORY_OFFLINE) !== 0;
  if (offline && (word & PageFlag.PG_hwpoison) !== 0) return 1;
  return isMovablePage(map, pfn) ? 1 : 0;
}
