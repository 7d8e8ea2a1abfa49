import type { Pfn } from '../lib/units.ts';
import { BuddyOperations } from './operations.ts';
import { flushPageset } from './pcp-free.ts';
import type { BuddyState } from './state.ts';
import { hasSuitableBlock } from './watermark.ts';

// What makes up nearly all calls: a per-CPU list that has a block, or takes one. The methods here are
// the general paths of alloc.ts and free.ts written out for that case. They decide first and change
// nothing until they are sure; whatever is unusual goes the general way. So the case may be left out
// at any time, which is how the tests compare the two ways.
//
// The code is long-winded because every word counts, at about 450 machine instructions for a pair of
// calls. Rejected, with the time of a pair: lists and counters by their helpers, 70 ns; zone and
// cells worked out for every call, 43 ns; this, 36 ns; the arrays as constants of a closure, 25 ns for
// the first machine of a process, but 45 ns for every other.

/** The two calls that make up nearly all of a load. */
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
    // A CPU or node that does not exist finds nothing here, and the general way complains.
    const slot = state.requestSlots[cpu * state.requestStride + (node + 1) * 17 + (gfp & 0xf)];
    if (order !== 0 || slot === undefined || (gfp & state.unusualBits) !== 0) {
      return this.allocLowOrder(gfp, order, node, cpu);
    }
    const { task, model } = state;
    const list = (gfp >> 3) & 3;
    if (
      slot.node !== node ||
      slot.zonelists[0] !== slot.zonelist ||
      model.mobilityDisabled !== false ||
      task.pfMemallocNoio !== false ||
      task.pfMemallocNofs !== false ||
      task.pfMemallocPin !== false ||
      list === 3
    ) {
      return this.allocPagesGenerally(gfp, 0, node, cpu);
    }
    const { zone, cell } = slot;
    const { map, vmstat, pagesets } = state;
    const { next } = map;
    const head = slot.firstHead + list;
    const pfn = next[head];
    const mark = zone.watermark[1] + zone.watermarkBoost + zone.lowmemReserve[slot.highestZoneidx];
    const free = vmstat.zone[slot.freeIndex] - zone.nrReservedHighatomic;
    if (pfn === head || free <= mark || (zone.flags & 1) !== 0) {
      return this.allocPagesGenerally(gfp, 0, node, cpu);
    }
    const second = next[pfn];
    next[head] = second;
    map.prev[second] = head;
    map.refcount[pfn] = 1;
    map.blockState[pfn] = 0x71;
    pagesets.freeFactor[cell] >>= 1;
    pagesets.count[cell]--;
    vmstat.events[slot.allocIndex]++;
    if (model.tunables.numaStat !== 0) {
      const { numa } = vmstat;
      numa[slot.hitIndex]++;
      numa[slot.localIndex]++;
    }
    return pfn as Pfn;
  }

  /** `allocPages` for the orders 1 to 3. */
  private allocLowOrder(gfp: number, order: number, node: number, cpu: number): Pfn | null {
    const { state } = this;
    const slot = state.requestSlots[cpu * state.requestStride + (node + 1) * 17 + (gfp & 0xf)];
    const list = (gfp >> 3) & 3;
    if (
      (order & 3) !== order ||
      order === 0 ||
      slot === undefined ||
      slot.node !== node ||
      (gfp & state.unusualBits) !== 0 ||
      slot.zonelists[0] !== slot.zonelist ||
      state.model.mobilityDisabled !== false ||
      hasScopes(state) ||
      list === 3
    ) {
      return this.allocPagesGenerally(gfp, order, node, cpu);
    }
    const { zone, cell } = slot;
    const { map, vmstat, pagesets } = state;
    const { next } = map;
    const head = slot.firstHead + 3 * order + list;
    const pfn = next[head];
    const mark = zone.watermark[1] + zone.watermarkBoost + zone.lowmemReserve[slot.highestZoneidx];
    const unusable = (1 << order) - 1 + zone.nrReservedHighatomic;
    if (
      pfn === head ||
      vmstat.zone[slot.freeIndex] - unusable <= mark ||
      (zone.flags & 1) !== 0 ||
      !hasSuitableBlock(state, zone.id, order, 0)
    ) {
      return this.allocPagesGenerally(gfp, order, node, cpu);
    }
    const second = next[pfn];
    next[head] = second;
    map.prev[second] = head;
    map.refcount[pfn] = 1;
    map.blockState[pfn] = 0x71 + order;
    pagesets.freeFactor[cell] >>= 1;
    pagesets.count[cell] -= 1 << order;
    vmstat.events[slot.allocIndex] += 1 << order;
    if (state.model.tunables.numaStat !== 0) {
      vmstat.numa[slot.hitIndex]++;
      vmstat.numa[slot.localIndex]++;
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
    const { map } = state;
    const { blockState, refcount } = map;
    const slot = state.freeSlots[cpu * state.freeSlotStride + map.zone[pfn]];
    if (
      slot === undefined ||
      order !== 0 ||
      blockState[pfn] !== 0x71 ||
      refcount[pfn] !== 1 ||
      map.flags[pfn] !== 0
    ) {
      this.freeLowOrder(pfn, order, cpu);
      return;
    }
    const list = map.pageblockFlags[pfn >> map.pageblockOrder] & 7;
    if (list > 2) {
      this.freePagesGenerally(pfn, 0, cpu);
      return;
    }
    refcount[pfn] = 0;
    map.private[pfn] = 0;
    blockState[pfn] = (list << 4) | 0xf;
    const { next, prev } = map;
    const { pagesets } = state;
    const { cell } = slot;
    const head = slot.firstHead + list;
    const first = next[head];
    next[head] = pfn;
    next[pfn] = first;
    prev[pfn] = head;
    prev[first] = pfn;
    state.vmstat.events[slot.freeIndex]++;
    const count = pagesets.count[cell] + 1;
    pagesets.count[cell] = count;
    if (count >= pagesets.high[cell] || (slot.zone.flags & 2) !== 0) {
      flushPageset(state, slot.zone, cell, 0, list, cpu);
    }
  }

  /** `freePages` for the orders 1 to 3. */
  private freeLowOrder(pfn: number, order: number, cpu: number): void {
    const { state } = this;
    const { map, pagesets } = state;
    const { blockState, refcount, next, prev } = map;
    const slot = state.freeSlots[cpu * state.freeSlotStride + map.zone[pfn]];
    const migratetype = map.pageblockFlags[pfn >> map.pageblockOrder] & 7;
    if (
      slot === undefined ||
      (order & 3) !== order ||
      order === 0 ||
      blockState[pfn] !== 0x71 + order ||
      refcount[pfn] !== 1 ||
      map.flags[pfn] !== 0 ||
      migratetype > 2 ||
      !tailsAreClean(state, pfn, order)
    ) {
      this.freePagesGenerally(pfn, order, cpu);
      return;
    }
    refcount[pfn] = 0;
    map.private[pfn] = 0;
    blockState[pfn] = (migratetype << 4) | 0xf;
    const list = 3 * order + migratetype;
    const head = slot.firstHead + list;
    const first = next[head];
    next[head] = pfn;
    next[pfn] = first;
    prev[pfn] = head;
    prev[first] = pfn;
    state.vmstat.events[slot.freeIndex] += 1 << order;
    pagesets.count[slot.cell] += 1 << order;
    flushPageset(state, slot.zone, slot.cell, order, list, cpu);
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

/** Whether the running task narrows the masks of its requests. */
function hasScopes({ task }: BuddyState): boolean {
  return task.pfMemallocNoio || task.pfMemallocNofs || task.pfMemallocPin;
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
