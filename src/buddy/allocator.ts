import { hex, MAX_ORDER } from '../lib/units.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { freePagesCore } from './boot-release.ts';
import { BuddyError } from './errors.ts';
import { BuddyState } from './state.ts';
import type { BuddyOptions } from './types.ts';

/**
 * The zoned buddy allocator with per-CPU page lists of Linux 6.1: same pages for same calls.
 *
 * @kernel mm/page_alloc (spec buddy 4)
 */
export class BuddyAllocator {
  /** What the allocator works on; read it, but change it through the methods. */
  readonly state: BuddyState;

  /**
   * @param model the machine: its zones, lists and counters
   * @param options contents, tracing, checks and surroundings
   */
  constructor(model: MemoryModel, options: BuddyOptions = {}) {
    this.state = new BuddyState(model, options);
  }

  /**
   * Hands a block of boot memory to the allocator (boot and hot-add only).
   * @param pfn first page frame, a multiple of 2^order, all pages initialised and of one zone
   * @param order log2 of the number of pages, 0 to 10
   * @param cpu CPU whose counters move
   * @throws BuddyError `BAD_REQUEST` for a block that is not aligned, `FOREIGN_PAGE` outside the map
   * @kernel __free_pages_core (spec buddy 4.25)
   */
  freePagesCore(pfn: number, order: number, cpu = 0): void {
    const { map } = this.state;
    if (!(order >= 0 && order < MAX_ORDER) || (pfn & ((1 << order) - 1)) !== 0) {
      throw new BuddyError('BAD_REQUEST', `no block of order ${order} can start at ${hex(pfn)}`, {
        pfn,
        order,
      });
    }
    if (!(pfn >= 0 && pfn + (1 << order) <= map.endPfn) || map.zone[pfn] === 0) {
      throw new BuddyError('FOREIGN_PAGE', `page frame ${hex(pfn)} belongs to no zone`, { pfn });
    }
    freePagesCore(this.state, pfn, order, cpu);
  }
}
