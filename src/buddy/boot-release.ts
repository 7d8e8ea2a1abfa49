import { PageFlag } from '../mm/page-flags.ts';
import { type PageMap, pageblockMigratetype } from '../mm/page-map.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { wipeFreed } from './free-prepare.ts';
import { FreePageFlag, freeOnePage } from './merge.ts';
import type { BuddyState } from './state.ts';

/**
 * Hands a block of boot memory to the allocator: its pages lose their references and the reserved
 * flag, the zone manages 2^order pages more, the block goes to the tail of its list.
 * @param cpu CPU whose counters move
 * @param untouched the pages never had a reference or a flag, as RAM of a fresh page map: they are
 * not even looked at
 * @kernel __free_pages_core (spec buddy 4.25, memory-model 4.9)
 */
export function freePagesCore(
  state: BuddyState,
  pfn: number,
  order: number,
  cpu: number,
  untouched = false,
): void {
  const count = 1 << order;
  wipeFreed(state, pfn, count);
  if (!untouched) clearPages(state.map, pfn, count);
  const zone = state.map.zone[pfn] - 1;
  state.zones[zone].managedPages += count;
  state.trace?.mmPageFree?.(pfn, order);
  const migratetype = pageblockMigratetype(state.map, pfn);
  freeOnePage(state, pfn, zone, order, migratetype, FreePageFlag.FPI_TO_TAIL, cpu);
  countVmEvents(state.vmstat, cpu, VmEvent.pgfree, count);
}

function clearPages(map: PageMap, pfn: number, count: number): void {
  const { flags, private: owner, refcount } = map;
  owner[pfn] = 0;
  for (let page = pfn; page < pfn + count; page++) {
    // Only cells that hold something are written: untouched memory of the host stays untouched.
    if (refcount[page] !== 0) refcount[page] = 0;
    if (flags[page] !== 0) flags[page] &= PageFlag.PG_hwpoison;
  }
}
