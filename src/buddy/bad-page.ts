import { hex } from '../lib/units.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { PAGE_FLAGS_CHECK_AT_FREE, PAGE_FLAGS_MASK, PageFlag, PageMark } from '../mm/page-flags.ts';
import { formatPage } from '../mm/page-flags-text.ts';
import { buddyOrder, type PageMap } from '../mm/page-map.ts';
import type { BuddyState } from './state.ts';

/** Reports in one window of time; further ones are only counted. */
const REPORTS_PER_WINDOW = 60;
/** Length of the window in seconds. */
const WINDOW_SECONDS = 60;

/** What the kernel prints in place of a pointer before its hash key exists: pointers are not modelled. */
const POINTER = '(____ptrval____)';

/** Flags and marks that a page must not have when it is freed. */
const CHECK_AT_FREE: number = PAGE_FLAGS_CHECK_AT_FREE | PageMark.MAPPING;

/** How many bad pages were reported, for the limit on reports. */
export class BadPageReports {
  /** Reports in this window. */
  shown = 0;
  /** Reports suppressed in this window. */
  unshown = 0;
  /** Jiffy at which the window ends. */
  windowEnd = 0;
}

/** The kernel's description of a page, one line per element. @kernel dump_page (spec buddy 5.9) */
export function dumpPage(model: MemoryModel, pfn: number, reason: string): string[] {
  const { map } = model;
  const mapcount = buddyOrder(map, pfn) >= 0 ? -128 : map.mapcount[pfn];
  const mapping = (map.flags[pfn] & PageMark.MAPPING) !== 0 ? POINTER : '0000000000000000';
  const index = map.private[pfn] === 0 ? '0' : hex(map.private[pfn] >>> 0);
  const counts = `refcount:${map.refcount[pfn]} mapcount:${mapcount}`;
  return [
    `page:${POINTER} ${counts} mapping:${mapping} index:${index} pfn:${hex(pfn)}`,
    `flags: ${formatPage(model, pfn)}`,
    `page dumped because: ${reason}`,
  ];
}

/**
 * Reports a page that is in no state to be on a free list, and clears its map count. At most 60
 * reports in 60 seconds.
 * @kernel bad_page (spec buddy 5.9)
 */
export function badPage(state: BuddyState, pfn: number, reason: string): void {
  const { badPages: reports, log, task, model } = state;
  const now = state.hooks.jiffies?.() ?? 0;
  if (reports.shown >= REPORTS_PER_WINDOW && now < reports.windowEnd) {
    reports.unshown++;
    state.map.mapcount[pfn] = 0;
    return;
  }
  if (reports.shown >= REPORTS_PER_WINDOW) {
    if (reports.unshown > 0) {
      log?.(`BUG: Bad page state: ${reports.unshown} messages suppressed`);
      reports.unshown = 0;
    }
    reports.shown = 0;
  }
  if (reports.shown++ === 0) reports.windowEnd = now + WINDOW_SECONDS * model.hz;
  if (log !== null) {
    const number = pfn.toString(16).padStart(5, '0');
    log(`BUG: Bad page state in process ${task.comm}  pfn:${number}`);
    for (const line of dumpPage(model, pfn, reason)) log(line);
  }
  state.map.mapcount[pfn] = 0;
}

/** Why a page is bad, the last reason that applies; `flags` names what must be clear. */
function badReason(map: PageMap, pfn: number, mask: number, flags: string): string {
  let reason = '';
  if (map.mapcount[pfn] !== 0) reason = 'nonzero mapcount';
  if ((map.flags[pfn] & PageMark.MAPPING) !== 0) reason = 'non-NULL mapping';
  if (map.refcount[pfn] !== 0) reason = 'nonzero _refcount';
  if ((map.flags[pfn] & mask) !== 0) reason = `${flags} flag(s) set`;
  return reason;
}

/** Reports a page that must not be handed out; a hardware-poisoned one silently. @kernel check_new_page_bad */
export function badNewPage(state: BuddyState, pfn: number): void {
  if ((state.map.flags[pfn] & PageFlag.PG_hwpoison) !== 0) {
    state.map.mapcount[pfn] = 0;
    return;
  }
  badPage(state, pfn, badReason(state.map, pfn, PAGE_FLAGS_MASK, 'PAGE_FLAGS_CHECK_AT_PREP'));
}

/** Reports a page that must not be freed. @kernel free_page_is_bad_report */
export function badFreePage(state: BuddyState, pfn: number): void {
  const flags = 'PAGE_FLAGS_CHECK_AT_FREE';
  badPage(state, pfn, badReason(state.map, pfn, PAGE_FLAGS_CHECK_AT_FREE, flags));
}

/** Whether a page is in a state to be freed. @kernel page_expected_state (spec buddy 4.24) */
export function isFreeable(map: PageMap, pfn: number): boolean {
  return arePagesFreeable(map, pfn, pfn + 1);
}

/** Whether all pages of a range are in a state to be freed. */
export function arePagesFreeable(map: PageMap, start: number, end: number): boolean {
  const { flags, refcount, mapcount } = map;
  const mask = CHECK_AT_FREE;
  let used = 0;
  for (let page = start; page < end; page++) {
    used |= (flags[page] & mask) | refcount[page] | mapcount[page];
  }
  return used === 0;
}
