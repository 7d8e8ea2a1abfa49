import { checkInteger } from '../lib/errors.ts';
import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { folioAddLru } from './batch.ts';
import { inSwapcache } from './folio.ts';
import { nodeOf } from './lru.ts';
import { checkCpu, checkRange } from './misuse.ts';
import { mlockNewPage, munlockPage } from './mlock.ts';
import type { PageFrames } from './page-frames.ts';
import { folioPut } from './release.ts';
import { enterSwapCache, folioFreeSwap } from './remove-mapping.ts';
import { RmapMark } from './rmap.ts';
import { pageAddRmap, pageRemoveRmap, rmapTryToUnmap } from './rmap-walk.ts';
import type { ReclaimState } from './state.ts';
import { packShadow, workingsetRefault } from './workingset.ts';

/** A range of anonymous memory of some process, page by page. */
export class AnonRegion {
  /** Number of the region. */
  readonly id: number;
  /** Whether its pages are locked into memory. */
  readonly locked: boolean;
  /** Per page 0 for untouched, pfn + 1 of a mapped page, -1 - slot of one that was swapped out. */
  readonly entries: Float64Array;

  constructor(id: number, pages: number, locked: boolean) {
    checkInteger('pages', pages, 1, 0x7fffffff);
    this.id = id;
    this.locked = locked;
    this.entries = new Float64Array(pages);
  }
}

/**
 * Anonymous memory with one mapping per page, and the swap cache: what reclaim needs of both.
 */
export class AnonMemory {
  readonly #state: ReclaimState;
  readonly #frames: PageFrames;
  readonly #regions = new Map<number, AnonRegion>();
  #nextId = 1;
  /** Region of each mapped page, by pfn; made at the first fault. */
  #regionOf: Int32Array | null = null;
  /** Position of each mapped page in its region, by pfn. */
  #indexOf: Int32Array | null = null;
  /** What is cached of each slot: 0 for nothing, pfn + 1 of a page, -1 - shadow of an evicted one. */
  readonly #swapCache: Float64Array;

  constructor(state: ReclaimState, frames: PageFrames) {
    this.#state = state;
    this.#frames = frames;
    this.#swapCache = new Float64Array(state.swap.totalPages);
  }

  /** Checks the CPU of a call. @throws ReclaimError `BAD_REQUEST` */
  checkCpu(cpu: number): void {
    checkCpu(this.#state, cpu);
  }

  /**
   * Makes a region; its pages appear at the first touch.
   * @param pages size
   * @param locked whether its pages are locked into memory. Default false
   * @kernel mmap
   */
  create(pages: number, locked = false): AnonRegion {
    const region = new AnonRegion(this.#nextId++, pages, locked);
    this.#regions.set(region.id, region);
    return region;
  }

  /**
   * Uses a page: faults it in, or back in from swap, if it is not mapped.
   * @param write whether it is written to. Default true
   * @returns its page frame, -1 when no memory can be had
   * @kernel handle_mm_fault
   */
  touch(region: AnonRegion, index: number, write = true, cpu = 0): number {
    checkCpu(this.#state, cpu);
    checkRange('page of the region', index, 0, region.entries.length - 1);
    const entry = region.entries[index];
    let pfn = entry > 0 ? entry - 1 : NIL;
    if (entry === 0) pfn = this.#doAnonymousPage(region, index, cpu);
    else if (entry < 0) pfn = this.#doSwapPage(region, index, -1 - entry, write, cpu);
    if (pfn === NIL) return NIL;
    const { map, rmap } = this.#state;
    if (entry > 0) rmap.young[pfn] = map.mapcount[pfn];
    if (write) rmap.marks[pfn] |= RmapMark.DIRTY;
    return pfn;
  }

  /** Unmaps a region and gives its pages and slots back. @kernel munmap */
  release(region: AnonRegion, cpu = 0): void {
    checkCpu(this.#state, cpu);
    for (let index = 0; index < region.entries.length; index++) {
      const entry = region.entries[index];
      region.entries[index] = 0;
      if (entry > 0) this.#unmap(entry - 1, cpu);
      else if (entry < 0) this.#dropSlot(-1 - entry, cpu);
    }
    this.#regions.delete(region.id);
  }

  /** Host callback: the page's entry becomes one that names its slot. */
  tryToUnmap(pfn: number, cpu: number): void {
    const state = this.#state;
    const slot = inSwapcache(state.map.flags[pfn]) ? state.map.private[pfn] : NIL;
    const region = this.#regions.get(this.#regionOf?.[pfn] ?? 0);
    const index = this.#indexOf?.[pfn] ?? 0;
    rmapTryToUnmap(state, pfn, cpu);
    if (state.map.mapcount[pfn] !== 0 || region === undefined) return;
    // A droppable page without a slot is simply gone: the next touch finds zeroes.
    region.entries[index] = slot === NIL ? 0 : -1 - slot;
  }

  /** Host callback: a page leaves the swap cache. */
  removeFromSwapCache(pfn: number, eviction: number, workingset: boolean): void {
    const { map } = this.#state;
    const shadow =
      eviction === NIL ? NIL : packShadow(eviction, nodeOf(this.#state, pfn), workingset);
    this.#swapCache[map.private[pfn]] = shadow === NIL ? 0 : -1 - shadow;
  }

  /** Host callback: a page got a slot. */
  enteredSwapCache(pfn: number): void {
    this.#swapCache[this.#state.map.private[pfn]] = pfn + 1;
  }

  /** The owner of `from` holds `to` from now on. */
  migrate(from: number, to: number): void {
    const { map } = this.#state;
    const region = this.#regions.get(this.#regionOf?.[from] ?? 0);
    if (map.mapcount[from] > 0 && region !== undefined) {
      this.#own(to, region, this.#indexOf?.[from] ?? 0);
    }
    if (inSwapcache(map.flags[from])) this.#swapCache[map.private[from]] = to + 1;
  }

  /** @kernel do_anonymous_page */
  #doAnonymousPage(region: AnonRegion, index: number, cpu: number): number {
    const state = this.#state;
    const pfn = this.#frames.alloc(Gfp.GFP_HIGHUSER_MOVABLE | Gfp.__GFP_ZERO, cpu);
    if (pfn === NIL) return NIL;
    state.map.flags[pfn] |= PageFlag.PG_swapbacked | PageMark.MAPPING | PageMark.MAPPING_ANON;
    this.#map(pfn, region, index, cpu);
    if (region.locked) mlockNewPage(state, pfn, cpu);
    else folioAddLru(state, pfn, cpu);
    folioPut(state, pfn, cpu);
    return pfn;
  }

  /** @kernel do_swap_page */
  #doSwapPage(
    region: AnonRegion,
    index: number,
    slot: number,
    write: boolean,
    cpu: number,
  ): number {
    const state = this.#state;
    const { swap } = state;
    let pfn = this.#cached(slot);
    const cached = pfn !== NIL;
    if (!cached) pfn = this.#swapIn(slot, cpu);
    if (pfn === NIL) return NIL;
    this.#map(pfn, region, index, cpu);
    if (!cached) folioPut(state, pfn, cpu);
    swap.free(slot);
    // A page that will change needs another slot content anyway; a full swap space needs the slot.
    if (write || swap.nrFree * 2 < swap.totalPages) folioFreeSwap(state, pfn, cpu);
    return pfn;
  }

  /** Reads a page back from its slot into the swap cache; the caller gets a reference. */
  #swapIn(slot: number, cpu: number): number {
    const state = this.#state;
    const shadow = this.#swapCache[slot];
    const pfn = this.#frames.alloc(Gfp.GFP_HIGHUSER_MOVABLE, cpu);
    if (pfn === NIL) return NIL;
    state.map.flags[pfn] |= PageFlag.PG_swapbacked | PageMark.MAPPING | PageMark.MAPPING_ANON;
    state.swap.duplicate(slot);
    enterSwapCache(state, pfn, slot, cpu);
    if (shadow < 0) workingsetRefault(state, pfn, -1 - shadow, cpu);
    folioAddLru(state, pfn, cpu);
    countVmEvents(state.vm, cpu, VmEvent.pswpin, 1);
    return pfn;
  }

  #map(pfn: number, region: AnonRegion, index: number, cpu: number): void {
    pageAddRmap(this.#state, pfn, true, cpu);
    if (region.locked) this.#state.rmap.marks[pfn] |= RmapMark.LOCKED;
    this.#own(pfn, region, index);
  }

  #own(pfn: number, region: AnonRegion, index: number): void {
    const { endPfn } = this.#state.map;
    this.#regionOf ??= new Int32Array(endPfn);
    this.#indexOf ??= new Int32Array(endPfn);
    this.#regionOf[pfn] = region.id;
    this.#indexOf[pfn] = index;
    region.entries[index] = pfn + 1;
  }

  #unmap(pfn: number, cpu: number): void {
    const state = this.#state;
    state.map.refcount[pfn]++;
    if ((state.rmap.marks[pfn] & RmapMark.LOCKED) !== 0) munlockPage(state, pfn, cpu);
    pageRemoveRmap(state, pfn, cpu);
    folioFreeSwap(state, pfn, cpu);
    folioPut(state, pfn, cpu);
  }

  #dropSlot(slot: number, cpu: number): void {
    const state = this.#state;
    const pfn = this.#cached(slot);
    state.swap.free(slot);
    if (pfn !== NIL) {
      state.map.refcount[pfn]++;
      folioFreeSwap(state, pfn, cpu);
      folioPut(state, pfn, cpu);
    } else if (state.swap.claims(slot) === 0) {
      this.#swapCache[slot] = 0;
    }
  }

  #cached(slot: number): number {
    const entry = this.#swapCache[slot];
    return entry > 0 ? entry - 1 : NIL;
  }
}
