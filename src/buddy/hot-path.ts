import type { Pfn } from '../lib/units.ts';
import { NR_PCP_LISTS } from '../mm/pageset.ts';
import { NR_VM_EVENT_ITEMS, VmEvent } from '../mm/vm-items.ts';
import { BuddyOperations } from './operations.ts';
import { flushPageset } from './pcp-free.ts';
import type { BuddyState } from './state.ts';
import { hasSuitableBlock } from './watermark.ts';

// The two functions here are the general paths of alloc.ts and free.ts written out for the case that
// makes up nearly all calls: a per-CPU list that has a block, or takes one. They decide first and
// change nothing until they are sure; whatever is unusual goes the general way. So they may be left
// out at any time, which is how the tests compare the two ways.
//
// Rejected: helpers in place of the written-out list and counter steps (a third slower, V8 stops
// inlining at this size); reading zone and counters without the slot (40 % slower).

const PGFREE: number = VmEvent.pgfree;

/**
 * The two calls that make up nearly all of a load.
 */
export abstract class BuddyHotPath extends BuddyOperations {
  /**
   * Allocates a block of 2^order pages.
   * @param gfp the request's mask, bits of `Gfp`
   * @param order log2 of the number of pages; from 11 on nothing is that large
   * @param node preferred node, -1 for that of the CPU
   * @param cpu the CPU that asks
   * @returns first page frame, a multiple of 2^order; null when there is none
   * @throws BuddyError `BAD_REQUEST` for arguments that make no sense; `WOULD_LOOP` where the kernel
   * would wait for ever
   * @kernel alloc_pages_node, __alloc_pages (spec buddy 4.19)
   */
  allocPages(gfp: number, order: number, node = -1, cpu = 0): Pfn | null {
    const { state } = this;
    const { task, model, map, slotStride } = state;
    // Whole numbers in range only, so that no other slot is met; the general way checks the rest.
    if ((order & 3) !== order || (node + 1) >>> 0 >= slotStride || (node | 0) !== node) {
      return this.allocPagesGenerally(gfp, order, node, cpu);
    }
    const slot = state.slots[(cpu * slotStride + node + 1) * 16 + (gfp & 0xf)];
    if (
      slot === undefined ||
      state.shortcuts === 0 ||
      (gfp & state.unusualBits) !== 0 ||
      slot.zonelists[0] !== slot.zonelist ||
      model.mobilityDisabled !== false ||
      task.pfMemallocNoio !== false ||
      task.pfMemallocNofs !== false ||
      task.pfMemallocPin !== false
    ) {
      return this.allocPagesGenerally(gfp, order, node, cpu);
    }
    const { zone, cell } = slot;
    const { next } = map;
    const { vmstat, pagesets } = state;
    const head = slot.firstHead + 3 * order + ((gfp >> 3) & 3);
    const pfn = next[head];
    const mark = zone.watermark[1] + zone.watermarkBoost + zone.lowmemReserve[slot.highestZoneidx];
    const unusable = (1 << order) - 1 + zone.nrReservedHighatomic;
    if (
      pfn === head ||
      vmstat.zone[slot.freeIndex] - unusable <= mark ||
      (zone.flags & 1) !== 0 ||
      (order !== 0 && !hasSuitableBlock(state, zone.id, order, 0))
    ) {
      return this.allocPagesGenerally(gfp, order, node, cpu);
    }
    const second = next[pfn];
    next[head] = second;
    map.prev[second] = head;
    pagesets.freeFactor[cell] >>= 1;
    pagesets.count[cell] -= 1 << order;
    map.refcount[pfn] = 1;
    map.blockState[pfn] = 0x71 + order;
    vmstat.events[slot.allocIndex] += 1 << order;
    if (model.tunables.numaStat !== 0) {
      const { numa } = vmstat;
      numa[slot.hitIndex]++;
      numa[slot.localIndex]++;
    }
    return pfn as Pfn;
  }

  /**
   * Frees a block: drops its reference.
   * @param pfn what an allocation returned
   * @param order as in that call
   * @param cpu the CPU that frees
   * @throws BuddyError `DOUBLE_FREE`, `WRONG_ORDER`, `FOREIGN_PAGE`, `PAGE_ON_LIST`, before anything
   * changed
   * @kernel __free_pages (spec buddy 4.25)
   */
  freePages(pfn: number, order: number, cpu = 0): void {
    const { state } = this;
    const { map, pagesets } = state;
    const { blockState, refcount, next } = map;
    if (
      (order & 3) !== order ||
      cpu >>> 0 !== cpu ||
      cpu >= pagesets.cpuCount ||
      state.shortcuts === 0 ||
      blockState[pfn] !== 0x71 + order ||
      refcount[pfn] !== 1 ||
      map.flags[pfn] !== 0
    ) {
      this.freePagesGenerally(pfn, order, cpu);
      return;
    }
    const migratetype = map.pageblockFlags[pfn >> map.pageblockOrder] & 7;
    if (migratetype > 2 || (order !== 0 && !tailsAreClean(state, pfn, order))) {
      this.freePagesGenerally(pfn, order, cpu);
      return;
    }
    refcount[pfn] = 0;
    map.private[pfn] = 0;
    blockState[pfn] = (migratetype << 4) | 0xf;
    const zone = map.zone[pfn] - 1;
    const cell = cpu * pagesets.zoneCount + zone;
    const list = 3 * order + migratetype;
    const head = pagesets.firstHead + cell * NR_PCP_LISTS + list;
    const first = next[head];
    next[head] = pfn;
    next[pfn] = first;
    map.prev[pfn] = head;
    map.prev[first] = pfn;
    state.vmstat.events[cpu * NR_VM_EVENT_ITEMS + PGFREE] += 1 << order;
    const count = pagesets.count[cell] + (1 << order);
    pagesets.count[cell] = count;
    const owner = state.zones[zone];
    if (count >= pagesets.high[cell] || order !== 0 || (owner.flags & 2) !== 0) {
      flushPageset(state, owner, cell, order, list, cpu);
    }
  }

  /** The general way of `allocPages`. */
  protected abstract allocPagesGenerally(
    gfp: number,
    order: number,
    node: number,
    cpu: number,
  ): Pfn | null;

  /** The general way of `freePages`. */
  protected abstract freePagesGenerally(pfn: number, order: number, cpu: number): void;
}

/** Whether nobody left anything on the pages after the first. */
function tailsAreClean({ map }: BuddyState, pfn: number, order: number): boolean {
  const { flags, refcount, mapcount } = map;
  let used = 0;
  for (let page = pfn + 1; page < pfn + (1 << order); page++) {
    used |= flags[page] | refcount[page] | mapcount[page];
  }
  return used === 0;
}
