import fc from 'fast-check';
import type { BuddyAllocator } from '../../src/buddy/index.ts';
import { H } from './reference-lists.ts';
import { idOf, recorder, world, type ZoneWorld } from './world.ts';

// Machines of all kinds to compare the two readings of spec buddy on.

/** What a machine is made from. */
export interface MachineSpec {
  readonly pageblockOrder: number;
  readonly nodes: number;
  readonly zones: readonly ('DMA32' | 'Normal' | 'Movable')[];
  /** Zones begin and end anywhere. */
  readonly ragged: boolean;
  readonly cpus: number;
  readonly batch: number;
  readonly spare: number;
  readonly threshold: number;
  /** Watermark in percent of a zone. */
  readonly mark: number;
  readonly boostFactor: number;
  readonly grouping: boolean;
  /** Drives what is free and which types pageblocks have. */
  readonly salt: number;
  readonly traced: boolean;
  /** Added to the orders of requests. */
  readonly lift: number;
}

const FIRST = 0x10000;

/** A number below `limit` that looks random. */
function mixed(salt: number, n: number, limit: number): number {
  return (Math.imul(salt + n, 0x9e3779b1) >>> 7) % limit;
}

function zoneWorld(
  spec: MachineSpec,
  node: number,
  name: 'DMA32' | 'Normal' | 'Movable',
  start: number,
  pages: number,
): ZoneWorld {
  const { salt, pageblockOrder } = spec;
  const size = 2 ** pageblockOrder;
  const types: Record<number, number> = {};
  const typeOf = (pfn: number): number => [1, 1, 0, 2, 1, H][mixed(salt, pfn >> pageblockOrder, 6)];
  const free: Record<string, number[]> = {};
  for (let block = start - (start % size); block < start + pages; block += size) {
    types[block] = typeOf(block);
  }
  for (let pfn = start; pfn < start + pages; ) {
    let order = mixed(salt, pfn, 3) === 0 ? mixed(salt, pfn + 7, 11) : 10;
    while (pfn % 2 ** order !== 0 || pfn + 2 ** order > start + pages) order--;
    const letter = 'UMEH'[mixed(salt, pfn + 3, 9) === 0 ? mixed(salt, pfn, 3) : typeOf(pfn)];
    // Every other block stays in use, so that no two buddies are free.
    const isFree = mixed(salt, pfn + 5, 4) > 0 && ((pfn >> order) & 1) === 0;
    if (isFree) free[`${letter}${order}`] = [...(free[`${letter}${order}`] ?? []), pfn];
    pfn += 2 ** order;
  }
  const min = Math.floor((pages * spec.mark) / 100);
  return { node, name, start, pages, watermark: [min, min + 20, min + 40], free, types };
}

/** A machine, and what its trace sink saw. */
export function machine(spec: MachineSpec): { buddy: BuddyAllocator; events: string[] } {
  const { trace, events } = recorder();
  const zones: ZoneWorld[] = [];
  let start = FIRST;
  for (let node = 0; node < spec.nodes; node++) {
    for (const name of spec.zones) {
      const pages = 2048 + (spec.ragged ? mixed(spec.salt, zones.length, 3000) : 0);
      zones.push(zoneWorld(spec, node, name, start, pages));
      start += pages;
    }
  }
  const buddy = world({
    zones,
    cpuNode: Array.from({ length: spec.cpus }, (_, cpu) => cpu % spec.nodes),
    pageblockOrder: spec.pageblockOrder,
    batch: spec.batch,
    high: 4 * spec.batch + spec.spare,
    threshold: spec.threshold,
    options: spec.traced ? { trace } : {},
  });
  buddy.model.mobilityDisabled = !spec.grouping;
  buddy.model.tunables.watermarkBoostFactor = spec.boostFactor;
  for (const zone of buddy.model.zones) {
    zone.lowmemReserve.set([0, 5, 10, 15]);
    const types = zones.find((each) => idOf(each.name ?? '', each.node) === zone.id)?.types ?? {};
    const reserved = Object.values(types).filter((type) => type === H).length;
    zone.nrReservedHighatomic = reserved << spec.pageblockOrder;
  }
  return { buddy, events };
}

export const specs: fc.Arbitrary<MachineSpec> = fc.record({
  pageblockOrder: fc.constantFrom(9, 10),
  nodes: fc.integer({ min: 1, max: 3 }),
  zones: fc.constantFrom(['Normal'], ['DMA32', 'Normal'], ['DMA32'], ['Normal', 'Movable']),
  ragged: fc.boolean(),
  cpus: fc.integer({ min: 1, max: 5 }),
  batch: fc.constantFrom(1, 2, 3, 7, 31),
  spare: fc.nat({ max: 30 }),
  threshold: fc.constantFrom(0, 2, 6, 20, 125),
  mark: fc.constantFrom(0, 1, 10, 25),
  boostFactor: fc.constantFrom(0, 15000),
  grouping: fc.constantFrom(true, true, true, false),
  salt: fc.nat(),
  traced: fc.boolean(),
  lift: fc.constantFrom(0, 0, 4, 6),
}) as fc.Arbitrary<MachineSpec>;
