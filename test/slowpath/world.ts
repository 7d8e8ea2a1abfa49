import { BuddyAllocator } from '../../src/buddy/index.ts';
import { listAdd, listAddTail, listDel } from '../../src/lib/list.ts';
import { freeListHead } from '../../src/mm/free-area.ts';
import { compactionFtrace, oomFtrace } from '../../src/mm/ftrace-compaction.ts';
import { MemoryModel } from '../../src/mm/memory-model.ts';
import { Migratetype } from '../../src/mm/migratetype.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import {
  setAllocatedOrder,
  setBuddyOrder,
  setPageblockMigratetype,
} from '../../src/mm/page-map.ts';
import { memoryPresent } from '../../src/mm/sections.ts';
import { defaultTask } from '../../src/mm/task.ts';
import { NR_VM_ZONE_STAT_ITEMS, ZoneStatItem } from '../../src/mm/vm-items.ts';
import type { Zone } from '../../src/mm/zone.ts';
import { ZoneType, zoneId } from '../../src/mm/zone-types.ts';
import type { CompactionContext } from '../../src/slowpath/compaction-context.ts';
import type { CompactionLru, MigrationHost } from '../../src/slowpath/types.ts';
import { createZoneCompaction } from '../../src/slowpath/zone-state.ts';

/** What a page of a test world is at the start. */
export type Kind = 'lru' | 'free' | 'fixed';

/** A machine of one zone whose every page a test chooses. */
export interface World {
  readonly model: MemoryModel;
  readonly zone: Zone;
  readonly buddy: BuddyAllocator;
  readonly ctx: CompactionContext;
  /** Tracepoints of compaction, `event: text`. */
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
  /** Order of the free block that starts at a free page. Default 0. */
  readonly freeOrder?: (pfn: number) => number;
  /** Pages of the per-CPU lists before they are flushed. Default: never. */
  readonly pcpHigh?: number;
  readonly host?: Partial<MigrationHost>;
}

/** LRU without batches: what is put back is on the list at once (spec slowpath-compaction 4.34). */
function instantLru(model: MemoryModel): CompactionLru {
  const { map } = model;
  const head = map.addListHeads(1);
  return {
    lruvecDelFolio(pfn) {
      map.flags[pfn] &= ~PageFlag.PG_lru;
      listDel(map, pfn);
    },
    putbackLruPage(pfn) {
      map.refcount[pfn] -= 1;
      map.flags[pfn] |= PageFlag.PG_lru;
      listAdd(map, head, pfn);
    },
    lruAddDrain() {},
    lruAddDrainAll() {},
  };
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
  node.presentPages = pages;
  node.spannedPages = pages;
  node.nrZones = 2;
  node.zonelists[0] = [zone];
  node.zonelists[1] = [zone];
  model.totalramPages = pages;
  return zone;
}

function setUpPages(model: MemoryModel, zone: Zone, options: WorldOptions, lruHead: number): void {
  const { map, areas, vmstat } = model;
  const { startPfn, endPfn, kind } = options;
  map.zone.fill(zone.id + 1, startPfn, endPfn);
  memoryPresent(model.sections, { startPfn, endPfn, node: 0 });
  for (let pfn = startPfn; pfn < endPfn; pfn += 512) {
    setPageblockMigratetype(map, pfn, Migratetype.MIGRATE_MOVABLE);
  }
  let free = 0;
  for (let pfn = startPfn; pfn < endPfn; ) {
    const what = kind(pfn);
    if (what === 'free') {
      const order = options.freeOrder?.(pfn) ?? 0;
      setBuddyOrder(map, pfn, order);
      listAddTail(map, freeListHead(areas, zone.id, order, Migratetype.MIGRATE_MOVABLE), pfn);
      areas.nrFree[zone.id * 11 + order]++;
      free += 1 << order;
      pfn += 1 << order;
      continue;
    }
    map.refcount[pfn] = 1;
    setAllocatedOrder(map, pfn, 0);
    if (what === 'lru') {
      map.mapcount[pfn] = 1;
      map.flags[pfn] = PageFlag.PG_lru | PageFlag.PG_swapbacked;
      listAddTail(map, lruHead, pfn);
    }
    pfn++;
  }
  vmstat.zone[zone.id * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES] = free;
}

/** Makes a world as the worked examples of the specification assume it. */
export function createWorld(options: WorldOptions): World {
  const model = new MemoryModel({ endPfn: options.endPfn + 1024 });
  const zone = setUpZone(model, options);
  const lru = instantLru(model);
  const lruHead = model.map.endPfn + model.map.listHeadCount - 1;
  setUpPages(model, zone, options, lruHead);
  const high = options.pcpHigh ?? 1_000_000;
  for (let cell = 0; cell < model.pagesets.high.length; cell++) {
    model.pagesets.high[cell] = high;
    model.pagesets.batch[cell] = 1;
  }
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
  const ctx: CompactionContext = {
    model,
    pages: buddy,
    lru,
    host,
    memory: null,
    task: defaultTask(),
    trace: { ...compactionFtrace(emit), ...oomFtrace(emit) },
    zones: createZoneCompaction(model),
    unevictableAllowed: true,
    proactiveness: 20,
    cpusets: null,
    compaction: true,
    runs: 0,
    kswapdIsRunning: () => false,
    zonelistCookie: () => 0,
  };
  return { model, zone, buddy, ctx, events, moves };
}
