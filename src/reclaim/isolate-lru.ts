import { PageFlag } from '../mm/page-flags.ts';
import { folioAddLru } from './batch.ts';
import { lruvecDelFolio } from './lru.ts';
import { folioPut } from './release.ts';
import type { ReclaimState } from './state.ts';

/** What isolating a page answers when it is on no list. @kernel EBUSY */
const EBUSY = 16;

/**
 * Takes a page off its LRU list, with a reference. PG_active and PG_unevictable stay as they are;
 * NR_ISOLATED_ANON and NR_ISOLATED_FILE are the caller's business.
 * @returns 0, or -16 when the page is on no list
 * @kernel folio_isolate_lru (spec reclaim 4.30)
 */
export function folioIsolateLru(state: ReclaimState, pfn: number, cpu: number): number {
  const { map } = state;
  if ((map.flags[pfn] & PageFlag.PG_lru) === 0) return -EBUSY;
  map.flags[pfn] &= ~PageFlag.PG_lru;
  map.refcount[pfn]++;
  lruvecDelFolio(state, pfn, cpu);
  return 0;
}

/**
 * Gives an isolated page back: it returns through this CPU's batch.
 * @kernel folio_putback_lru (spec reclaim 4.30)
 */
export function folioPutbackLru(state: ReclaimState, pfn: number, cpu: number): void {
  folioAddLru(state, pfn, cpu);
  folioPut(state, pfn, cpu);
}
