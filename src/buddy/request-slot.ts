import { gfpZone } from '../mm/gfp.ts';
import { NR_PCP_LISTS } from '../mm/pageset.ts';
import {
  NR_VM_EVENT_ITEMS,
  NR_VM_NUMA_EVENT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
  NumaStatItem,
  VmEvent,
  ZoneStatItem,
} from '../mm/vm-items.ts';
import type { MemoryNode, Zone } from '../mm/zone.ts';
import type { BuddyState } from './state.ts';

/**
 * What a request of a CPU, a node and a zone modifier begins with: the preferred zone, and where its
 * numbers lie in the arrays. Worked out once and used until the zonelist is replaced.
 */
export class RequestSlot {
  /** Zonelists of the node. */
  readonly zonelists: MemoryNode['zonelists'];
  /** The first of them when the slot was made. */
  readonly zonelist: readonly Zone[];
  /** First zone that the request may use. */
  readonly zone: Zone;
  /** Highest zone index that the request may use. */
  readonly highestZoneidx: number;
  /** Cell of the CPU's page set of the zone. */
  readonly cell: number;
  /** Head of list 0 of that page set. */
  readonly firstHead: number;
  /** Index of NR_FREE_PAGES in the zone counters. */
  readonly freeIndex: number;
  /** Index of PGALLOC of the zone in the events. */
  readonly allocIndex: number;
  /** Index of NUMA_HIT in the NUMA events. */
  readonly hitIndex: number;
  /** Index of NUMA_LOCAL or NUMA_OTHER in the NUMA events. */
  readonly localIndex: number;

  constructor(state: BuddyState, cpu: number, node: MemoryNode, zone: Zone, highest: number) {
    const { model, pagesets, vmstat } = state;
    const numa = (cpu * vmstat.zoneCount + zone.id) * NR_VM_NUMA_EVENT_ITEMS;
    const isLocal = zone.node === model.cpuNode[cpu];
    this.zonelists = node.zonelists;
    this.zonelist = node.zonelists[0];
    this.zone = zone;
    this.highestZoneidx = highest;
    this.cell = cpu * pagesets.zoneCount + zone.id;
    this.firstHead = pagesets.firstHead + this.cell * NR_PCP_LISTS;
    this.freeIndex = zone.id * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES;
    this.allocIndex = cpu * NR_VM_EVENT_ITEMS + VmEvent.pgalloc_dma + zone.index;
    this.hitIndex = numa + NumaStatItem.NUMA_HIT;
    this.localIndex = numa + (isLocal ? NumaStatItem.NUMA_LOCAL : NumaStatItem.NUMA_OTHER);
  }
}

/** Where the slot of a request is kept; 0 to 15 is the zone modifier, node -1 that of the CPU. */
export function slotIndex(state: BuddyState, gfp: number, node: number, cpu: number): number {
  return (cpu * state.slotStride + node + 1) * 16 + (gfp & 0xf);
}

/**
 * Works out the slot of a request and keeps it.
 * @param gfp the mask, whose zone modifier counts
 * @param node preferred node, -1 for that of the CPU; both exist
 */
export function rememberSlot(state: BuddyState, gfp: number, node: number, cpu: number): void {
  const { model, slots } = state;
  const index = slotIndex(state, gfp, node, cpu);
  const old = slots[index];
  if (old !== undefined && old.zonelists[0] === old.zonelist) return;
  const highest = gfpZone(gfp);
  const home = model.nodes[node === -1 ? model.cpuNode[cpu] : node];
  const zone = home.zonelists[0].find((candidate) => candidate.index <= highest);
  if (zone === undefined) {
    slots[index] = undefined;
    return;
  }
  slots[index] = new RequestSlot(state, cpu, home, zone, highest);
}
