import { checkInteger, type InvariantViolation } from '../lib/errors.ts';
import { NIL, type Pfn, type PhysAddr } from '../lib/units.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { writePagesets } from '../mm/pageset.ts';
import { setPercpuPagelistHighFraction } from '../mm/sysctl.ts';
import { nodemaskOf } from './alloc.ts';
import type { PageSlots } from './bulk.ts';
import { allocContigPages, allocContigRange, freeContigRange } from './contig.ts';
import { cpuDead, cpuOnline } from './cpu-hotplug.ts';
import { drainAllPages } from './drain.ts';
import { BuddyEntryPoints } from './entry-points.ts';
import { BuddyError } from './errors.ts';
import { type Explanation, explain } from './explain.ts';
import { checkInvariants } from './invariants.ts';
import { startIsolatePageRange, undoIsolatePageRange } from './isolation.ts';
import { locate, type PageLocation } from './locate.ts';
import { allocPagesBulkPolicy, allocPagesPolicy, type Mempolicy } from './mempolicy.ts';
import {
  checkAddress,
  checkCpu,
  checkFree,
  checkPage,
  checkPut,
  checkReferenced,
} from './misuse.ts';
import {
  type PageFragCache,
  pageFragAlloc,
  pageFragCacheDrain,
  pageFragFree,
} from './page-frag.ts';
import { type BuddySnapshot, restoreSnapshot, takeSnapshot } from './snapshot.ts';
import { needsVmstatUpdate, refreshCpuVmStats } from './vmstat-fold.ts';

/** All bits of an offset: no alignment of fragments. */
const NO_ALIGNMENT = -1;

/**
 * The zoned buddy allocator with per-CPU page lists of Linux 6.1: same pages for same calls.
 *
 * @kernel mm/page_alloc (spec buddy 4)
 * @example
 * ```ts
 * const buddy = createBuddy({ zones: [{ zone: 'Normal', startPfn: 0x100000, pages: 65536 }] });
 * const pfn = buddy.allocPages(Gfp.GFP_KERNEL, 0);
 * if (pfn !== null) buddy.freePages(pfn, 0);
 * ```
 */
export class BuddyAllocator extends BuddyEntryPoints {
  /**
   * Allocates a block where a NUMA policy wants it.
   * @param gfp the request's mask
   * @param order log2 of the number of pages
   * @param policy the task's policy, null for the default
   * @param cpu the CPU that asks
   * @returns first page frame, null when there is none
   * @throws BuddyError as `allocPages`
   * @kernel alloc_pages (spec buddy 4.32)
   */
  allocPagesPolicy(gfp: number, order: number, policy: Mempolicy | null, cpu = 0): Pfn | null {
    this.checkRequest(gfp, order, NIL, cpu);
    this.checkPolicy(policy);
    const pfn = allocPagesPolicy(this.state, gfp, order, policy, cpu);
    this.verify();
    return pfn === NIL ? null : (pfn as Pfn);
  }

  /**
   * Allocates order-0 pages into the empty slots of an array where a NUMA policy wants them.
   * @param slots the array; -1 marks an empty slot
   * @returns number of slots in use from the first on
   * @throws BuddyError as `allocPages`
   * @kernel alloc_pages_bulk_array_mempolicy (spec buddy 4.22)
   */
  allocPagesBulkPolicy(gfp: number, policy: Mempolicy | null, slots: PageSlots, cpu = 0): number {
    this.checkRequest(gfp, 0, NIL, cpu);
    this.checkPolicy(policy);
    const populated = allocPagesBulkPolicy(this.state, gfp, policy, slots, cpu);
    this.verify();
    return populated;
  }

  /**
   * Cuts a fragment off a cache's block.
   * @param cache the cache; make one with `new PageFragCache()`
   * @param sizeBytes bytes of the fragment
   * @param gfp the mask for a new block
   * @param alignMask ANDed to the offset, e.g. -64 for a multiple of 64. Default: no alignment
   * @param cpu the CPU that asks
   * @returns physical address in bytes, null when there is none
   * @throws BuddyError as `allocPages`
   * @kernel page_frag_alloc_align (spec buddy 4.31)
   */
  pageFragAlloc(
    cache: PageFragCache,
    sizeBytes: number,
    gfp: number,
    alignMask: number = NO_ALIGNMENT,
    cpu = 0,
  ): PhysAddr | null {
    this.checkRequest(gfp, 0, NIL, cpu);
    checkInteger('sizeBytes', sizeBytes, 0, 0x7fffffff);
    const addr = pageFragAlloc(this.state, cache, sizeBytes, gfp, alignMask, cpu);
    this.verify();
    return addr === NIL ? null : (addr as PhysAddr);
  }

  /**
   * Gives a fragment back; its block is freed with the last one.
   * @param addr any physical address in the fragment
   * @throws BuddyError as `putPage`
   * @kernel page_frag_free (spec buddy 4.31)
   */
  pageFragFree(addr: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkPut(this.state, checkAddress(addr));
    pageFragFree(this.state, addr, cpu);
    this.verify();
  }

  /** Gives back what a cache has not given out, and empties it. @kernel __page_frag_cache_drain (spec buddy 4.31) */
  pageFragCacheDrain(cache: PageFragCache, cpu = 0): void {
    checkCpu(this.state, cpu);
    pageFragCacheDrain(this.state, cache, cpu);
    this.verify();
  }

  /**
   * Takes the pageblocks that a range touches out of use: their free pages are not handed out.
   * @param startPfn first page frame
   * @param endPfn one past the last page frame
   * @param migratetype type that the pageblocks get back when it fails
   * @param flags bits of `IsolateFlag`
   * @returns 0, or -16 (EBUSY): something in them cannot be moved, or they are isolated already
   * @throws BuddyError `FOREIGN_PAGE`, `BAD_REQUEST`
   * @kernel start_isolate_page_range (spec buddy 4.34)
   */
  startIsolatePageRange(
    startPfn: number,
    endPfn: number,
    migratetype: number = Migratetype.MIGRATE_MOVABLE,
    flags = 0,
    cpu = 0,
  ): number {
    this.checkRange(startPfn, endPfn, cpu);
    const error = startIsolatePageRange(this.state, startPfn, endPfn, migratetype, flags, cpu);
    this.verify();
    return error;
  }

  /**
   * Puts isolated pageblocks back into use.
   * @param migratetype type that they get
   * @throws BuddyError `FOREIGN_PAGE`, `BAD_REQUEST`
   * @kernel undo_isolate_page_range (spec buddy 4.34)
   */
  undoIsolatePageRange(
    startPfn: number,
    endPfn: number,
    migratetype: number = Migratetype.MIGRATE_MOVABLE,
    cpu = 0,
  ): void {
    this.checkRange(startPfn, endPfn, cpu);
    undoIsolatePageRange(this.state, startPfn, endPfn, migratetype, cpu);
    this.verify();
  }

  /**
   * Allocates the single pages of a given range. What is in use there is moved away by the
   * `migratePages` hook, if there is one.
   * @param startPfn first page frame
   * @param endPfn one past the last page frame
   * @param migratetype type that the pageblocks get afterwards
   * @param cpu the CPU that asks
   * @returns 0, or a negative error: -16 (EBUSY), or what the hook gave
   * @throws BuddyError `FOREIGN_PAGE`, `BAD_REQUEST`
   * @kernel alloc_contig_range (spec buddy 4.35)
   */
  allocContigRange(
    startPfn: number,
    endPfn: number,
    migratetype: number = Migratetype.MIGRATE_MOVABLE,
    cpu = 0,
  ): number {
    this.checkRange(startPfn, endPfn, cpu);
    const error = allocContigRange(this.state, startPfn, endPfn, migratetype, cpu);
    this.verify();
    return error;
  }

  /**
   * Allocates so many single pages in a row, anywhere.
   * @param count number of pages
   * @param gfp the request's mask: which zones
   * @param node preferred node, -1 for that of the CPU
   * @param nodemask nodes that may be used, null for all
   * @param cpu the CPU that asks
   * @returns first page frame, a multiple of `count`; null when there is no such range
   * @throws BuddyError `BAD_REQUEST`; ArgumentError for a count out of range
   * @kernel alloc_contig_pages (spec buddy 4.35)
   */
  allocContigPages(
    count: number,
    gfp: number,
    node = -1,
    nodemask: readonly number[] | null = null,
    cpu = 0,
  ): Pfn | null {
    const preferred = this.checkRequest(gfp, 0, node, cpu);
    checkInteger('count', count, 1, this.state.map.endPfn);
    const mask = nodemask === null ? null : nodemaskOf(this.state, nodemask);
    const pfn = allocContigPages(this.state, count, gfp, preferred, mask, cpu);
    this.verify();
    return pfn === NIL ? null : (pfn as Pfn);
  }

  /**
   * Frees the single pages of a range, in ascending order.
   * @throws BuddyError as `freePages`, before anything changed
   * @kernel free_contig_range (spec buddy 4.35)
   */
  freeContigRange(startPfn: number, count: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    for (let pfn = startPfn; pfn < startPfn + count; pfn++) checkFree(this.state, pfn, 0);
    freeContigRange(this.state, startPfn, count, cpu);
    this.verify();
  }

  /** Empties the per-CPU lists of a zone and keeps them empty. @kernel zone_pcp_disable (spec buddy 4.29) */
  zonePcpDisable(zoneId: number, cpu = 0): void {
    checkCpu(this.state, cpu);
    const zone = this.zone(zoneId);
    writePagesets(this.state.pagesets, zone, 0, 1);
    drainAllPages(this.state, zone, cpu);
    this.verify();
  }

  /** Gives the per-CPU lists of a zone their sizes back. @kernel zone_pcp_enable (spec buddy 4.29) */
  zonePcpEnable(zoneId: number): void {
    const zone = this.zone(zoneId);
    writePagesets(this.state.pagesets, zone, zone.pagesetHigh, zone.pagesetBatch);
  }

  /**
   * Writes `vm.percpu_pagelist_high_fraction`.
   * @param fraction part of a zone that its per-CPU lists may hold, 8 or more; 0 for the default rule
   * @throws ArgumentError `BAD_ARGUMENT` for 1 to 7 and other values that the kernel refuses
   * @kernel percpu_pagelist_high_fraction_sysctl_handler (spec buddy 4.30)
   */
  setPercpuPagelistHighFraction(fraction: number): void {
    setPercpuPagelistHighFraction(this.state.model, fraction);
  }

  /**
   * The periodic fold of a CPU's counters, which also lets page lists of remote nodes run dry.
   * @param doPagesets false when the CPU goes idle. Default true
   * @returns number of counters that changed and lists that were drained; after 0 the fold pauses
   * until `needsVmstatUpdate`
   * @kernel refresh_cpu_vm_stats (spec buddy 4.33)
   */
  refreshCpuVmStats(cpu = 0, doPagesets = true): number {
    checkCpu(this.state, cpu);
    const changes = refreshCpuVmStats(this.state, cpu, doPagesets);
    this.verify();
    return changes;
  }

  /** Folds the counters of all CPUs. @returns number of changes. @kernel vmstat_refresh (vm.stat_refresh) */
  statRefresh(): number {
    let changes = 0;
    for (let cpu = 0; cpu < this.state.model.cpuCount; cpu++) {
      changes += this.refreshCpuVmStats(cpu);
    }
    return changes;
  }

  /** Whether a CPU keeps any count to itself. @kernel need_update (spec buddy 4.33) */
  needsVmstatUpdate(cpu = 0): boolean {
    checkCpu(this.state, cpu);
    return needsVmstatUpdate(this.state, cpu);
  }

  /**
   * Clears away what a CPU that went offline leaves.
   * @param dead the CPU that is gone
   * @param cpu another CPU, which does it
   * @throws BuddyError `BAD_REQUEST`
   * @kernel page_alloc_cpu_dead (spec buddy 4.29)
   */
  cpuDead(dead: number, cpu = 0): void {
    checkCpu(this.state, dead);
    checkCpu(this.state, cpu);
    if (dead === cpu) throw new BuddyError('BAD_REQUEST', 'a dead CPU cannot do that', { cpu });
    cpuDead(this.state, dead, cpu);
    this.verify();
  }

  /** Sizes the per-CPU lists for a CPU that is being brought up. @kernel page_alloc_cpu_online (spec buddy 4.30) */
  cpuOnline(cpu: number): void {
    checkCpu(this.state, cpu);
    cpuOnline(this.state, cpu);
  }

  /**
   * Says whether an allocated page is on an LRU list, which decides what stealing does to its
   * pageblock. (The reclaim module sets the flag itself.)
   * @throws BuddyError `FOREIGN_PAGE`, `DOUBLE_FREE`
   */
  setPageLru(pfn: number, isOnLru: boolean): void {
    checkReferenced(this.state, pfn);
    const { flags } = this.state.map;
    flags[pfn] = isOnLru ? flags[pfn] | PageFlag.PG_lru : flags[pfn] & ~PageFlag.PG_lru;
  }

  /**
   * Says whether an allocated page belongs to a driver that can move it.
   * @throws BuddyError `FOREIGN_PAGE`, `DOUBLE_FREE`
   */
  setPageMovable(pfn: number, isMovable: boolean): void {
    checkReferenced(this.state, pfn);
    const { flags } = this.state.map;
    const marks = PageMark.MAPPING | PageMark.MAPPING_MOVABLE;
    flags[pfn] = isMovable ? flags[pfn] | marks : flags[pfn] & ~marks;
  }

  /** Where a page is now: zone, list, order, migratetype, pageblock, CPU. Changes nothing. */
  locate(pfn: number): PageLocation {
    return locate(this.state, pfn);
  }

  /**
   * What a request would get, and why: zone by zone, which watermark, which reserve, which list, why
   * not. Changes nothing.
   * @param gfp the request's mask
   * @param order log2 of the number of pages
   * @param node preferred node, -1 for that of the CPU
   * @param cpu the CPU that asks
   * @throws BuddyError `BAD_REQUEST` for arguments that make no sense
   */
  explain(gfp: number, order: number, node = -1, cpu = 0): Explanation {
    return explain(this.state, gfp, order, this.checkRequest(gfp, order, node, cpu), cpu);
  }

  /** Plain, structured-cloneable copy of everything that results depend on, page contents apart. */
  snapshot(): BuddySnapshot {
    return takeSnapshot(this.state);
  }

  /**
   * Takes back what `snapshot` gave; the allocator goes on with identical results.
   * @param snapshot of an allocator of the same shape: page frames, nodes, CPUs
   * @throws PageframeError `BAD_SNAPSHOT` for one of another shape; nothing has changed then
   */
  restore(snapshot: BuddySnapshot): void {
    restoreSnapshot(this.state, snapshot);
    this.verify();
  }

  /** All broken rules of spec buddy 6; empty when there are none. */
  checkInvariants(): InvariantViolation[] {
    return checkInvariants(this.state);
  }

  private checkRange(startPfn: number, endPfn: number, cpu: number): void {
    checkCpu(this.state, cpu);
    checkPage(this.state.map, startPfn);
    checkPage(this.state.map, endPfn - 1);
    if (startPfn < endPfn) return;
    throw new BuddyError('BAD_REQUEST', 'an empty range', { startPfn, endPfn });
  }

  private checkPolicy(policy: Mempolicy | null): void {
    for (const node of policy?.nodes ?? []) {
      if (this.state.nodes[node]?.online) continue;
      throw new BuddyError('BAD_REQUEST', `there is no node ${node}`, { node });
    }
  }
}
