import { ArgumentError } from '../lib/errors.ts';

/** log2 of the bytes in a section. */
export const SECTION_SIZE_BITS = 27;
/** log2 of the pages in a section. */
export const PFN_SECTION_SHIFT = 15;
/** Pages in a section: 128 MiB. */
export const PAGES_PER_SECTION = 32768;

/** A run of memory of one node, in whole page frames. */
export interface PfnRange {
  /** First page frame. */
  readonly startPfn: number;
  /** One past the last page frame. */
  readonly endPfn: number;
  /** Node id. */
  readonly node: number;
}

/**
 * Which sections of 128 MiB have a memmap. A present section has one for all of its page frames,
 * whether or not they are RAM; that is what `pfnValid` tells.
 *
 * @kernel struct mem_section (spec memory-model 2.4, 4.1)
 */
export class Sections {
  /** Node id + 1 of a present section, 0 of an absent one. */
  readonly node: Uint8Array;
  /** Number of present sections. */
  presentCount = 0;

  /** @param endPfn one past the highest page frame to know of */
  constructor(endPfn: number) {
    this.node = new Uint8Array(Math.ceil(endPfn / PAGES_PER_SECTION));
  }
}

/**
 * Marks every section that a range touches as present. The first range that touches a section
 * decides the section's node.
 * @param range memory of one node; an empty one marks nothing
 * @throws ArgumentError `BAD_ARGUMENT` when the range ends past the last known section
 * @kernel memory_present (spec memory-model 4.1)
 */
export function memoryPresent(sections: Sections, range: PfnRange): void {
  const { startPfn, endPfn, node } = range;
  if (startPfn >= endPfn) return;
  const last = (endPfn - 1) >> PFN_SECTION_SHIFT;
  if (startPfn < 0 || last >= sections.node.length) {
    throw new ArgumentError('memory outside the page map', { startPfn, endPfn, node });
  }
  for (let section = startPfn >> PFN_SECTION_SHIFT; section <= last; section++) {
    if (sections.node[section] !== 0) continue;
    sections.node[section] = node + 1;
    sections.presentCount++;
  }
}

/**
 * Marks the sections of all memory ranges, in their order.
 * @param ranges memory ranges, rounded inward to pages, ascending
 * @kernel sparse_init, memblocks_present (spec memory-model 4.1)
 */
export function sparseInit(sections: Sections, ranges: readonly PfnRange[]): void {
  for (const range of ranges) memoryPresent(sections, range);
}

/** Whether a page frame has a memmap entry, be it RAM or not. @kernel pfn_valid (spec memory-model 2.4) */
export function pfnValid(sections: Sections, pfn: number): boolean {
  return pfn >= 0 && sections.node[Math.floor(pfn / PAGES_PER_SECTION)] > 0;
}
