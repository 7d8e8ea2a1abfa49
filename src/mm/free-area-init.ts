import { hex, PAGE_SIZE } from '../lib/units.ts';
import { memmapInit } from './memmap-init.ts';
import type { MemoryModel } from './memory-model.ts';
import { checkMemoryRanges, type MemoryRange, nodePfnRange } from './memory-range.ts';
import { findZoneMovablePfns, type MovableZoneOptions } from './movable-zone.ts';
import { sparseInit } from './sections.ts';
import type { LogSink } from './trace.ts';
import { archZoneBounds, type ZoneBounds } from './zone-bounds.ts';
import { sizeNodeZones } from './zone-sizing.ts';
import { ZONE_NAMES, ZoneType } from './zone-types.ts';

/** What zones are made from, besides the memory ranges. */
export interface FreeAreaInitOptions extends MovableZoneOptions {
  /** One past the highest page frame of RAM. Default: the end of the last range. */
  readonly maxLowPfn?: number;
  /** Page frame (rounded down) of the lowest memory region. Default: start of the first range. */
  readonly firstPfn?: number;
  /** Pages of ZONE_DMA that cannot be given out. Default 0. @kernel dma_reserve */
  readonly dmaReserve?: number;
  /** Bytes of the kernel's page map per page frame: 64 with SLUB (default), 56 with SLAB. */
  readonly structPageBytes?: number;
  /** Leave most of each node's last zone for later. Default false. @kernel DEFERRED_STRUCT_PAGE_INIT */
  readonly deferred?: boolean;
}

/**
 * Builds nodes, zones and the page map from the RAM of a machine, and logs what the kernel logs.
 * Afterwards every node has its sizes and every page frame of RAM its zone; nothing is free yet.
 * @param ranges RAM of all nodes, rounded inward to pages, ascending
 * @throws ArgumentError `BAD_ARGUMENT` for ranges that overlap, descend or name unknown nodes;
 * nothing has changed then
 * @kernel sparse_init, zone_sizes_init, free_area_init (spec memory-model 4.1 to 4.6)
 */
export function freeAreaInit(
  model: MemoryModel,
  ranges: readonly MemoryRange[],
  options: FreeAreaInitOptions = {},
  log: LogSink | null = null,
): void {
  checkMemoryRanges(ranges, model.nodes.length);
  const firstPfn = options.firstPfn ?? ranges[0]?.startPfn ?? 0;
  const maxLowPfn = options.maxLowPfn ?? ranges[ranges.length - 1]?.endPfn ?? 0;
  sparseInit(model.sections, ranges);
  const bounds = archZoneBounds(firstPfn, maxLowPfn);
  const movablePfns = findZoneMovablePfns(model.nodes.length, ranges, bounds, options, log);
  logZoneRanges(bounds, movablePfns, log);
  logNodeRanges(ranges, log);
  const mirroredKernelcore = options.mirroredKernelcore === true;
  const { dmaReserve = 0, structPageBytes = 64 } = options;
  const sizing = { bounds, movablePfns, mirroredKernelcore, dmaReserve, structPageBytes };
  for (const node of model.nodes) {
    sizeNodeZones(node, ranges, sizing, log);
    node.online = node.presentPages > 0;
    if (node.possible) logInitmem(ranges, node.id, log);
  }
  memmapInit(model, ranges, { mirroredKernelcore, deferred: options.deferred === true }, log);
}

function logZoneRanges(
  bounds: ZoneBounds,
  movablePfns: readonly number[],
  log: LogSink | null,
): void {
  if (log === null) return;
  log('Zone ranges:');
  for (let index = 0; index < ZoneType.ZONE_MOVABLE; index++) {
    const name = ZONE_NAMES[index].padEnd(8);
    const low = bounds.low[index];
    const high = bounds.high[index];
    log(low === high ? `  ${name} empty` : `  ${name} ${formatPfnRange(low, high)}`);
  }
  log('Movable zone start for each node');
  movablePfns.forEach((pfn, node) => {
    if (pfn !== 0) log(`  Node ${node}: ${hex(pfn * PAGE_SIZE, 16)}`);
  });
}

function logNodeRanges(ranges: readonly MemoryRange[], log: LogSink | null): void {
  log?.('Early memory node ranges');
  for (const { node, startPfn, endPfn } of ranges) {
    log?.(`  node ${String(node).padStart(3)}: ${formatPfnRange(startPfn, endPfn)}`);
  }
}

function logInitmem(ranges: readonly MemoryRange[], node: number, log: LogSink | null): void {
  const { startPfn, endPfn } = nodePfnRange(ranges, node);
  if (endPfn !== 0) {
    log?.(`Initmem setup node ${node} ${formatPfnRange(startPfn, endPfn)}`);
    return;
  }
  log?.(`Initializing node ${node} as memoryless`);
  log?.(`Initmem setup node ${node} as memoryless`);
}

/** A range of page frames as boot lines print it: addresses of 16 digits, the last byte included. */
export function formatPfnRange(startPfn: number, endPfn: number): string {
  return `[mem ${hex(startPfn * PAGE_SIZE, 16)}-${hex(endPfn * PAGE_SIZE - 1, 16)}]`;
}
