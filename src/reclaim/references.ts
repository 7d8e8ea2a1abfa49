import { PageFlag } from '../mm/page-flags.ts';
import { VmFlag } from './constants.ts';
import { hasMapping, isAnon, isFileLru } from './folio.ts';
import type { ReclaimState } from './state.ts';

/** What the use of a page says about its fate. @kernel enum page_references */
export const PageReferences = {
  /** Not used: reclaim it. */
  PAGEREF_RECLAIM: 0,
  /** Used once through a file: reclaim it if that costs no I/O. */
  PAGEREF_RECLAIM_CLEAN: 1,
  /** Used: give it another round. */
  PAGEREF_KEEP: 2,
  /** In use: make it active. */
  PAGEREF_ACTIVATE: 3,
} as const;

/**
 * How many mappings used a page, by the host; 0 without a mapping. Flags of the mappings are then in
 * `state.referencedResult`.
 * @kernel folio_referenced
 */
export function folioReferenced(
  state: ReclaimState,
  pfn: number,
  isLocked: boolean,
  cpu: number,
): number {
  const { map, referencedResult } = state;
  referencedResult.vmFlags = 0;
  if (map.mapcount[pfn] === 0) return 0;
  const flags = map.flags[pfn];
  if (!isAnon(flags) && !hasMapping(flags)) return 0;
  return state.host.referenced(pfn, isLocked, referencedResult, cpu);
}

/**
 * Judges a page by its use; PG_referenced is spent.
 * @returns a `PageReferences`
 * @kernel folio_check_references (spec reclaim 4.23)
 */
export function folioCheckReferences(state: ReclaimState, pfn: number, cpu: number): number {
  const { flags } = state.map;
  const referenced = folioReferenced(state, pfn, true, cpu);
  const { vmFlags } = state.referencedResult;
  const before = flags[pfn];
  const marked = (before & PageFlag.PG_referenced) !== 0;
  flags[pfn] = before & ~PageFlag.PG_referenced;
  if ((vmFlags & VmFlag.VM_LOCKED) !== 0) return PageReferences.PAGEREF_ACTIVATE;
  if (referenced === -1) return PageReferences.PAGEREF_KEEP;
  if (referenced > 0) {
    flags[pfn] |= PageFlag.PG_referenced;
    if (marked || referenced > 1) return PageReferences.PAGEREF_ACTIVATE;
    const executable = (vmFlags & VmFlag.VM_EXEC) !== 0 && isFileLru(before);
    return executable ? PageReferences.PAGEREF_ACTIVATE : PageReferences.PAGEREF_KEEP;
  }
  const clean = marked && isFileLru(before);
  return clean ? PageReferences.PAGEREF_RECLAIM_CLEAN : PageReferences.PAGEREF_RECLAIM;
}
