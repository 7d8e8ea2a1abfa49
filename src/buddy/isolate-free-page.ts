import { Migratetype, migratetypeIsMergeable } from '../mm/migratetype.ts';
import { pageblockMigratetype } from '../mm/page-map.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { modZoneState } from '../mm/vmstat.ts';
import { WatermarkIndex } from '../mm/zone.ts';
import { changePageblockMigratetype } from '../mm/zonelist.ts';
import { AllocFlag } from './alloc-flags.ts';
import { delPageFromFreeList } from './free-list.ts';
import { FreePageFlag, freeOnePage } from './merge.ts';
import type { BuddyState } from './state.ts';
import { zoneWatermarkOk } from './watermark.ts';

/**
 * Takes a whole free block off its list for compaction or a contiguous range, if the zone is not too
 * low on memory.
 * @param pfn first page frame of a free block of exactly `order`
 * @returns pages taken, 0 for none
 * @kernel __isolate_free_page (spec buddy 4.34)
 */
export function isolateFreePage(
  state: BuddyState,
  pfn: number,
  order: number,
  cpu: number,
): number {
  const { map } = state;
  const zone = state.zones[map.zone[pfn] - 1];
  if (pageblockMigratetype(map, pfn) !== Migratetype.MIGRATE_ISOLATE) {
    const mark = zone.watermark[WatermarkIndex.WMARK_MIN] + 2 ** order;
    if (!zoneWatermarkOk(state, zone, 0, mark, 0, AllocFlag.ALLOC_CMA)) return 0;
    modZoneState(state.vmstat, cpu, zone.id, ZoneStatItem.NR_FREE_PAGES, -(1 << order));
  }
  delPageFromFreeList(state.areas, pfn, zone.id, order);
  if (order >= state.pageblockOrder - 1) {
    const size = 1 << state.pageblockOrder;
    for (let page = pfn; page < pfn + (1 << order); page += size) {
      if (migratetypeIsMergeable(pageblockMigratetype(map, page))) {
        changePageblockMigratetype(state.model, page, Migratetype.MIGRATE_MOVABLE);
      }
    }
  }
  return 1 << order;
}

/**
 * Puts back what `isolateFreePage` took, to the tail of a list.
 * @kernel __putback_isolated_page (spec buddy 4.34)
 */
export function putbackIsolatedPage(
  state: BuddyState,
  pfn: number,
  order: number,
  migratetype: number,
  cpu: number,
): void {
  const fpi = FreePageFlag.FPI_TO_TAIL | FreePageFlag.FPI_SKIP_REPORT_NOTIFY;
  freeOnePage(state, pfn, state.map.zone[pfn] - 1, order, migratetype, fpi, cpu);
}
