import {
  BuddyAllocator,
  type BuddyOptions,
  type BuddyState,
  checkInvariants,
} from '../../src/buddy/index.ts';
import { listAddTail, listToArray } from '../../src/lib/list.ts';
import { MAX_ORDER } from '../../src/lib/units.ts';
import { freeListHead, freeListToArray } from '../../src/mm/free-area.ts';
import { MemoryModel } from '../../src/mm/memory-model.ts';
import { MIGRATETYPE_LETTERS, Migratetype } from '../../src/mm/migratetype.ts';
import { setBuddyOrder, setPageblockMigratetype } from '../../src/mm/page-map.ts';
import { pagesetIndex, pcpListHead, writePagesets } from '../../src/mm/pageset.ts';
import { memoryPresent } from '../../src/mm/sections.ts';
import type { TraceSink } from '../../src/mm/trace.ts';
import { NR_VM_ZONE_STAT_ITEMS } from '../../src/mm/vm-items.ts';
import { ZONE_NAMES, zoneId } from '../../src/mm/zone-types.ts';
import { buildAllZonelists } from '../../src/mm/zonelist.ts';

/** A zone of a test: page frames in use but for the free blocks that are named. */
export interface ZoneWorld {
  readonly node?: number;
  readonly name?: 'DMA' | 'DMA32' | 'Normal' | 'Movable';
  readonly start: number;
  readonly pages: number;
  /** Default: all pages. */
  readonly managed?: number;
  /** min, low, high. Default: 0. */
  readonly watermark?: readonly [number, number, number];
  /** Free blocks by list, e.g. `{ M10: [0x10000] }`, in list order from the head. */
  readonly free?: Readonly<Record<string, readonly number[]>>;
  /** Pageblock types other than movable, by first page frame. */
  readonly types?: Readonly<Record<number, number>>;
}

export interface World {
  readonly zones: readonly ZoneWorld[];
  readonly cpuNode?: readonly number[];
  readonly pageblockOrder?: number;
  /** Of all per-CPU lists. Default 1 and 0: every page passes through. */
  readonly batch?: number;
  readonly high?: number;
  /** Of all counters. Default 0: exact. */
  readonly threshold?: number;
  readonly options?: BuddyOptions;
}

/** A machine in the state that a worked example begins with. */
export function world(spec: World): BuddyAllocator {
  const { zones, cpuNode = [0], pageblockOrder = 9 } = spec;
  const model = new MemoryModel({
    endPfn: Math.max(...zones.map(({ start, pages }) => start + pages)),
    nodeCount: 1 + Math.max(...zones.map(({ node = 0 }) => node), ...cpuNode),
    cpuNode,
    pageblockOrder,
    listHeads: 4096,
  });
  for (const zone of zones) addZone(model, zone, spec);
  buildAllZonelists(model);
  model.mobilityDisabled = false;
  model.vmstat.zoneThreshold.fill(spec.threshold ?? 0);
  return new BuddyAllocator(model, spec.options);
}

function addZone(model: MemoryModel, spec: ZoneWorld, { batch = 1, high = 0 }: World): void {
  const { node: nodeId = 0, name = 'Normal', start, pages, managed = pages } = spec;
  const node = model.nodes[nodeId];
  const zone = node.zones[ZONE_NAMES.indexOf(name)];
  zone.startPfn = start;
  zone.spannedPages = pages;
  zone.presentPages = pages;
  zone.managedPages = managed;
  zone.watermark.set(spec.watermark ?? [0, 0, 0]);
  zone.pagesetHigh = high;
  zone.pagesetBatch = batch;
  node.presentPages += pages;
  model.map.zone.fill(zone.id + 1, start, start + pages);
  model.map.refcount.fill(1, start, start + pages);
  memoryPresent(model.sections, { startPfn: start, endPfn: start + pages, node: nodeId });
  const size = 1 << model.map.pageblockOrder;
  for (let pfn = start & -size; pfn < start + pages; pfn += size) {
    setPageblockMigratetype(model.map, pfn, spec.types?.[pfn] ?? Migratetype.MIGRATE_MOVABLE);
  }
  writePagesets(model.pagesets, zone, high, batch);
  for (const [list, pfns] of Object.entries(spec.free ?? {})) {
    const type = MIGRATETYPE_LETTERS.indexOf(list[0]);
    const order = Number(list.slice(1));
    for (const pfn of pfns) addFreeBlock(model, zone.id, pfn, order, type);
  }
}

/** Puts a block on the tail of a free list, as if it had always been there. */
function addFreeBlock(
  { map, areas, vmstat }: MemoryModel,
  zone: number,
  pfn: number,
  order: number,
  type: number,
): void {
  listAddTail(map, freeListHead(areas, zone, order, type), pfn);
  setBuddyOrder(map, pfn, order);
  map.refcount.fill(0, pfn, pfn + (1 << order));
  areas.nrFree[zone * MAX_ORDER + order]++;
  vmstat.zone[zone * NR_VM_ZONE_STAT_ITEMS] += 1 << order;
}

/** Id of a zone by name. */
export function idOf(name: string, node = 0): number {
  return zoneId(node, ZONE_NAMES.indexOf(name));
}

/** The free lists of a zone that hold something, in the notation of the specification, e.g. `M3 [10008]`. */
export function freeLists({ state }: BuddyAllocator, zone: number = idOf('Normal')): string[] {
  const lines: string[] = [];
  for (let type = 0; type < MIGRATETYPE_LETTERS.length; type++) {
    for (let order = 0; order < MAX_ORDER; order++) {
      const pfns = freeListToArray(state.areas, zone, order, type);
      if (pfns.length > 0) lines.push(`${MIGRATETYPE_LETTERS[type]}${order} ${hexList(pfns)}`);
    }
  }
  return lines;
}

/** A per-CPU list, e.g. `[10003 10004]`. */
export function pcpList(
  { state }: BuddyAllocator,
  list: number,
  cpu = 0,
  zone: number = idOf('Normal'),
): string {
  const cell = pagesetIndex(state.pagesets, cpu, zone);
  return hexList(listToArray(state.map, pcpListHead(state.pagesets, cell, list)));
}

function hexList(pfns: readonly number[]): string {
  return `[${pfns.map((pfn) => pfn.toString(16)).join(' ')}]`;
}

/** Count, free_factor of a per-CPU set. */
export function pcpNumbers(
  { state }: BuddyAllocator,
  cpu = 0,
  zone: number = idOf('Normal'),
): { count: number; factor: number } {
  const cell = pagesetIndex(state.pagesets, cpu, zone);
  return { count: state.pagesets.count[cell], factor: state.pagesets.freeFactor[cell] };
}

/** NR_FREE_PAGES: zone value, then the differences of all CPUs. */
export function freeCounter({ state }: BuddyAllocator, zone: number = idOf('Normal')): number[] {
  const { vmstat } = state;
  const differences = Array.from(
    { length: vmstat.cpuCount },
    (_, cpu) => vmstat.zoneDiff[(cpu * vmstat.zoneCount + zone) * NR_VM_ZONE_STAT_ITEMS],
  );
  return [vmstat.zone[zone * NR_VM_ZONE_STAT_ITEMS], ...differences];
}

/** A trace sink that writes every event down as one string. */
export function recorder(): { trace: TraceSink; events: string[] } {
  const events: string[] = [];
  const hex = (pfn: number): string => (pfn < 0 ? 'none' : pfn.toString(16));
  const trace: TraceSink = {
    mmPageAlloc: (pfn, order, gfp, type) =>
      events.push(`alloc ${hex(pfn)} ${order} ${gfp.toString(16)} ${type}`),
    mmPageFree: (pfn, order) => events.push(`free ${hex(pfn)} ${order}`),
    mmPageFreeBatched: (pfn) => events.push(`batched ${hex(pfn)}`),
    mmPageAllocZoneLocked: (pfn, order, type, refill) =>
      events.push(`locked ${hex(pfn)} ${order} ${type} ${refill}`),
    mmPagePcpuDrain: (pfn, order, type) => events.push(`drain ${hex(pfn)} ${order} ${type}`),
    mmPageAllocExtfrag: (pfn, alloc, fallback, type, from, owns) =>
      events.push(`extfrag ${hex(pfn)} ${alloc} ${fallback} ${type} ${from} ${owns}`),
    testPagesIsolated: (start, end, fin) =>
      events.push(`isolated ${hex(start)} ${hex(end)} ${hex(fin)}`),
  };
  return { trace, events };
}

/** Broken rules as one string each. */
export function brokenRules(state: BuddyState): string[] {
  return checkInvariants(state).map(({ rule, message }) => `${rule} ${message}`);
}

/** What `call` throws: the code of the error, or `nothing`. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return 'nothing';
}
