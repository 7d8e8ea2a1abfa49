import { listDel } from '../lib/list.ts';
import { NIL } from '../lib/units.ts';
import { NR_PCP_LISTS } from '../mm/pageset.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import { zoneStatistics } from './numa-events.ts';
import { orderToPindex } from './pcp-index.ts';
import { rmqueueBulk } from './rmqueue-bulk.ts';
import type { BuddyState } from './state.ts';

/** Blocks that one refill of a per-CPU list asks for. @kernel nr_pcp_alloc (spec buddy 4.12) */
export function refillBlocks(batch: number, order: number): number {
  return batch > 1 ? Math.max(batch >> order, 2) : batch;
}

/**
 * Takes a block from a per-CPU list, which is filled first if it is empty.
 * @param cell cell of the CPU's page set of the zone
 * @returns first page frame, -1 for none
 * @kernel __rmqueue_pcplist (spec buddy 4.13 steps 3 and 4)
 */
export function takeFromPcplist(
  state: BuddyState,
  cell: number,
  zone: Zone,
  order: number,
  migratetype: number,
  allocFlags: number,
  cpu: number,
): number {
  const { pagesets, map } = state;
  const { next } = map;
  const head = pagesets.firstHead + cell * NR_PCP_LISTS + orderToPindex(migratetype, order);
  if (next[head] === head) {
    const blocks = refillBlocks(pagesets.batch[cell], order);
    const added = rmqueueBulk(state, zone, order, blocks, head, migratetype, allocFlags, cpu);
    pagesets.count[cell] += added << order;
    if (next[head] === head) return NIL;
  }
  const pfn = next[head];
  listDel(map, pfn);
  pagesets.count[cell] -= 1 << order;
  return pfn;
}

/**
 * Takes a block from the CPU's own list of a zone.
 * @returns first page frame, -1 for none
 * @kernel rmqueue_pcplist (spec buddy 4.13)
 */
export function rmqueuePcplist(
  state: BuddyState,
  preferred: Zone,
  zone: Zone,
  order: number,
  migratetype: number,
  allocFlags: number,
  cpu: number,
): number {
  const { pagesets, vmstat } = state;
  if (state.pcpContended?.(cpu, zone.id)) return NIL;
  const cell = cpu * pagesets.zoneCount + zone.id;
  pagesets.freeFactor[cell] >>= 1;
  const pfn = takeFromPcplist(state, cell, zone, order, migratetype, allocFlags, cpu);
  if (pfn === NIL) return NIL;
  countVmEvents(vmstat, cpu, VmEvent.pgalloc_dma + zone.index, 1 << order);
  zoneStatistics(state, preferred, zone, cpu, 1);
  return pfn;
}
