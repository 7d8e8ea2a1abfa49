import type { InvariantViolation } from '../lib/errors.ts';
import { hex, MAX_ORDER, NIL } from '../lib/units.ts';
import { freeListHead } from '../mm/free-area.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { MIGRATE_TYPES } from '../mm/migratetype.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { allocatedOrder } from '../mm/page-map.ts';
import { NR_LOWORDER_PCP_LISTS, NR_PCP_LISTS, pcpListHead } from '../mm/pageset.ts';
import { NR_LRU_BATCHES, PAGEVEC_SIZE } from '../reclaim/constants.ts';
import type { ReclaimState } from '../reclaim/state.ts';
import type { Pressure } from './join.ts';

/** Who has a page frame. */
export const FrameOwner = {
  /** Nobody: no RAM, or not initialised yet. */
  NONE: 0,
  /** Reserved at boot. */
  RESERVED: 1,
  /** A free list. */
  FREE: 2,
  /** A list of a CPU. */
  PCP: 3,
  /** A file's cache. */
  FILE: 4,
  /** The anonymous memory of a process, or the swap cache. */
  ANON: 5,
  /** A slab of objects. */
  SLAB: 6,
  /** A batch of a CPU on its way to the LRU lists, when its owner is gone already. */
  BATCH: 7,
  /** Whoever asked the page allocator for it. */
  CALLER: 8,
  /** Nobody, though it was handed to the page allocator: it is lost. */
  LOST: 9,
} as const;

/** Names of the owners, by number. */
export const FRAME_OWNER_NAMES = [
  'none',
  'reserved',
  'free',
  'pcp',
  'file',
  'anon',
  'slab',
  'batch',
  'caller',
  'lost',
] as const;

/** Nobody yet. */
const NONE = FrameOwner.NONE;

/** Who has which page frames of a machine at one moment. */
export interface Owners {
  /** A `FrameOwner` per page frame. */
  readonly of: Uint8Array;
  /** Page frames by owner. */
  readonly pages: Readonly<Record<(typeof FRAME_OWNER_NAMES)[number], number>>;
  /** Blocks that callers of the page allocator have, as `[pfn, order]`, by page frame. */
  readonly blocks: readonly (readonly [pfn: number, order: number])[];
  /** Rules that are broken. */
  readonly violations: readonly InvariantViolation[];
}

/** The pass over all page frames. */
class Census {
  readonly of: Uint8Array;
  readonly blocks: (readonly [number, number])[] = [];
  readonly violations: InvariantViolation[] = [];
  readonly #model: MemoryModel;
  readonly #pressure: Pressure | null;
  /** Pages in batches. */
  readonly #batched: ReadonlySet<number>;

  constructor(model: MemoryModel, pressure: Pressure | null) {
    this.#model = model;
    this.#pressure = pressure;
    this.#batched = new Set(pressure === null ? [] : batchedPages(pressure.reclaim.state));
    this.of = new Uint8Array(model.map.endPfn);
  }

  /** Claims a block for an owner. MACHINE-1: nobody else has any of it. */
  claim(pfn: number, order: number, owner: number): void {
    const { of } = this;
    const end = pfn + (1 << order);
    for (let page = pfn; page < end; page++) {
      if (of[page] !== NONE) this.#reportTwo(page, owner);
      of[page] = owner;
    }
  }

  #reportTwo(pfn: number, owner: number): void {
    const names = `${FRAME_OWNER_NAMES[this.of[pfn]]} and ${FRAME_OWNER_NAMES[owner]}`;
    this.report(1, `page frame ${hex(pfn)} is ${names}`);
  }

  report(rule: number, message: string): void {
    this.violations.push({ rule: `MACHINE-${rule}`, message });
  }

  /** What lies on free lists and on the lists of CPUs. */
  countFree(): void {
    const { areas, map, pagesets, zones } = this.#model;
    for (const zone of zones) {
      for (let order = 0; order < MAX_ORDER; order++) {
        for (let type = 0; type < MIGRATE_TYPES; type++) {
          this.#claimList(freeListHead(areas, zone.id, order, type), order, FrameOwner.FREE);
        }
      }
    }
    for (let cell = 0; cell < pagesets.count.length; cell++) {
      for (let list = 0; list < NR_PCP_LISTS; list++) {
        const order = list < NR_LOWORDER_PCP_LISTS ? Math.floor(list / 3) : map.pageblockOrder;
        this.#claimList(pcpListHead(pagesets, cell, list), order, FrameOwner.PCP);
      }
    }
  }

  #claimList(head: number, order: number, owner: number): void {
    const { endPfn, next } = this.#model.map;
    for (let pfn = next[head]; pfn !== head; pfn = next[pfn]) {
      if (pfn < 0 || pfn + (1 << order) > endPfn || this.of[pfn] === owner) {
        this.report(1, `a list of blocks of order ${order} is broken at ${hex(pfn >>> 0)}`);
        return;
      }
      this.claim(pfn, order, owner);
    }
  }

  /** What is in use: blocks that were handed out, and boot memory. */
  countUsed(): void {
    const { of } = this;
    const { map } = this.#model;
    const { endPfn, flags, refcount, zone } = map;
    for (let pfn = 0; pfn < endPfn; pfn++) {
      if (of[pfn] !== NONE || zone[pfn] === 0) continue;
      const order = refcount[pfn] > 0 ? allocatedOrder(map, pfn) : NIL;
      if (order < 0) {
        const isReserved = (flags[pfn] & PageFlag.PG_reserved) !== 0;
        of[pfn] = isReserved ? FrameOwner.RESERVED : FrameOwner.LOST;
        continue;
      }
      const owner = this.#ownerOf(pfn, flags[pfn]);
      this.claim(pfn, order, owner);
      if (owner === FrameOwner.CALLER) this.blocks.push([pfn, order]);
    }
  }

  #ownerOf(pfn: number, flags: number): number {
    if ((flags & PageFlag.PG_slab) !== 0) return FrameOwner.SLAB;
    if ((flags & PageMark.MAPPING_ANON) !== 0) return FrameOwner.ANON;
    if ((flags & PageMark.MAPPING) !== 0 && this.#pressure?.pageCache.fileOf(pfn)) {
      return FrameOwner.FILE;
    }
    return this.#batched.has(pfn) ? FrameOwner.BATCH : FrameOwner.CALLER;
  }

  /**
   * Counts page frames by owner. MACHINE-2: a zone has as many pages on lists and in use as it was
   * given.
   * @returns page frames by owner
   */
  count(): Int32Array {
    const { of } = this;
    const { map, zones } = this.#model;
    const counts = new Int32Array(FRAME_OWNER_NAMES.length);
    const managed = new Int32Array(zones.length + 1);
    for (let pfn = 0; pfn < map.endPfn; pfn++) {
      const owner = of[pfn];
      counts[owner]++;
      if (owner === FrameOwner.LOST) this.report(2, `page frame ${hex(pfn)} is lost`);
      else if (owner > FrameOwner.RESERVED) managed[map.zone[pfn]]++;
    }
    for (const { id, managedPages } of zones) {
      const found = managed[id + 1];
      if (found === managedPages) continue;
      this.report(2, `zone ${id} has ${managedPages} pages, ${found} are somewhere`);
    }
    return counts;
  }
}

/** Pages that batches of CPUs refer to. */
function batchedPages({ batchCount, batchPages, model }: ReclaimState): number[] {
  const pages: number[] = [];
  for (let batch = 0; batch < model.cpuCount * NR_LRU_BATCHES; batch++) {
    const first = batch * PAGEVEC_SIZE;
    pages.push(...batchPages.subarray(first, first + batchCount[batch]));
  }
  return pages;
}

/**
 * Finds out who has each page frame: every frame that the page allocator was given is on exactly one
 * list, or in use by exactly one owner. It looks at every page frame.
 * @param model the machine
 * @param pressure page cache and LRU lists, null for none
 */
export function ownersOf(model: MemoryModel, pressure: Pressure | null): Owners {
  const census = new Census(model, pressure);
  census.countFree();
  census.countUsed();
  const counts = census.count();
  const named = FRAME_OWNER_NAMES.map((name, owner) => [name, counts[owner]] as const);
  const pages = Object.fromEntries(named) as Owners['pages'];
  const { blocks, of, violations } = census;
  return { of, pages, blocks, violations };
}
