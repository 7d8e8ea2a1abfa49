import { BuddyAllocator } from '../../src/buddy/index.ts';
import { listAddTail, listToArray } from '../../src/lib/list.ts';
import { freeListHead, freeListToArray } from '../../src/mm/free-area.ts';
import { compactionFtrace, oomFtrace } from '../../src/mm/ftrace-compaction.ts';
import { MemoryModel } from '../../src/mm/memory-model.ts';
import { Migratetype } from '../../src/mm/migratetype.ts';
import {
  setAllocatedOrder,
  setBuddyOrder,
  setCompound,
  setPageblockMigratetype,
} from '../../src/mm/page-map.ts';
import { NR_PCP_LISTS, pagesetIndex, pcpListHead } from '../../src/mm/pageset.ts';
import { memoryPresent } from '../../src/mm/sections.ts';
import { NR_VM_ZONE_STAT_ITEMS, ZoneStatItem } from '../../src/mm/vm-items.ts';
import type { Zone } from '../../src/mm/zone.ts';
import { ZoneType, zoneId } from '../../src/mm/zone-types.ts';
import type { CompactionContext } from '../../src/slowpath/compaction-context.ts';
import {
  InstantLru,
  type MigrationHost,
  SlowPath,
  type SlowPathOptions,
} from '../../src/slowpath/index.ts';

/** What a page of a test world is at the start: `huge` starts a compound page of `freeOrder`. */
export type Kind = 'lru' | 'free' | 'fixed' | 'huge';

/** A machine of one zone whose every page a test chooses. */
export interface World {
  readonly model: MemoryModel;
  readonly zone: Zone;
  readonly buddy: BuddyAllocator;
  readonly lru: InstantLru;
  readonly slowPath: SlowPath;
  readonly ctx: CompactionContext;
  /** Tracepoints of compaction and OOM, `event: text`. */
  readonly events: string[];
  /** Migrations done, `from>to` in hex. */
  readonly moves: string[];
}

/** How a test world is made. */
export interface WorldOptions {
  readonly startPfn: number;
  readonly endPfn: number;
  /** min, low, high. */
  readonly watermark: readonly [number, number, number];
  /** What a page is. */
  readonly kind: (pfn: number) => Kind;
  /** Order of the block that starts at a free page or a compound one. Default 0. */
  readonly freeOrder?: (pfn: number) => number;
  /** Type of the pageblock that starts at a page. Default MOVABLE. */
  readonly blockType?: (pfn: number) => number;
  /** Pages of the per-CPU lists before they are flushed. Default: never. */
  readonly pcpHigh?: number;
  readonly pageblockOrder?: number;
  readonly host?: MigrationHost;
  /** More for the slow path. */
  readonly options?: Partial<SlowPathOptions>;
}

function setUpZone(model: MemoryModel, options: WorldOptions): Zone {
  const zone = model.zones[zoneId(0, ZoneType.ZONE_DMA32)];
  const node = model.nodes[0];
  const pages = options.endPfn - options.startPfn;
  zone.startPfn = options.startPfn;
  zone.spannedPages = pages;
  zone.presentPages = pages;
  zone.managedPages = pages;
  const [min, low, high] = options.watermark;
  zone.watermark.set([min, low, high, high]);
  zone.contiguous = true;
  node.startPfn = options.startPfn;
  node.presentPages = pages;
  node.spannedPages = pages;
  node.nrZones = 2;
  node.zonelists[0] = [zone];
  node.zonelists[1] = [zone];
  model.totalramPages = pages;
  return zone;
}

function setUpPages(model: MemoryModel, zone: Zone, options: WorldOptions, lru: InstantLru): void {
  const { map, areas, vmstat } = model;
  const { startPfn, endPfn, kind } = options;
  const typeOf = options.blockType ?? (() => Migratetype.MIGRATE_MOVABLE);
  map.zone.fill(zone.id + 1, startPfn, endPfn);
  memoryPresent(model.sections, { startPfn, endPfn, node: 0 });
  const step = 1 << map.pageblockOrder;
  for (let pfn = startPfn & -step; pfn < endPfn; pfn += step) {
    setPageblockMigratetype(map, pfn, typeOf(pfn));
  }
  let free = 0;
  for (let pfn = startPfn; pfn < endPfn; ) {
    const what = kind(pfn);
    const order = options.freeOrder?.(pfn) ?? 0;
    if (what === 'free') {
      setBuddyOrder(map, pfn, order);
      listAddTail(map, freeListHead(areas, zone.id, order, typeOf(pfn & -step)), pfn);
      areas.nrFree[zone.id * 11 + order]++;
      free += 1 << order;
      pfn += 1 << order;
      continue;
    }
    if (what === 'huge') {
      map.refcount[pfn] = 1;
      setCompound(map, pfn, order);
      pfn += 1 << order;
      continue;
    }
    map.refcount[pfn] = 1;
    setAllocatedOrder(map, pfn, 0);
    if (what === 'lru') lru.register(pfn);
    pfn++;
  }
  vmstat.zone[zone.id * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES] = free;
}

/** Makes a world as the worked examples of the specification assume it. */
export function createWorld(options: WorldOptions): World {
  const { pageblockOrder = 9 } = options;
  const model = new MemoryModel({ endPfn: options.endPfn + 1024, pageblockOrder });
  const zone = setUpZone(model, options);
  const lru = new InstantLru(model);
  setUpPages(model, zone, options, lru);
  const high = options.pcpHigh ?? 1_000_000;
  model.pagesets.high.fill(high);
  model.pagesets.batch.fill(1);
  const buddy = new BuddyAllocator(model);
  const events: string[] = [];
  const moves: string[] = [];
  const emit = (event: string, text: string): void => {
    events.push(`${event}: ${text}`);
  };
  const host: MigrationHost = {
    ...options.host,
    migrate(from, to, mode) {
      const outcome = options.host?.migrate?.(from, to, mode) ?? 0;
      if (outcome === 0) moves.push(`${from.toString(16)}>${to.toString(16)}`);
      return outcome;
    },
  };
  const slowPath = new SlowPath({
    model,
    pages: buddy,
    lru,
    host,
    task: buddy.task,
    trace: { ...compactionFtrace(emit), ...oomFtrace(emit) },
    ...options.options,
  });
  buddy.slowPath = slowPath;
  return { model, zone, buddy, lru, slowPath, ctx: slowPath.state.compaction, events, moves };
}

/**
 * What is wrong with the ownership of page frames: every frame of every zone must be on one free
 * list, on one per-CPU list, or in one block that somebody claims.
 * @param claimed blocks in use, [first page frame, order]
 */
export function wrongOwners(
  model: MemoryModel,
  claimed: Iterable<readonly [pfn: number, order: number]>,
): string[] {
  const { areas, map, pagesets, zones } = model;
  const owners = new Uint8Array(map.endPfn);
  const claim = (pfn: number, order: number): void => {
    for (let page = pfn; page < pfn + (1 << order); page++) owners[page]++;
  };
  for (const zone of zones) {
    for (let order = 0; order < 11; order++) {
      for (let type = 0; type < 5; type++) {
        for (const pfn of freeListToArray(areas, zone.id, order, type)) claim(pfn, order);
      }
    }
    for (let cpu = 0; cpu < model.cpuCount; cpu++) {
      const cell = pagesetIndex(pagesets, cpu, zone.id);
      for (let list = 0; list < NR_PCP_LISTS; list++) {
        const order = list < 12 ? Math.floor(list / 3) : map.pageblockOrder;
        for (const pfn of listToArray(map, pcpListHead(pagesets, cell, list))) claim(pfn, order);
      }
    }
  }
  for (const [pfn, order] of claimed) claim(pfn, order);
  const wrong: string[] = [];
  for (let pfn = 0; pfn < map.endPfn; pfn++) {
    const expected = map.zone[pfn] === 0 ? 0 : 1;
    if (owners[pfn] !== expected) wrong.push(`page frame ${pfn} has ${owners[pfn]} owners`);
  }
  return wrong;
}

/** The blocks in use of a world in which nothing was allocated but by the start and by `more`. */
export function claimedOf(
  { lru }: World,
  { kind, freeOrder, startPfn, endPfn }: WorldOptions,
  more: readonly (readonly [number, number])[] = [],
): (readonly [number, number])[] {
  const claimed: (readonly [number, number])[] = lru.pages.map((pfn) => [pfn, 0]);
  for (let pfn = startPfn; pfn < endPfn; ) {
    const what = kind(pfn);
    const order = what === 'free' || what === 'huge' ? (freeOrder?.(pfn) ?? 0) : 0;
    if (what === 'fixed' || what === 'huge') claimed.push([pfn, order]);
    pfn += 1 << order;
  }
  return [...claimed, ...more];
}
