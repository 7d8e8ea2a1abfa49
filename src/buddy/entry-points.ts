import { checkInteger } from '../lib/errors.ts';
import {
  addrToPfn,
  hex,
  MAX_ORDER,
  NIL,
  type Pfn,
  type PhysAddr,
  pfnToAddr,
} from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { nodeOfPage } from '../mm/memory-model.ts';
import { compoundHead } from '../mm/page-map.ts';
import type { PageSource } from '../mm/page-source.ts';
import { allocPages, nodemaskOf } from './alloc.ts';
import { freePagesCore } from './boot-release.ts';
import { allocPagesBulkArray, allocPagesBulkList, type PageSlots } from './bulk.ts';
import { BuddyError } from './errors.ts';
import { allocPagesExact, getOrder, splitPage } from './exact.ts';
import { freePages, putPageRefs } from './free.ts';
import { putPagesList, releasePages } from './free-list-of-pages.ts';
import { BuddyHotPath } from './hot-path.ts';
import {
  checkAddress,
  checkBlock,
  checkCpu,
  checkFree,
  checkOrder,
  checkPut,
  checkReferenced,
} from './misuse.ts';
import { rememberSlot } from './request-slot.ts';

/** Migratetype bits of a mask. */
const MOBILITY = Gfp.__GFP_MOVABLE | Gfp.__GFP_RECLAIMABLE;

/** Largest value of an `int`. */
const INT_MAX = 0x7fffffff;

/** The ways to allocate and free pages. */
export class BuddyEntryPoints extends BuddyHotPath {
  /**
   * Allocates a block from the nodes of a mask.
   * @param gfp the request's mask
   * @param order log2 of the number of pages
   * @param node preferred node, -1 for that of the CPU
   * @param nodemask nodes that may be used
   * @param cpu the CPU that asks
   * @returns first page frame, null when there is none
   * @throws BuddyError `BAD_REQUEST` for arguments that make no sense; `WOULD_LOOP` where the kernel
   * would wait for ever
   * @kernel __alloc_pages (spec buddy 4.19)
   */
  allocPagesNodemask(
    gfp: number,
    order: number,
    node: number,
    nodemask: readonly number[],
    cpu = 0,
  ): Pfn | null {
    const preferred = this.checkRequest(gfp, order, node, cpu);
    const mask = nodemaskOf(this.state, nodemask);
    const pfn = allocPages(this.state, gfp, order, preferred, mask, cpu);
    this.verify();
    return pfn === NIL ? null : (pfn as Pfn);
  }

  /**
   * Allocates a block by the node of the CPU.
   * @returns its physical address in bytes, null when there is none
   * @throws BuddyError as `allocPages`
   * @kernel __get_free_pages (spec buddy 4.23)
   */
  getFreePages(gfp: number, order: number, cpu = 0): PhysAddr | null {
    const pfn = this.allocPages(gfp & ~Gfp.__GFP_HIGHMEM, order, -1, cpu);
    return pfn === null ? null : (pfnToAddr(pfn) as PhysAddr);
  }

  /**
   * Allocates one zeroed page.
   * @returns its physical address in bytes, null when there is none
   * @throws BuddyError as `allocPages`
   * @kernel get_zeroed_page (spec buddy 4.23)
   */
  getZeroedPage(gfp: number, cpu = 0): PhysAddr | null {
    return this.getFreePages(gfp | Gfp.__GFP_ZERO, 0, cpu);
  }

  /**
   * Frees a block by its address; address 0 is ignored.
   * @param addr physical address in bytes, of the first page
   * @throws BuddyError as `freePages`
   * @kernel free_pages (spec buddy 4.25)
   */
  freePagesAt(addr: number, order: number, cpu = 0): void {
    if (addr !== 0) this.freePages(checkAddress(addr), order, cpu);
  }

  /**
   * Allocates order-0 pages into the empty slots of an array.
   * @param gfp the request's mask
   * @param node preferred node, -1 for that of the CPU
   * @param slots the array; -1 marks an empty slot
   * @param cpu the CPU that asks
   * @returns number of slots in use from the first on; fewer than there are slots when memory is low
   * @throws BuddyError `BAD_REQUEST` for arguments that make no sense
   * @kernel alloc_pages_bulk_array (spec buddy 4.22)
   */
  allocPagesBulk(gfp: number, node: number, slots: PageSlots, cpu = 0): number {
    const preferred = this.checkRequest(gfp, 0, node, cpu);
    const populated = allocPagesBulkArray(this.state, gfp, preferred, null, slots, cpu);
    this.verify();
    return populated;
  }

  /**
   * Allocates order-0 pages to the head of a list.
   * @param gfp the request's mask
   * @param node preferred node, -1 for that of the CPU
   * @param count pages wanted
   * @param list the list, head first; it ends in reverse order of allocation
   * @param cpu the CPU that asks
   * @returns number of pages allocated
   * @throws BuddyError `BAD_REQUEST` for arguments that make no sense
   * @kernel alloc_pages_bulk_list (spec buddy 4.22)
   */
  allocPagesBulkList(gfp: number, node: number, count: number, list: number[], cpu = 0): number {
    const preferred = this.checkRequest(gfp, 0, node, cpu);
    checkInteger('count', count, -INT_MAX, INT_MAX);
    // More pages than there are make no difference, but an array of them does.
    const wanted = Math.min(Math.max(0, count), this.state.map.endPfn);
    const got = allocPagesBulkList(this.state, gfp, preferred, null, wanted, list, cpu);
    this.verify();
    return got;
  }

  /**
   * Allocates as many single pages in a row as some bytes take.
   * @param sizeBytes bytes; 0 gives nothing
   * @param gfp the request's mask; COMP and HIGHMEM do not count
   * @param node preferred node, -1 for that of the CPU
   * @param cpu the CPU that asks
   * @returns physical address in bytes, null when there is no room
   * @throws BuddyError as `allocPages`
   * @kernel alloc_pages_exact, alloc_pages_exact_nid (spec buddy 4.23)
   */
  allocPagesExact(sizeBytes: number, gfp: number, node = -1, cpu = 0): PhysAddr | null {
    checkInteger('sizeBytes', sizeBytes, 0, Number.MAX_SAFE_INTEGER);
    const preferred = this.checkRequest(gfp, getOrder(sizeBytes), node, cpu);
    const pfn = allocPagesExact(this.state, sizeBytes, gfp, preferred, cpu);
    this.verify();
    return pfn === NIL ? null : (pfnToAddr(pfn) as PhysAddr);
  }

  /**
   * Frees what `allocPagesExact` gave.
   * @param addr physical address in bytes
   * @param sizeBytes as in that call
   * @throws BuddyError as `freePages`, before anything changed
   * @kernel free_pages_exact (spec buddy 4.23)
   */
  freePagesExact(addr: number, sizeBytes: number, cpu = 0): void {
    const { state } = this;
    const first = checkAddress(addr);
    checkInteger('sizeBytes', sizeBytes, 0, Number.MAX_SAFE_INTEGER - addr - 4095);
    const end = addrToPfn(addr + sizeBytes + 4095);
    checkCpu(state, cpu);
    for (let pfn = first; pfn < end; pfn++) checkFree(state, pfn, 0);
    for (let pfn = first; pfn < end; pfn++) freePages(state, pfn, 0, cpu);
    this.verify();
  }

  /**
   * Makes single pages of an allocated block that is no compound page: each is freed on its own.
   * @throws BuddyError as `freePages`
   * @kernel split_page (spec buddy 4.23)
   */
  splitPage(pfn: number, order: number): void {
    checkFree(this.state, pfn, order);
    if (compoundHead(this.state.map, pfn + (1 << order) - 1) === pfn && order > 0) {
      throw new BuddyError('BAD_STATE', 'a compound page cannot be split', { pfn, order });
    }
    splitPage(this.state, pfn, order);
  }

  /**
   * Takes one more reference of an allocated page.
   * @throws BuddyError `FOREIGN_PAGE`, `DOUBLE_FREE`
   * @kernel get_page
   */
  getPage(pfn: number): void {
    checkReferenced(this.state, pfn);
    this.state.map.refcount[compoundHead(this.state.map, pfn)]++;
  }

  /**
   * Drops a reference of a page or compound page and frees it with the last one.
   * @throws BuddyError `FOREIGN_PAGE`, `DOUBLE_FREE`, `WRONG_ORDER` for a block that is no compound
   * page, `PAGE_ON_LIST`
   * @kernel put_page (spec buddy 4.25)
   */
  putPage(pfn: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPut(this.state, pfn);
    putPageRefs(this.state, pfn, 1, cpu);
    this.verify();
  }

  /**
   * Drops a reference of each page; single pages that lose their last one are freed together, in
   * reverse order.
   * @throws BuddyError as `putPage`, before anything changed
   * @kernel release_pages (spec buddy 4.28)
   */
  releasePages(pfns: ArrayLike<number>, cpu = 0): void {
    checkCpu(this.state, cpu);
    for (let i = 0; i < pfns.length; i++) checkPut(this.state, pfns[i]);
    releasePages(this.state, pfns, cpu);
    this.verify();
  }

  /**
   * Drops a reference of each page; single pages that lose their last one are freed together, in
   * list order.
   * @throws BuddyError as `putPage`, before anything changed
   * @kernel put_pages_list (spec buddy 4.28)
   */
  putPagesList(pfns: ArrayLike<number>, cpu = 0): void {
    checkCpu(this.state, cpu);
    for (let i = 0; i < pfns.length; i++) checkPut(this.state, pfns[i]);
    putPagesList(this.state, pfns, cpu);
    this.verify();
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
    checkCpu(this.state, cpu);
    checkBlock(this.state.map, pfn, order);
    freePagesCore(this.state, pfn, order, cpu);
  }

  /** This allocator in the shape that slab and slub ask for. */
  pageSource(): PageSource {
    const { state } = this;
    return {
      allocPages: (gfp, order, node, cpu) => this.allocPages(gfp, order, node, cpu) ?? NIL,
      freePages: (pfn, order, cpu) => this.freePages(pfn, order, cpu),
      nodeOf: (pfn) => nodeOfPage(state.model, pfn),
      map: state.map,
    };
  }

  protected override allocPagesGenerally(
    gfp: number,
    order: number,
    node: number,
    cpu: number,
  ): Pfn | null {
    const preferred = this.checkRequest(gfp, order, node, cpu);
    rememberSlot(this.state, gfp, node, cpu);
    const pfn = allocPages(this.state, gfp, order, preferred, null, cpu);
    this.verify();
    return pfn === NIL ? null : (pfn as Pfn);
  }

  protected override freePagesGenerally(pfn: number, order: number, cpu: number): void {
    const { state } = this;
    checkCpu(state, cpu);
    checkFree(state, pfn, order);
    freePages(state, pfn, order, cpu);
    this.verify();
  }

  /** Checks a request and gives its preferred node. */
  protected checkRequest(gfp: number, order: number, node: number, cpu: number): number {
    const { model } = this.state;
    checkCpu(this.state, cpu);
    if (order < 0 || order >= MAX_ORDER || order !== (order | 0)) checkAnyOrder(order);
    if ((gfp & MOBILITY) === MOBILITY) throw twoMobilities(gfp);
    if (node === -1) return model.cpuNode[cpu];
    if (model.nodes[node]?.online) return node;
    throw new BuddyError('BAD_REQUEST', `there is no node ${node}`, { node });
  }
}

/** Orders beyond the largest are asked for in good faith; other numbers are not. */
function checkAnyOrder(order: number): void {
  if (!(Number.isInteger(order) && order >= MAX_ORDER)) checkOrder(order);
}

function twoMobilities(gfp: number): BuddyError {
  const message = `mask ${hex(gfp)} asks for movable and reclaimable pages at once`;
  return new BuddyError('BAD_REQUEST', message, { gfp });
}
