import { allocRangeNid, allocVirtual, nullIfZero, physAllocRange } from './alloc.ts';
import { MEMBLOCK_ALLOC_ACCESSIBLE, MEMBLOCK_LOW_LIMIT, NUMA_NO_NODE } from './constants.ts';
import { checkFlags, checkInt, checkNid, checkU64 } from './errors.ts';
import { formatDebugfs, formatDump } from './format.ts';
import { discard, freeAll, freeLate } from './handoff.ts';
import {
  MEM_RANGE_FLAGS,
  nextMemRange,
  nextMemRangeRev,
  type RangeWalk,
  walkPfnRanges,
  walkPfnRangesInZone,
  walkRanges,
  walkRangesRev,
  walkRegions,
} from './iterate.ts';
import { debugs, print } from './log.ts';
import { MemblockRegions, NO_CALLER } from './memblock-regions.ts';
import { applySnapshot, takeSnapshot, withRollback } from './snapshot.ts';
import { checkLive, typeByName } from './state.ts';
import type {
  FreePageSink,
  MemblockPfnRange,
  MemblockRange,
  MemblockRegion,
  MemblockSnapshot,
  MemblockTypeName,
  ZoneSpan,
} from './types.ts';

const ACCESSIBLE = MEMBLOCK_ALLOC_ACCESSIBLE;
const LOW = MEMBLOCK_LOW_LIMIT;

/**
 * The allocator of early boot: what memory there is, what of it is in use, and allocation from the
 * rest, until the page allocator takes over.
 *
 * Allocations return the physical address, or null when there is no room. They are not rounded up:
 * exactly `size` bytes are reserved. `align` is a power of two, 0 for a cache line.
 * Walks are generators over the live arrays: edits made between two steps shift them, as in the
 * kernel (spec memblock 4.10).
 */
export class Memblock extends MemblockRegions {
  // --- allocation (spec memblock 4.13 to 4.15)

  /**
   * Allocates in `[start, end)` on a node (NUMA_NO_NODE: any), on another one if that is full
   * unless `exactNid`. `end` 0 is the current limit. @kernel memblock_alloc_range_nid
   */
  allocRangeNid(
    size: bigint,
    align: bigint,
    start: bigint,
    end: bigint,
    nid: number,
    exactNid: boolean,
  ): bigint | null {
    this.#checkAlloc(size, align, start, end, nid);
    const addr = allocRangeNid(this.state, size, align, start, end, nid, exactNid);
    return this.checked(nullIfZero(addr));
  }

  /** Allocates in `[start, end)` on any node; both bounds are hard. @kernel memblock_phys_alloc_range */
  physAllocRange(
    size: bigint,
    align: bigint,
    start: bigint,
    end: bigint,
    caller: string = NO_CALLER,
  ): bigint | null {
    this.#checkAlloc(size, align, start, end, NUMA_NO_NODE);
    const addr = physAllocRange(this.state, size, align, start, end, caller);
    return this.checked(nullIfZero(addr));
  }

  /** Allocates below the current limit on any node. @kernel memblock_phys_alloc */
  physAlloc(size: bigint, align: bigint, caller: string = NO_CALLER): bigint | null {
    return this.physAllocRange(size, align, 0n, ACCESSIBLE, caller);
  }

  /** Allocates below the current limit, preferably on a node. No debug line. @kernel memblock_phys_alloc_try_nid */
  physAllocTryNid(size: bigint, align: bigint, nid: number): bigint | null {
    return this.allocRangeNid(size, align, 0n, ACCESSIBLE, nid, false);
  }

  /**
   * Allocates on this node only. A lower bound `minAddr` that cannot be met is dropped; `maxAddr`
   * 0 is the current limit. Not zeroed. @kernel memblock_alloc_exact_nid_raw
   */
  allocExactNidRaw(
    size: bigint,
    align: bigint,
    minAddr: bigint,
    maxAddr: bigint,
    nid: number,
    caller: string = NO_CALLER,
  ): bigint | null {
    const name = 'memblock_alloc_exact_nid_raw';
    return this.#allocVirtual(name, size, align, minAddr, maxAddr, nid, caller);
  }

  /**
   * Allocates preferably on a node. A lower bound that cannot be met is dropped, after the node's
   * preference. Not zeroed. @kernel memblock_alloc_try_nid_raw
   */
  allocTryNidRaw(
    size: bigint,
    align: bigint,
    minAddr: bigint,
    maxAddr: bigint,
    nid: number,
    caller: string = NO_CALLER,
  ): bigint | null {
    const name = 'memblock_alloc_try_nid_raw';
    return this.#allocVirtual(name, size, align, minAddr, maxAddr, nid, caller);
  }

  /** As `allocTryNidRaw`, zeroed. @kernel memblock_alloc_try_nid */
  allocTryNid(
    size: bigint,
    align: bigint,
    minAddr: bigint,
    maxAddr: bigint,
    nid: number,
    caller: string = NO_CALLER,
  ): bigint | null {
    const name = 'memblock_alloc_try_nid';
    return this.#allocVirtual(name, size, align, minAddr, maxAddr, nid, caller);
  }

  /** Allocates zeroed bytes below the current limit. @kernel memblock_alloc */
  alloc(size: bigint, align: bigint, caller: string = NO_CALLER): bigint | null {
    return this.allocTryNid(size, align, LOW, ACCESSIBLE, NUMA_NO_NODE, caller);
  }

  /** As `alloc`, not zeroed. @kernel memblock_alloc_raw */
  allocRaw(size: bigint, align: bigint, caller: string = NO_CALLER): bigint | null {
    return this.allocTryNidRaw(size, align, LOW, ACCESSIBLE, NUMA_NO_NODE, caller);
  }

  /** As `alloc`, from `minAddr` up if there is room. @kernel memblock_alloc_from */
  allocFrom(
    size: bigint,
    align: bigint,
    minAddr: bigint,
    caller: string = NO_CALLER,
  ): bigint | null {
    return this.allocTryNid(size, align, minAddr, ACCESSIBLE, NUMA_NO_NODE, caller);
  }

  /** As `alloc`, below the low address limit (on x86 4 GiB less one byte). @kernel memblock_alloc_low */
  allocLow(size: bigint, align: bigint, caller: string = NO_CALLER): bigint | null {
    const { archLowAddressLimit } = this.state;
    return this.allocTryNid(size, align, LOW, archLowAddressLimit, NUMA_NO_NODE, caller);
  }

  /** As `alloc`, preferably on a node. @kernel memblock_alloc_node */
  allocNode(size: bigint, align: bigint, nid: number, caller: string = NO_CALLER): bigint | null {
    return this.allocTryNid(size, align, LOW, ACCESSIBLE, nid, caller);
  }

  // --- walks (spec memblock 4.10, 4.11)

  /** Free memory, ascending: memory minus reserved, by node and flags. @kernel for_each_free_mem_range */
  freeMemRanges(nid: number = NUMA_NO_NODE, flags = 0): Generator<MemblockRange> {
    return walkRanges(this.state, this.#walk('memory', 'reserved', nid, flags));
  }

  /** As `freeMemRanges`, descending. @kernel for_each_free_mem_range_reverse */
  freeMemRangesReverse(nid: number = NUMA_NO_NODE, flags = 0): Generator<MemblockRange> {
    return walkRangesRev(this.state, this.#walk('memory', 'reserved', nid, flags));
  }

  /** Memory in the direct mapping, ascending. @kernel for_each_mem_range */
  memRanges(): Generator<MemblockRange> {
    return walkRanges(this.state, this.#walk('memory', null, NUMA_NO_NODE, MEM_RANGE_FLAGS));
  }

  /** As `memRanges`, descending. @kernel for_each_mem_range_rev */
  memRangesReverse(): Generator<MemblockRange> {
    return walkRangesRev(this.state, this.#walk('memory', null, NUMA_NO_NODE, MEM_RANGE_FLAGS));
  }

  /** What is in use, ascending. @kernel for_each_reserved_mem_range */
  reservedMemRanges(): Generator<MemblockRange> {
    return walkRanges(this.state, this.#walk('reserved', null, NUMA_NO_NODE, 0));
  }

  /** Installed memory, ascending, minus what another array holds. @kernel for_each_physmem_range */
  physmemRanges(without: MemblockTypeName | null = null): Generator<MemblockRange> {
    return walkRanges(this.state, this.#walk('physmem', without, NUMA_NO_NODE, 0));
  }

  /** Entries of an array as they are, the one of size 0 of an empty array included. @kernel for_each_mem_region */
  eachRegion(type: MemblockTypeName): Generator<MemblockRegion> {
    return walkRegions(typeByName(this.state, type));
  }

  /** Whole pages of memory entries on a node; MAX_NUMNODES (64) is any. @kernel for_each_mem_pfn_range */
  memPfnRanges(nid: number = this.state.maxNumnodes): Generator<MemblockPfnRange> {
    checkNid(nid);
    return walkPfnRanges(this.state, nid);
  }

  /** Free whole pages inside a zone. @kernel __next_mem_pfn_range_in_zone */
  freePfnRangesInZone(zone: ZoneSpan): Generator<MemblockPfnRange> {
    checkNid(zone.nid);
    checkInt('zone.startPfn', zone.startPfn, 0, Number.MAX_SAFE_INTEGER);
    checkInt('zone.endPfn', zone.endPfn, 0, Number.MAX_SAFE_INTEGER);
    return walkPfnRangesInZone(this.state, zone);
  }

  /**
   * One step of an ascending walk from a cursor, 0 at first; null at the end. @kernel __next_mem_range
   */
  nextMemRange(
    cursor: bigint,
    type: MemblockTypeName,
    without: MemblockTypeName | null,
    nid: number = NUMA_NO_NODE,
    flags = 0,
  ): MemblockRange | null {
    checkU64('cursor', cursor);
    return nextMemRange(this.state, cursor, this.#walk(type, without, nid, flags));
  }

  /**
   * One step of a descending walk from a cursor, `CURSOR_END` at first; null at the end.
   * @kernel __next_mem_range_rev
   */
  nextMemRangeRev(
    cursor: bigint,
    type: MemblockTypeName,
    without: MemblockTypeName | null,
    nid: number = NUMA_NO_NODE,
    flags = 0,
  ): MemblockRange | null {
    checkU64('cursor', cursor);
    return nextMemRangeRev(this.state, cursor, this.#walk(type, without, nid, flags));
  }

  // --- settings (spec memblock 2.3, 4.18)

  /** Sets the bound of "accessible" allocations, unchecked. @kernel memblock_set_current_limit */
  setCurrentLimit(limit: bigint): void {
    checkU64('limit', limit);
    this.state.currentLimit = limit;
  }

  /** The bound of "accessible" allocations. @kernel memblock_get_current_limit */
  getCurrentLimit(): bigint {
    return this.state.currentLimit;
  }

  /** Makes searches ascend or, as at first, descend. @kernel memblock_set_bottom_up */
  setBottomUp(isBottomUp: boolean): void {
    this.state.bottomUp = isBottomUp;
  }

  /** Whether searches ascend. @kernel memblock_bottom_up */
  bottomUp(): boolean {
    return this.state.bottomUp;
  }

  /** Lets arrays grow from now on. @kernel memblock_allow_resize */
  allowResize(): void {
    this.state.canResize = true;
  }

  /** Whether `movable_node` was given: hot-pluggable memory is then not allocated from. @kernel movable_node_is_enabled */
  setMovableNode(isEnabled: boolean): void {
    this.state.movableNode = isEnabled;
  }

  /** Whether `kernelcore=mirror` was given: `markMirror` then works. @kernel mirrored_kernelcore */
  setMirroredKernelcore(isMirrored: boolean): void {
    this.state.mirroredKernelcore = isMirrored;
  }

  /** Turns debug lines and dumps on or off; see `parseMemblockParam`. @kernel memblock_debug */
  setDebug(isDebug: boolean): void {
    this.state.debug = isDebug;
  }

  // --- hand-over (spec memblock 4.19)

  /**
   * Gives every free page below `maxLowPfn` to the page allocator in ascending blocks; returns
   * their number. Clears HOTPLUG. If the sink throws, memblock is as before.
   * @kernel memblock_free_all
   */
  freeAll(sink: FreePageSink, maxLowPfn: number): number {
    checkInt('maxLowPfn', maxLowPfn, 0, Number.MAX_SAFE_INTEGER);
    checkLive(this.state);
    const pages = withRollback(this.state, () => freeAll(this.state, sink, maxLowPfn));
    return this.checked(pages);
  }

  /**
   * Gives the whole pages of a range to the page allocator one by one; returns their number. The
   * arrays stay as they are. @kernel memblock_free_late
   */
  freeLate(sink: FreePageSink, base: bigint, size: bigint, caller: string = NO_CALLER): number {
    checkU64('base', base);
    checkU64('size', size);
    return freeLate(this.state, sink, base, size, caller);
  }

  /**
   * Gives grown arrays back and ends the use of memblock: later edits throw `DISCARDED`. Nothing
   * happens with the option `keepMemblock`. @kernel memblock_discard
   */
  discard(sink: FreePageSink): void {
    checkLive(this.state);
    withRollback(this.state, () => discard(this.state, sink));
  }

  // --- text and data (spec memblock 5)

  /** Prints the dump to the log, in debug mode only. @kernel memblock_dump_all */
  dumpAll(): void {
    if (!debugs(this.state)) return;
    for (const line of formatDump(this.state)) print(this.state, 'info', line);
  }

  /** Text of `/sys/kernel/debug/memblock/<type>`. @kernel memblock_debug_show */
  debugfs(type: MemblockTypeName): string {
    return formatDebugfs(typeByName(this.state, type));
  }

  /** Everything that calls change, as plain data. */
  snapshot(): MemblockSnapshot {
    return takeSnapshot(this.state);
  }

  /**
   * Goes on from a snapshot with the options of this memblock; results are then the same.
   * @throws MemblockError `BAD_SNAPSHOT`, and nothing changed
   */
  restore(snapshot: MemblockSnapshot): void {
    applySnapshot(this.state, snapshot);
  }

  #walk(
    type: MemblockTypeName,
    without: MemblockTypeName | null,
    nid: number,
    flags: number,
  ): RangeWalk {
    checkNid(nid);
    checkFlags(flags);
    const typeB = without === null ? null : typeByName(this.state, without);
    return { typeA: typeByName(this.state, type), typeB, nid, flags };
  }

  #checkAlloc(size: bigint, align: bigint, min: bigint, max: bigint, nid: number): void {
    checkU64('size', size);
    checkU64('align', align);
    checkU64('lower bound', min);
    checkU64('upper bound', max);
    checkNid(nid);
    checkLive(this.state);
  }

  #allocVirtual(
    name: 'memblock_alloc_exact_nid_raw' | 'memblock_alloc_try_nid_raw' | 'memblock_alloc_try_nid',
    size: bigint,
    align: bigint,
    minAddr: bigint,
    maxAddr: bigint,
    nid: number,
    caller: string,
  ): bigint | null {
    checkU64('size', size);
    checkU64('align', align);
    checkU64('minAddr', minAddr);
    checkU64('maxAddr', maxAddr);
    checkNid(nid);
    const isExact = name === 'memblock_alloc_exact_nid_raw';
    const isZeroed = name === 'memblock_alloc_try_nid';
    const call = { name, size, align, from: minAddr, maxAddr, nid, isExact, isZeroed, caller };
    return this.checked(allocVirtual(this.state, call));
  }
}
