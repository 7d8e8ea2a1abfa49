import { ArgumentError } from '../lib/errors.ts';
import type { PfnRange } from './sections.ts';

/** A run of RAM of one node in whole page frames, as memblock describes it. */
export interface MemoryRange extends PfnRange {
  /** The memory can be unplugged (`movable_node` makes it ZONE_MOVABLE). */
  readonly hotplug?: boolean;
  /** The memory is mirrored (`kernelcore=mirror` keeps the kernel in it). */
  readonly mirror?: boolean;
}

/** Number of pages in ranges, of one node or of all. */
export function rangePages(ranges: readonly MemoryRange[], node?: number): number {
  let pages = 0;
  for (const range of ranges) {
    if (node === undefined || range.node === node) pages += range.endPfn - range.startPfn;
  }
  return pages;
}

/** Number of RAM pages of a node in `[startPfn, endPfn)`. */
export function ramPagesIn(
  ranges: readonly MemoryRange[],
  node: number,
  startPfn: number,
  endPfn: number,
): number {
  let pages = 0;
  for (const range of ranges) {
    if (range.node !== node) continue;
    const start = Math.max(range.startPfn, startPfn);
    const end = Math.min(range.endPfn, endPfn);
    pages += Math.max(0, end - start);
  }
  return pages;
}

/**
 * Lowest and highest (exclusive) RAM page frame of a node; 0, 0 for a node without RAM.
 * @kernel get_pfn_range_for_nid
 */
export function nodePfnRange(
  ranges: readonly MemoryRange[],
  node: number,
): {
  /** First page frame. */
  readonly startPfn: number;
  /** One past the last page frame. */
  readonly endPfn: number;
} {
  let startPfn = Number.POSITIVE_INFINITY;
  let endPfn = 0;
  for (const range of ranges) {
    if (range.node !== node || range.startPfn >= range.endPfn) continue;
    startPfn = Math.min(startPfn, range.startPfn);
    endPfn = Math.max(endPfn, range.endPfn);
  }
  return endPfn === 0 ? { startPfn: 0, endPfn: 0 } : { startPfn, endPfn };
}

/** Ids of the nodes that have RAM, ascending. */
export function nodesWithMemory(ranges: readonly MemoryRange[]): number[] {
  const nodes = new Set<number>();
  for (const range of ranges) if (range.startPfn < range.endPfn) nodes.add(range.node);
  return [...nodes].sort((a, b) => a - b);
}

/**
 * Checks what everything here relies on: ranges ascend, do not overlap, and name known nodes.
 * @throws ArgumentError `BAD_ARGUMENT` with the first range that breaks it
 */
export function checkMemoryRanges(ranges: readonly MemoryRange[], nodeCount: number): void {
  let last = 0;
  ranges.forEach((range, index) => {
    const { startPfn, endPfn, node } = range;
    const ordered = startPfn >= last && startPfn <= endPfn;
    if (!ordered || !Number.isSafeInteger(startPfn) || !Number.isSafeInteger(endPfn)) {
      throw new ArgumentError(`memory range ${index} overlaps, descends or is no range`, {
        index,
        startPfn,
        endPfn,
      });
    }
    if (!Number.isInteger(node) || node < 0 || node >= nodeCount) {
      throw new ArgumentError(`memory range ${index} is of no known node: ${node}`, {
        index,
        node,
        nodeCount,
      });
    }
    last = endPfn;
  });
}
