import { checkInteger } from '../lib/errors.ts';
import { NIL } from '../lib/units.ts';

/** Plain copy of a swap space. */
export interface SwapSnapshot {
  /** Claims on each slot. */
  readonly claims: Int32Array;
  /** Slots without a claim. */
  readonly nrFree: number;
  /** Where the next search begins. */
  readonly cursor: number;
}

/**
 * Swap space: numbered slots, each with a count of claims: one by the swap cache, one by each page
 * table entry that stands for the page. Slots are taken singly, the next free one after the last.
 *
 * @kernel swap_info_struct, nr_swap_pages, total_swap_pages (spec reclaim 2.7, 4.31)
 */
export class Swap {
  /** Slots in all. @kernel total_swap_pages */
  readonly totalPages: number;
  /** Free slots. @kernel nr_swap_pages */
  nrFree: number;
  readonly #claims: Int32Array;
  #cursor = 0;

  /** @param totalPages size in pages, 0 for no swap */
  constructor(totalPages = 0) {
    checkInteger('swap pages', totalPages, 0, 0x7fffffff);
    this.totalPages = totalPages;
    this.nrFree = totalPages;
    this.#claims = new Int32Array(totalPages);
  }

  /** Takes a free slot with one claim. @returns the slot, -1 when all are taken */
  alloc(): number {
    if (this.nrFree === 0) return NIL;
    while (this.#claims[this.#cursor] !== 0) this.#cursor = (this.#cursor + 1) % this.totalPages;
    const slot = this.#cursor;
    this.#claims[slot] = 1;
    this.nrFree--;
    return slot;
  }

  /** Adds claims to a slot. @kernel swap_duplicate */
  duplicate(slot: number, claims = 1): void {
    this.#claims[slot] += claims;
  }

  /** Takes one claim off a slot, which becomes free with the last one. @kernel swap_free */
  free(slot: number): void {
    if (--this.#claims[slot] === 0) this.nrFree++;
  }

  /** Claims on a slot; 0 means free. @kernel swap_count */
  claims(slot: number): number {
    return this.#claims[slot];
  }

  /** Plain data to `restore` later. */
  snapshot(): SwapSnapshot {
    return { claims: this.#claims.slice(), nrFree: this.nrFree, cursor: this.#cursor };
  }

  /** Takes back what `snapshot` gave; of a swap space of the same size. */
  restore(from: SwapSnapshot): void {
    checkInteger('swap pages', from.claims.length, this.totalPages, this.totalPages);
    this.#claims.set(from.claims);
    this.nrFree = from.nrFree;
    this.#cursor = from.cursor;
  }
}
