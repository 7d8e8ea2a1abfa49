import { PageFlag } from '../mm/page-flags.ts';
import { pageblockMigratetype } from '../mm/page-map.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { FreePageFlag, freeOnePage } from './merge.ts';
import type { BuddyState } from './state.ts';

/**
 * Hands a block of boot memory to the allocator: its pages lose their references and the reserved
 * flag, the zone manages 2^order pages more, the block goes to the tail of its list.
 * @param cpu CPU whose counters move
 * @kernel __free_pages_core (spec buddy 4.25)
 */
export function freePagesCore(state: BuddyState, pfn: number, order: number, cpu: number): void {
  const { refcount, flags, zone: zones } = state.map;
  const count = 1 << order;
  for (let page = pfn; page < pfn + count; page++) {
    // Only cells that hold something are written: untouched memory of the host stays untouched.
    if (refcount[page] !== 0) refcount[page] = 0;
    if (flags[page] !== 0) flags[page] &= ~PageFlag.PG_reserved;
  }
  const zone = zones[pfn] - 1;
  state.zones[zone].managedPages += count;
  state.trace?.mmPageFree?.(pfn, order);
  const migratetype = pageblockMigratetype(state.map, pfn);
  freeOnePage(state, pfn, zone, order, migratetype, FreePageFlag.FPI_TO_TAIL, cpu);
  countVmEvents(state.vmstat, cpu, VmEvent.pgfree, count);
}
