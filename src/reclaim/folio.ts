import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { LruList } from './constants.ts';

/** In the swap cache; the bit means so only together with PG_swapbacked. @kernel PG_swapcache */
export const PG_SWAPCACHE: number = PageFlag.PG_owner_priv_1;

const SWAPCACHE_BITS = PageFlag.PG_owner_priv_1 | PageFlag.PG_swapbacked;
const ANON_BITS = PageMark.MAPPING | PageMark.MAPPING_ANON;
const UNEVICTABLE_CAUSES = PageFlag.PG_mlocked | PageMark.MAPPING_UNEVICTABLE;

/** Whether a page with these flags lives on the file lists. @kernel folio_is_file_lru */
export function isFileLru(flags: number): boolean {
  return (flags & PageFlag.PG_swapbacked) === 0;
}

/** Kind of a page with these flags: 0 anonymous, 1 file. */
export function kindOf(flags: number): number {
  return (flags & PageFlag.PG_swapbacked) === 0 ? 1 : 0;
}

/** Whether a page with these flags belongs to an anonymous mapping. @kernel folio_test_anon */
export function isAnon(flags: number): boolean {
  return (flags & ANON_BITS) === ANON_BITS;
}

/** Whether a page with these flags is in the swap cache. @kernel folio_test_swapcache */
export function inSwapcache(flags: number): boolean {
  return (flags & SWAPCACHE_BITS) === SWAPCACHE_BITS;
}

/** Whether a page with these flags is in a page cache or in the swap cache. @kernel folio_mapping */
export function hasMapping(flags: number): boolean {
  if (inSwapcache(flags)) return true;
  return (flags & ANON_BITS) === PageMark.MAPPING;
}

/**
 * Whether nothing forbids to reclaim a page with these flags: about the cause, while PG_unevictable
 * is about where the page is.
 * @kernel folio_evictable (spec reclaim 2.3)
 */
export function isEvictable(flags: number): boolean {
  return (flags & UNEVICTABLE_CAUSES) === 0;
}

/** The LRU list on which a page with these flags belongs. @kernel folio_lru_list */
export function lruOf(flags: number): number {
  if ((flags & PageFlag.PG_unevictable) !== 0) return LruList.LRU_UNEVICTABLE;
  const active = (flags & PageFlag.PG_active) === 0 ? 0 : 1;
  return (flags & PageFlag.PG_swapbacked) === 0 ? LruList.LRU_INACTIVE_FILE + active : active;
}
