import { NIL } from '../lib/units.ts';
import { NR_PCP_LISTS } from '../mm/pageset.ts';
import { NR_VM_EVENT_ITEMS, VmEvent } from '../mm/vm-items.ts';
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

/** Requests with these bits go the general way: WRITE, THISNODE, COMP, and both mobilities. */
const UNUSUAL = 0x241000;
const PGFREE: number = VmEvent.pgfree;

/**
 * Allocates a block of order 0 to 3 if the CPU's list of the preferred zone has one, the watermark is
 * met, and nothing else is asked for.
 * @param node preferred node, -1 for that of the CPU
 * @returns first page frame, -1 if the general way must be gone; then nothing has changed
 */
export function allocFromPcp(
  state: BuddyState,
  gfp: number,
  order: number,
  node: number,
  cpu: number,
): number {
  const { task, model, pagesets, map, vmstat } = state;
  // Whole numbers in range only, so that no other slot is met; the rest is checked by the caller.
  if ((order & 3) !== order || (node + 1) >>> 0 >= state.slotStride || (node | 0) !== node)
    return NIL;
  const slot = state.slots[(cpu * state.slotStride + node + 1) * 16 + (gfp & 0xf)];
  if (slot === undefined || state.shortcuts === 0 || (gfp & UNUSUAL) !== 0) return NIL;
  if (slot.node.zonelists[0] !== slot.zonelist || model.mobilityDisabled !== false) return NIL;
  if (task.pfMemallocNoio !== false || task.pfMemallocNofs !== false) return NIL;
  if (task.pfMemallocPin !== false || (state.memory !== null && (gfp & 0x100) !== 0)) return NIL;
  const { zone, cell } = slot;
  const { next } = map;
  const head = slot.firstHead + 3 * order + ((gfp >> 3) & 3);
  const pfn = next[head];
  const mark = zone.watermark[1] + zone.watermarkBoost + zone.lowmemReserve[slot.highestZoneidx];
  const unusable = (1 << order) - 1 + zone.nrReservedHighatomic;
  if (pfn === head || vmstat.zone[slot.freeIndex] - unusable <= mark) return NIL;
  if ((zone.flags & 1) !== 0) return NIL;
  if (order !== 0 && !hasSuitableBlock(state, zone.id, order, 0)) return NIL;
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
  return pfn;
}

/**
 * Frees a block to the CPU's list if it was handed out with that order, has no other holder and bears
 * no traces of use.
 * @returns whether it did; if not, nothing has changed
 */
export function freeToPcp(state: BuddyState, pfn: number, order: number, cpu: number): boolean {
  const { map, pagesets } = state;
  const { blockState, refcount, next } = map;
  if ((order & 3) !== order || cpu >>> 0 !== cpu || cpu >= pagesets.cpuCount) return false;
  if (state.shortcuts === 0 || blockState[pfn] !== 0x71 + order) return false;
  if (refcount[pfn] !== 1 || map.flags[pfn] !== 0) return false;
  const migratetype = map.pageblockFlags[pfn >> map.pageblockOrder] & 7;
  if (migratetype > 2 || (order !== 0 && !tailsAreClean(state, pfn, order))) return false;
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
  const reclaiming = (state.zones[zone].flags & 2) !== 0;
  if (count >= pagesets.high[cell] || order !== 0 || reclaiming) {
    flushPageset(state, state.zones[zone], cell, order, list, cpu);
  }
  return true;
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
