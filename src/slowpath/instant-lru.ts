import { listAdd, listDel, listToArray } from '../lib/list.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { pageIsInitialised } from '../mm/page-map.ts';
import { SlowPathError } from './errors.ts';
import type { CompactionLru } from './types.ts';

/**
 * One LRU list without batches and without reclaim, for a machine that only compacts: what is put
 * back is on the list at once. (spec slowpath-compaction 2.5, 4.34)
 */
export class InstantLru implements CompactionLru {
  readonly #model: MemoryModel;
  readonly #head: number;

  /** @param model the machine; the list takes one of its list heads */
  constructor(model: MemoryModel) {
    this.#model = model;
    this.#head = model.map.addListHeads(1);
  }

  /** Page frames on the list, from the head. */
  get pages(): number[] {
    return listToArray(this.#model.map, this.#head);
  }

  /**
   * Makes an allocated single page an ordinary anonymous page that is mapped once: it can be moved.
   * @throws SlowPathError `BAD_STATE` for a page that is free, or on a list
   */
  register(pfn: number): void {
    const { map } = this.#model;
    if (!pageIsInitialised(map, pfn) || map.refcount[pfn] !== 1 || this.#isListed(pfn)) {
      throw new SlowPathError('BAD_STATE', `page ${pfn} is no page in use off all lists`, { pfn });
    }
    map.mapcount[pfn] = 1;
    map.flags[pfn] |= ANONYMOUS;
    listAdd(map, this.#head, pfn);
  }

  /** Undoes `register`: the page can be freed. @throws SlowPathError `BAD_STATE` for a page that is not on the list */
  unregister(pfn: number): void {
    const { map } = this.#model;
    if (!pageIsInitialised(map, pfn) || !this.#isListed(pfn)) {
      throw new SlowPathError('BAD_STATE', `page ${pfn} is not on the list`, { pfn });
    }
    listDel(map, pfn);
    map.mapcount[pfn] = 0;
    map.flags[pfn] &= ~ANONYMOUS;
  }

  /** See `CompactionLru`. */
  lruvecDelFolio(pfn: number, _cpu: number): void {
    const { map } = this.#model;
    map.flags[pfn] &= ~PageFlag.PG_lru;
    listDel(map, pfn);
  }

  /** See `CompactionLru`. */
  putbackLruPage(pfn: number, _cpu: number): void {
    const { map } = this.#model;
    map.refcount[pfn] -= 1;
    map.flags[pfn] |= PageFlag.PG_lru;
    listAdd(map, this.#head, pfn);
  }

  /** See `CompactionLru`: nothing is pending. */
  lruAddDrain(_cpu: number): void {}

  /** See `CompactionLru`: nothing is pending. */
  lruAddDrainAll(): void {}

  #isListed(pfn: number): boolean {
    return (this.#model.map.flags[pfn] & PageFlag.PG_lru) !== 0;
  }
}

/** Flags of a registered page. */
const ANONYMOUS =
  PageFlag.PG_lru | PageFlag.PG_swapbacked | PageMark.MAPPING | PageMark.MAPPING_ANON;
