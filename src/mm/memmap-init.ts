import { alignUp } from '../lib/units.ts';
import type { MemoryModel } from './memory-model.ts';
import { type MemoryRange, nodePfnRange } from './memory-range.ts';
import { Migratetype } from './migratetype.ts';
import { PageFlag } from './page-flags.ts';
import type { PageMap } from './page-map.ts';
import { PAGES_PER_SECTION, pfnValid } from './sections.ts';
import type { LogSink } from './trace.ts';
import { isPopulated, type Zone, zoneEndPfn } from './zone.ts';
import { highestPopulatedZone } from './zone-sizing.ts';
import { ZONE_NAMES, ZoneType } from './zone-types.ts';

/** How the page map is initialised. */
export interface MemmapInitOptions {
  /** `kernelcore=mirror` is in force: mirrored pages in the span of ZONE_MOVABLE stay in Normal. */
  readonly mirroredKernelcore?: boolean;
  /**
   * Leave most of each node's last zone for later. @kernel DEFERRED_STRUCT_PAGE_INIT (spec 4.11)
   */
  readonly deferred?: boolean;
}

/**
 * Gives every page frame of a present section its zone, and every pageblock that begins with RAM
 * the type MOVABLE. Pages in holes become reserved pages of the zone above, or of the last zone.
 *
 * RAM costs one byte per frame here, and is otherwise left untouched: a page that is neither free
 * nor reserved yet is all zero but for its zone.
 * @param ranges RAM, ascending
 * @param log where the line about each hole goes
 * @kernel memmap_init (spec memory-model 4.6)
 */
export function memmapInit(
  model: MemoryModel,
  ranges: readonly MemoryRange[],
  options: MemmapInitOptions = {},
  log: LogSink | null = null,
): void {
  const deferral = new Deferral(model, ranges, options.deferred === true);
  let hole = 0;
  let last: MemoryRange | undefined;
  for (const range of ranges) {
    last = range;
    for (const zone of model.nodes[range.node].zones) {
      if (!isPopulated(zone)) continue;
      const start = Math.max(range.startPfn, zone.startPfn);
      const end = Math.min(range.endPfn, zoneEndPfn(zone));
      if (start >= end) continue;
      if (!skipsMirrored(zone, range, options)) {
        memmapInitZoneRange(model.map, zone, start, deferral.cut(zone, start, end));
      }
      if (hole < start) initUnavailableRange(model, hole, start, zone, log);
      hole = end;
    }
  }
  if (last === undefined) return;
  const zone = highestPopulatedZone(model, last.node);
  const end = alignUp(last.endPfn, PAGES_PER_SECTION);
  if (zone !== undefined && hole < end) initUnavailableRange(model, hole, end, zone, log);
}

function skipsMirrored(zone: Zone, range: MemoryRange, options: MemmapInitOptions): boolean {
  if (options.mirroredKernelcore !== true || zone.index !== ZoneType.ZONE_MOVABLE) return false;
  return range.mirror === true;
}

/** Initialises RAM pages of a zone. @kernel memmap_init_range (spec memory-model 4.6 step 2) */
function memmapInitZoneRange(map: PageMap, zone: Zone, startPfn: number, endPfn: number): void {
  if (startPfn >= endPfn) return;
  map.zone.fill(zone.id + 1, startPfn, endPfn);
  const blockPages = 1 << map.pageblockOrder;
  const firstBlock = Math.ceil(startPfn / blockPages);
  const endBlock = Math.ceil(endPfn / blockPages);
  map.pageblockFlags.fill(Migratetype.MIGRATE_MOVABLE, firstBlock, endBlock);
}

/**
 * Initialises pages that are no RAM but have a memmap, as reserved pages of a zone.
 * @kernel init_unavailable_range (spec memory-model 4.6 step 3)
 */
function initUnavailableRange(
  { map, sections }: MemoryModel,
  startPfn: number,
  endPfn: number,
  zone: Zone,
  log: LogSink | null,
): void {
  let count = 0;
  for (let pfn = startPfn; pfn < endPfn; ) {
    // Validity changes at section borders only, and pageblocks do not cross them.
    const next = Math.min((Math.floor(pfn / PAGES_PER_SECTION) + 1) * PAGES_PER_SECTION, endPfn);
    if (pfnValid(sections, pfn)) {
      map.zone.fill(zone.id + 1, pfn, next);
      map.refcount.fill(1, pfn, next);
      map.flags.fill(PageFlag.PG_reserved, pfn, next);
      count += next - pfn;
    }
    pfn = next;
  }
  if (count === 0) return;
  log?.(
    `On node ${zone.node}, zone ${ZONE_NAMES[zone.index]}: ${count} pages in unavailable ranges`,
  );
}

/** Decides where initialisation of each node's last zone stops. @kernel defer_init (spec 4.11) */
class Deferral {
  readonly model: MemoryModel;
  readonly enabled: boolean;
  /** End of each node, by id. */
  readonly nodeEnd: readonly number[];
  /** Zone whose pages are being counted, and how many were. */
  zone: Zone | null = null;
  counted = 0;

  constructor(model: MemoryModel, ranges: readonly MemoryRange[], enabled: boolean) {
    this.model = model;
    this.enabled = enabled;
    this.nodeEnd = model.nodes.map(({ id }) => nodePfnRange(ranges, id).endPfn);
  }

  /** End of the part of `[start, end)` of a zone that is initialised now. */
  cut(zone: Zone, start: number, end: number): number {
    if (!this.enabled || zoneEndPfn(zone) !== this.nodeEnd[zone.node]) return end;
    const node = this.model.nodes[zone.node];
    if (start >= node.firstDeferredPfn) return start;
    if (this.zone !== zone) {
      this.zone = zone;
      this.counted = 0;
    }
    // The page at `first` is the first that would raise the count above a section's worth.
    const first = start + Math.max(0, PAGES_PER_SECTION - this.counted);
    const stop = Math.ceil(first / PAGES_PER_SECTION) * PAGES_PER_SECTION;
    this.counted += end - start;
    if (stop >= end) return end;
    node.firstDeferredPfn = stop;
    return stop;
  }
}
