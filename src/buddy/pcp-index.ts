import { Migratetype } from '../mm/migratetype.ts';
import { NR_LOWORDER_PCP_LISTS } from '../mm/pageset.ts';
import type { BuddyState } from './state.ts';

/** Largest order that is not costly; up to it there are per-CPU lists. */
export const PAGE_ALLOC_COSTLY_ORDER = 3;

/** Whether blocks of an order go through per-CPU lists. @kernel pcp_allowed_order (spec buddy 2.4) */
export function pcpAllowedOrder(state: BuddyState, order: number): boolean {
  return order <= PAGE_ALLOC_COSTLY_ORDER || (state.thp && order === state.pageblockOrder);
}

/**
 * List of a per-CPU page set for blocks of an order and type (0 to 2).
 * @kernel order_to_pindex (spec buddy 2.4)
 */
export function orderToPindex(migratetype: number, order: number): number {
  if (order <= PAGE_ALLOC_COSTLY_ORDER) return 3 * order + migratetype;
  return NR_LOWORDER_PCP_LISTS + (migratetype === Migratetype.MIGRATE_MOVABLE ? 1 : 0);
}

/** Order of the blocks on a list of a per-CPU page set. @kernel pindex_to_order (spec buddy 2.4) */
export function pindexToOrder(state: BuddyState, pindex: number): number {
  return pindex < NR_LOWORDER_PCP_LISTS ? Math.floor(pindex / 3) : state.pageblockOrder;
}
