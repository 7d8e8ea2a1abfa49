import { MAX_ORDER } from '../lib/units.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { type ShowMemConfig, showMem } from '../mm/show-mem.ts';
import { MAX_NR_ZONES } from '../mm/zone-types.ts';
import { badText, linesOf } from './text.ts';

const FORMAT = 'show_mem';

/** What a report can leave out or is about. */
export interface ShowMemOptions extends Partial<ShowMemConfig> {
  /** Nodes shown. Default: all. */
  readonly nodes?: readonly number[];
  /** Zones above this index are left out. Default: none are. */
  readonly highestZoneidx?: number;
  /** CPU whose lists `local_pcp` is about. Default 0. */
  readonly cpu?: number;
  /** Swap space in pages. Default: none, and no swap lines. */
  readonly swap?: {
    /** Size of all swap devices, pages. */
    readonly totalPages: number;
    /** Pages that are free on them. */
    readonly nrFree: number;
  };
}

/**
 * The kernel's memory report, as it follows an allocation failure.
 * @returns its lines, without a newline at the end
 * @kernel show_mem (spec buddy 5.6)
 */
export function formatShowMem(model: MemoryModel, options: ShowMemOptions = {}): string {
  const { nodes, highestZoneidx = MAX_NR_ZONES - 1, cpu = 0, swap = null } = options;
  const config = {
    numa: options.numa ?? true,
    thp: options.thp ?? true,
    hugetlb: options.hugetlb ?? model.map.pageblockOrder === 9,
    cma: options.cma ?? false,
    memoryFailure: options.memoryFailure ?? false,
  };
  const mask = nodes === undefined ? null : new Uint8Array(model.nodes.length);
  for (const node of nodes ?? []) if (mask !== null) mask[node] = 1;
  return showMem({ model, config, swap }, mask, highestZoneidx, cpu).join('\n');
}

/** What a memory report says of a zone. */
export interface ShowMemZone {
  /** Node id, 0 without NUMA. */
  readonly node: number;
  /** Zone name. */
  readonly zone: string;
  /** Sizes by name (free, boost, min, low, high, reserved_highatomic, ...), in KiB. */
  readonly kilobytes: Readonly<Record<string, number>>;
  /** `lowmem_reserve` by zone index, pages. */
  readonly lowmemReserve: readonly number[];
  /** Free blocks by order. */
  readonly nrFree: readonly number[];
  /** Letters of the migratetypes with free blocks, by order. */
  readonly types: readonly string[];
}

/** A memory report as numbers. */
export interface ShowMemReport {
  /** Counters of the whole machine, pages: `active_anon` and so on. */
  readonly counters: Readonly<Record<string, number>>;
  /** Zones shown. */
  readonly zones: readonly ShowMemZone[];
}

type ZoneDraft = { -readonly [K in keyof ShowMemZone]: ShowMemZone[K] };

const ZONE_LINE = /^(?:Node (\d+) )?(DMA|DMA32|Normal|Movable) (free:.*)$/;
const LIST_LINE = /^(?:Node (\d+) )?(DMA|DMA32|Normal|Movable): (.*) = \d+kB$/;

/**
 * Reads a memory report back: the counters of the machine and its zones. Lines about nodes, huge
 * pages, swap and totals are taken as they are.
 * @throws BuddyError `BAD_TEXT` for a zone's line of another form
 */
export function parseShowMem(text: string): ShowMemReport {
  const counters: Record<string, number> = {};
  const zones: ZoneDraft[] = [];
  for (const line of linesOf(text)) {
    const zone = ZONE_LINE.exec(line);
    const lists = LIST_LINE.exec(line);
    if (zone !== null) {
      zones.push({
        node: Number(zone[1] ?? 0),
        zone: zone[2],
        kilobytes: readPairs(zone[3]),
        lowmemReserve: [],
        nrFree: [],
        types: [],
      });
    } else if (line.startsWith('lowmem_reserve[]: ')) {
      const last = zones[zones.length - 1];
      if (last === undefined) throw badText(FORMAT, line);
      last.lowmemReserve = line.slice('lowmem_reserve[]: '.length).split(' ').map(Number);
    } else if (lists !== null) {
      readLists(zones, line, Number(lists[1] ?? 0), lists[2], lists[3]);
    } else if (zones.length === 0 && !line.startsWith('Node')) {
      Object.assign(counters, readPairs(line));
    }
  }
  return { counters, zones };
}

/** All `name:number` of a line. */
function readPairs(line: string): Record<string, number> {
  const pairs = line.matchAll(/([a-z_()]+): ?(-?\d+)/g);
  return Object.fromEntries([...pairs].map(([, name, value]) => [name, Number(value)]));
}

function readLists(
  zones: ZoneDraft[],
  line: string,
  node: number,
  name: string,
  text: string,
): void {
  const zone = zones.find((each) => each.node === node && each.zone === name);
  const items = [...text.matchAll(/(\d+)\*\d+kB(?: \(([A-Z]*)\))?/g)];
  if (zone === undefined || items.length !== MAX_ORDER) throw badText(FORMAT, line);
  zone.nrFree = items.map(([, blocks]) => Number(blocks));
  zone.types = items.map(([, , letters]) => letters ?? '');
}
