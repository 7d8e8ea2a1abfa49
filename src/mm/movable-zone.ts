import { alignUp, MAX_ORDER_NR_PAGES } from '../lib/units.ts';
import { type MemoryRange, nodePfnRange, nodesWithMemory, rangePages } from './memory-range.ts';
import type { LogSink } from './trace.ts';
import { usableZoneForMovable, type ZoneBounds } from './zone-bounds.ts';
import { MAX_DMA32_PFN } from './zone-types.ts';

/** A size that `kernelcore=` or `movablecore=` asks for: pages, or percent of all memory. */
export interface CoreSize {
  /** Pages; 0 for not given. */
  readonly pages: number;
  /** Percent; 0 for not given. Overrides the pages. */
  readonly percent: number;
}

/** What the command line says about ZONE_MOVABLE. */
export interface MovableZoneOptions {
  /** `kernelcore=`: memory that must stay usable for the kernel. */
  readonly kernelcore?: CoreSize;
  /** `movablecore=`: memory that must be movable. */
  readonly movablecore?: CoreSize;
  /** `kernelcore=mirror`: the kernel stays in mirrored memory. */
  readonly mirroredKernelcore?: boolean;
  /** `movable_node`: hotpluggable memory is movable. */
  readonly movableNode?: boolean;
}

/**
 * Where ZONE_MOVABLE starts on each node.
 * @param nodeCount number of node ids
 * @param ranges RAM, ascending
 * @param bounds architectural zone bounds
 * @param options the command line
 * @param log where the warning about unmirrored memory goes
 * @returns page frame by node id, 0 for a node without ZONE_MOVABLE
 * @kernel find_zone_movable_pfns_for_nodes (spec memory-model 4.3)
 */
export function findZoneMovablePfns(
  nodeCount: number,
  ranges: readonly MemoryRange[],
  bounds: ZoneBounds,
  options: MovableZoneOptions,
  log: LogSink | null = null,
): number[] {
  const starts = new Array<number>(nodeCount).fill(0);
  if (options.movableNode) startAtLowest(starts, ranges, (range) => range.hotplug === true);
  else if (options.mirroredKernelcore) startAtUnmirrored(starts, ranges, log);
  else {
    const required = requiredKernelcore(rangePages(ranges), options);
    if (required === 0) return starts;
    distributeKernelcore(starts, ranges, bounds.low[usableZoneForMovable(bounds)], required);
  }
  for (let node = 0; node < nodeCount; node++) {
    const start = alignUp(starts[node], MAX_ORDER_NR_PAGES);
    starts[node] = start >= nodePfnRange(ranges, node).endPfn ? 0 : start;
  }
  return starts;
}

/** Each node's start becomes the lowest start of the ranges chosen. */
function startAtLowest(
  starts: number[],
  ranges: readonly MemoryRange[],
  chosen: (range: MemoryRange) => boolean,
): void {
  for (const range of ranges) {
    if (!chosen(range)) continue;
    const { node, startPfn } = range;
    starts[node] = starts[node] === 0 ? startPfn : Math.min(starts[node], startPfn);
  }
}

function startAtUnmirrored(
  starts: number[],
  ranges: readonly MemoryRange[],
  log: LogSink | null,
): void {
  const unmirrored = ranges.filter((range) => range.mirror !== true);
  startAtLowest(starts, unmirrored, (range) => range.startPfn >= MAX_DMA32_PFN);
  if (unmirrored.some((range) => range.startPfn < MAX_DMA32_PFN)) {
    log?.('This configuration results in unmirrored kernel memory.');
  }
}

/** Pages that must stay outside ZONE_MOVABLE, 0 when there is to be none. (spec 4.3 steps 5 to 7) */
function requiredKernelcore(totalPages: number, options: MovableZoneOptions): number {
  let kernelcore = corePages(totalPages, options.kernelcore);
  const movablecore = corePages(totalPages, options.movablecore);
  if (movablecore !== 0) {
    const movable = Math.min(totalPages, alignUp(movablecore, MAX_ORDER_NR_PAGES));
    kernelcore = Math.max(kernelcore, totalPages - movable);
  }
  return kernelcore >= totalPages ? 0 : kernelcore;
}

function corePages(totalPages: number, size: CoreSize | undefined): number {
  if (size === undefined) return 0;
  if (size.percent === 0) return size.pages;
  return Math.floor((totalPages * 100 * size.percent) / 10000);
}

/** What is still to be placed: in total and on the node being visited. */
interface Remaining {
  required: number;
  left: number;
}

/** Spreads the kernel's pages evenly over the nodes, in rounds, because small nodes run out. */
function distributeKernelcore(
  starts: number[],
  ranges: readonly MemoryRange[],
  usableStart: number,
  required: number,
): void {
  const nodes = nodesWithMemory(ranges);
  const remaining: Remaining = { required, left: 0 };
  for (let usable = nodes.length; usable > 0; ) {
    let share = Math.floor(remaining.required / usable);
    for (const node of nodes) {
      if (remaining.required < share) share = Math.floor(remaining.required / usable);
      remaining.left = share;
      fillNode(starts, ranges, node, usableStart, remaining);
    }
    usable--;
    if (remaining.required <= usable) break;
  }
}

/** Pushes a node's start of ZONE_MOVABLE up, past `remaining.left` pages for the kernel. */
function fillNode(
  starts: number[],
  ranges: readonly MemoryRange[],
  node: number,
  usableStart: number,
  remaining: Remaining,
): void {
  for (const range of ranges) {
    if (range.node !== node) continue;
    let start = Math.max(range.startPfn, starts[node]);
    const { endPfn } = range;
    if (start >= endPfn) continue;
    if (start < usableStart) {
      // Nothing below the usable zone can be movable: it all counts for the kernel.
      const below = Math.min(endPfn, usableStart) - start;
      remaining.left -= Math.min(below, remaining.left);
      remaining.required -= Math.min(below, remaining.required);
      if (endPfn <= usableStart) {
        starts[node] = endPfn;
        continue;
      }
      start = usableStart;
    }
    const take = Math.min(endPfn - start, remaining.left);
    starts[node] = start + take;
    remaining.required -= Math.min(remaining.required, take);
    remaining.left -= take;
    if (remaining.left === 0) return;
  }
}
