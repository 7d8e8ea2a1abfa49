/** What the mappings of a page are like, as bits of `Rmap.marks`. */
export const RmapMark = {
  /** A page table entry says that the page was written to. */
  DIRTY: 1,
  /** The mappings are executable. */
  EXEC: 2,
  /** A mapping is locked into memory. */
  LOCKED: 4,
} as const;

/**
 * The default reverse map: of each page, how many mappings used it lately, and what they are like.
 * How many there are is in the page map. Zero-filled arrays: pages without mappings cost nothing.
 *
 * @kernel folio_referenced, try_to_unmap (spec reclaim 2.7)
 */
export class Rmap {
  /** Mappings with the accessed bit set, by page. */
  readonly young: Uint16Array;
  /** `RmapMark` bits, by page. */
  readonly marks: Uint8Array;

  /** @param endPfn one past the highest page frame */
  constructor(endPfn: number) {
    this.young = new Uint16Array(endPfn);
    this.marks = new Uint8Array(endPfn);
  }
}
