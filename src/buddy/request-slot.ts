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
  /** Node that is asked for, -1 for that of the CPU. */
  readonly node: number;
  /** Zonelists of the node. */
  readonly zonelists: MemoryNode['zonelists'];
  /** The first of them when the slot was made. */
  readonly zonelist: readonly Zone[];
  /** First zone that the request may use. */
  readonly zone: Zone;
  /** Highest zone index that the request may use. */
  highestZoneidx = 0;
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

  constructor(state: BuddyState, cpu: number, node: number, home: MemoryNode, zone: Zone) {
    const { model, pagesets, vmstat } = state;
    const numa = (cpu * vmstat.zoneCount + zone.id) * NR_VM_NUMA_EVENT_ITEMS;
    const isLocal = zone.node === model.cpuNode[cpu];
    this.node = node;
    this.zonelists = home.zonelists;
    this.zonelist = home.zonelists[0];
    this.zone = zone;
    this.cell = cpu * pagesets.zoneCount + zone.id;
    this.firstHead = pagesets.firstHead + this.cell * NR_PCP_LISTS;
    this.freeIndex = zone.id * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES;
    this.allocIndex = cpu * NR_VM_EVENT_ITEMS + VmEvent.pgalloc_dma + zone.index;
    this.hitIndex = numa + NumaStatItem.NUMA_HIT;
    this.localIndex = numa + (isLocal ? NumaStatItem.NUMA_LOCAL : NumaStatItem.NUMA_OTHER);
  }
}

/**
 * Where the page sets of a CPU take freed pages of a zone: the same for every free.
 */
export class FreeSlot {
  /** The zone. */
  readonly zone: Zone;
  /** Cell of the CPU's page set of the zone. */
  readonly cell: number;
  /** Head of list 0 of that page set. */
  readonly firstHead: number;
  /** Index of PGFREE in the events. */
  readonly freeIndex: number;

  constructor(state: BuddyState, cpu: number, zone: Zone) {
    const { pagesets } = state;
    this.zone = zone;
    this.cell = cpu * pagesets.zoneCount + zone.id;
    this.firstHead = pagesets.firstHead + this.cell * NR_PCP_LISTS;
    this.freeIndex = cpu * NR_VM_EVENT_ITEMS + VmEvent.pgfree;
  }
}

/**
 * Slots of all CPUs and zones, at `cpu * stride + zone id + 1`. The stride is odd, so that no CPU
 * number with a fraction finds one.
 */
export function makeFreeSlots(state: BuddyState, stride: number): (FreeSlot | undefined)[] {
  const slots = new Array<FreeSlot | undefined>(state.model.cpuCount * stride).fill(undefined);
  for (let cpu = 0; cpu < state.model.cpuCount; cpu++) {
    for (const zone of state.zones) {
      slots[cpu * stride + zone.id + 1] = new FreeSlot(state, cpu, zone);
    }
  }
  return slots;
}

/**
 * Works out the slot of a request and keeps it, at `cpu * stride + (node + 1) * 17 + zone modifier`.
 * Factor and stride are odd, so that no number with a fraction finds a slot; a number out of range
 * may find one of another node. Without short cuts nothing is kept.
 * @param gfp the mask, whose zone modifier counts
 * @param node preferred node, -1 for that of the CPU; both exist
 */
export function rememberSlot(state: BuddyState, gfp: number, node: number, cpu: number): void {
  const { model, requestSlots } = state;
  if (state.shortcuts === 0) return;
  const index = cpu * state.requestStride + (node + 1) * 17 + (gfp & 0xf);
  const old = requestSlots[index];
  if (old !== undefined && old.zonelists[0] === old.zonelist) return;
  const highest = gfpZone(gfp);
  const home = model.nodes[node === -1 ? model.cpuNode[cpu] : node];
  const zone = home.zonelists[0].find((candidate) => candidate.index <= highest);
  if (zone === undefined) {
    requestSlots[index] = undefined;
    return;
  }
  const slot = new RequestSlot(state, cpu, node, home, zone);
  slot.highestZoneidx = highest;
  requestSlots[index] = slot;
}
