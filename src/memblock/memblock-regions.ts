import { markMirror, setclrFlag, setNode } from './attributes.ts';
import { MemblockFlags } from './constants.ts';
import { addRange, type EditResult, physFree, removeRange, reserve } from './edit.ts';
import { checkFlags, checkInt, checkNid, checkU64 } from './errors.ts';
import { formatAddNode, formatRangeCall } from './format.ts';
import { assertInvariants } from './invariants.ts';
import { capMemoryRange, enforceMemoryLimit, memLimitRemoveMap, trimMemory } from './limits.ts';
import { debugs, print } from './log.ts';
import { isInOneRegion, overlapsRegion, searchPfnNid } from './query.ts';
import { searchRegion } from './region-array.ts';
import { checkLive, createState, type MemblockState, typeByName } from './state.ts';
import type { MemblockOptions, MemblockRegion, MemblockTypeName, PfnNid } from './types.ts';

/** What `%pS` prints for a caller that is not known. */
export const NO_CALLER = '0x0';

/** Page frame numbers end where physical addresses do. */
const PFN_MAX = 2 ** 52;

/**
 * The region arrays of a memblock: edits, flags, nodes, limits and queries. `Memblock` adds walks,
 * allocation and the hand-over.
 *
 * Addresses and sizes are bigint, unsigned 64-bit; a size that reaches beyond 2^64 - 1 is capped.
 * A trailing `caller` is the return address that debug lines show.
 * Every method throws `MemblockError` (`BAD_ARGUMENT`) for an argument of the wrong kind, and every
 * method that edits throws `DISCARDED` after `discard`.
 */
export class MemblockRegions {
  /** The data, for `checkInvariants` and the text functions. Not to be edited. */
  readonly state: MemblockState;
  readonly #isChecked: boolean;

  /** A memblock as it is when the kernel starts: nothing known, nothing reserved. */
  constructor(options: MemblockOptions = {}) {
    this.state = createState(options);
    this.#isChecked = options.checks === 'full';
  }

  /** Adds physical memory without a node. 0 or -ENOMEM. @kernel memblock_add (spec memblock 4.4) */
  add(base: bigint, size: bigint, caller: string = NO_CALLER): EditResult {
    this.#edit('memblock_add', base, size, caller);
    const { memory, maxNumnodes } = this.state;
    return this.checked(addRange(this.state, memory, base, size, maxNumnodes, 0));
  }

  /**
   * Adds physical memory of a node, with flags of `MemblockFlags`. What is known already keeps
   * both. 0 or -ENOMEM. @kernel memblock_add_node (spec memblock 4.4)
   */
  addNode(
    base: bigint,
    size: bigint,
    nid: number,
    flags: number,
    caller: string = NO_CALLER,
  ): EditResult {
    checkNid(nid);
    checkFlags(flags);
    this.#edit(null, base, size, caller);
    const { state } = this;
    if (debugs(state)) print(state, 'info', formatAddNode(base, size, nid, flags, caller));
    return this.checked(addRange(state, state.memory, base, size, nid, flags));
  }

  /** Takes physical memory away. 0 or -ENOMEM. @kernel memblock_remove (spec memblock 4.6) */
  remove(base: bigint, size: bigint, caller: string = NO_CALLER): EditResult {
    this.#edit('memblock_remove', base, size, caller);
    return this.checked(removeRange(this.state, this.state.memory, base, size));
  }

  /** Marks a range, memory or not, as in use. 0 or -ENOMEM. @kernel memblock_reserve (spec memblock 4.4) */
  reserve(base: bigint, size: bigint, caller: string = NO_CALLER): EditResult {
    this.#edit(null, base, size, caller);
    return this.checked(reserve(this.state, base, size, caller));
  }

  /**
   * Ends the use of a range. 0, or -ENOMEM when the array is nearly full and cannot grow.
   * @kernel memblock_phys_free (spec memblock 4.6)
   */
  physFree(base: bigint, size: bigint, caller: string = NO_CALLER): EditResult {
    this.#edit(null, base, size, caller);
    return this.checked(physFree(this.state, base, size, caller));
  }

  /**
   * As `physFree`, for what an allocation returned; null is ignored. No result.
   * @kernel memblock_free (spec memblock 4.6)
   */
  free(addr: bigint | null, size: bigint, caller: string = NO_CALLER): void {
    if (addr !== null) this.physFree(addr, size, caller);
  }

  /** Adds installed memory to `physmem`. 0 or -ENOMEM. @kernel memblock_physmem_add (spec memblock 4.4) */
  physmemAdd(base: bigint, size: bigint, caller: string = NO_CALLER): EditResult {
    const type = typeByName(this.state, 'physmem');
    this.#edit('memblock_physmem_add', base, size, caller);
    return this.checked(addRange(this.state, type, base, size, this.state.maxNumnodes, 0));
  }

  /** Marks memory as hot-pluggable. 0 or -ENOMEM. @kernel memblock_mark_hotplug (spec memblock 4.7) */
  markHotplug(base: bigint, size: bigint): EditResult {
    return this.#setFlag(base, size, true, MemblockFlags.MEMBLOCK_HOTPLUG);
  }

  /** Undoes `markHotplug`. 0 or -ENOMEM. @kernel memblock_clear_hotplug (spec memblock 4.7) */
  clearHotplug(base: bigint, size: bigint): EditResult {
    return this.#setFlag(base, size, false, MemblockFlags.MEMBLOCK_HOTPLUG);
  }

  /**
   * Marks memory as mirrored, which allocations then prefer. Does nothing without
   * `kernelcore=mirror`. 0 or -ENOMEM. @kernel memblock_mark_mirror (spec memblock 4.7)
   */
  markMirror(base: bigint, size: bigint): EditResult {
    this.#edit(null, base, size, NO_CALLER);
    return this.checked(markMirror(this.state, base, size));
  }

  /** Keeps memory out of the direct mapping. 0 or -ENOMEM. @kernel memblock_mark_nomap (spec memblock 4.7) */
  markNomap(base: bigint, size: bigint): EditResult {
    return this.#setFlag(base, size, true, MemblockFlags.MEMBLOCK_NOMAP);
  }

  /** Undoes `markNomap`. 0 or -ENOMEM. @kernel memblock_clear_nomap (spec memblock 4.7) */
  clearNomap(base: bigint, size: bigint): EditResult {
    return this.#setFlag(base, size, false, MemblockFlags.MEMBLOCK_NOMAP);
  }

  /**
   * Gives the entries of an array inside a range a node; nothing without NUMA. 0 or -ENOMEM.
   * @kernel memblock_set_node (spec memblock 4.8)
   */
  setNode(base: bigint, size: bigint, type: MemblockTypeName, nid: number): EditResult {
    checkNid(nid);
    const array = typeByName(this.state, type);
    this.#edit(null, base, size, NO_CALLER);
    return this.checked(setNode(this.state, base, size, array, nid));
  }

  /**
   * Shrinks memory entries to whole multiples of `align` bytes, a power of two. The total keeps
   * counting the bytes cut off. @kernel memblock_trim_memory (spec memblock 4.17)
   */
  trimMemory(align: bigint): void {
    checkU64('align', align);
    checkLive(this.state);
    trimMemory(this.state, align);
    this.checked(0);
  }

  /**
   * Keeps the first `limit` bytes of memory, 0 for all, and forgets what lies above, reservations
   * too. @kernel memblock_enforce_memory_limit (spec memblock 4.17)
   */
  enforceMemoryLimit(limit: bigint): void {
    checkU64('limit', limit);
    checkLive(this.state);
    enforceMemoryLimit(this.state, limit);
    this.checked(0);
  }

  /**
   * Keeps memory inside a range, and NOMAP memory everywhere; drops reservations outside.
   * @kernel memblock_cap_memory_range (spec memblock 4.17)
   */
  capMemoryRange(base: bigint, size: bigint): void {
    this.#edit(null, base, size, NO_CALLER);
    capMemoryRange(this.state, base, size);
    this.checked(0);
  }

  /** As `enforceMemoryLimit`, but keeps NOMAP memory. @kernel memblock_mem_limit_remove_map (spec memblock 4.17) */
  memLimitRemoveMap(limit: bigint): void {
    checkU64('limit', limit);
    checkLive(this.state);
    memLimitRemoveMap(this.state, limit);
    this.checked(0);
  }

  /** A copy of the entries of an array in order; one of size 0 if it is empty. */
  regions(type: MemblockTypeName): MemblockRegion[] {
    return typeByName(this.state, type).regions.slice();
  }

  /** Whether an address is memory. @kernel memblock_is_memory */
  isMemory(addr: bigint): boolean {
    checkU64('addr', addr);
    return searchRegion(this.state.memory, addr) >= 0;
  }

  /** Whether an address is memory in the direct mapping. @kernel memblock_is_map_memory */
  isMapMemory(addr: bigint): boolean {
    checkU64('addr', addr);
    const index = searchRegion(this.state.memory, addr);
    if (index < 0) return false;
    return (this.state.memory.regions[index].flags & MemblockFlags.MEMBLOCK_NOMAP) === 0;
  }

  /** Whether an address is in use. @kernel memblock_is_reserved */
  isReserved(addr: bigint): boolean {
    checkU64('addr', addr);
    return searchRegion(this.state.reserved, addr) >= 0;
  }

  /**
   * Whether one memory entry holds all of a range: false across two adjacent entries, true for
   * size 0 at memory. @kernel memblock_is_region_memory
   */
  isRegionMemory(base: bigint, size: bigint): boolean {
    checkU64('base', base);
    checkU64('size', size);
    return isInOneRegion(this.state.memory, base, size);
  }

  /** Whether any of a range is in use. @kernel memblock_is_region_reserved */
  isRegionReserved(base: bigint, size: bigint): boolean {
    return this.overlapsRegion('reserved', base, size);
  }

  /**
   * Whether an entry of an array overlaps a range; for size 0 only strictly inside an entry.
   * @kernel memblock_overlaps_region
   */
  overlapsRegion(type: MemblockTypeName, base: bigint, size: bigint): boolean {
    checkU64('base', base);
    checkU64('size', size);
    return overlapsRegion(typeByName(this.state, type), base, size);
  }

  /** Node and page range of the memory entry that holds a page frame, or null. @kernel memblock_search_pfn_nid */
  searchPfnNid(pfn: number): PfnNid | null {
    checkInt('pfn', pfn, 0, PFN_MAX);
    return searchPfnNid(this.state.memory, pfn);
  }

  /** Bytes of memory as the kernel counts them: trimmed bytes are included. @kernel memblock_phys_mem_size */
  physMemSize(): bigint {
    return this.state.memory.totalSize;
  }

  /** Bytes in use. @kernel memblock_reserved_size */
  reservedSize(): bigint {
    return this.state.reserved.totalSize;
  }

  /** First byte of memory, 0 if there is none. @kernel memblock_start_of_DRAM */
  startOfDRAM(): bigint {
    return this.state.memory.regions[0].base;
  }

  /** End of the last memory entry, 0 if there is none. @kernel memblock_end_of_DRAM */
  endOfDRAM(): bigint {
    const { regions } = this.state.memory;
    return regions[regions.length - 1].end;
  }

  /** @internal Passes a result on, after all invariants if the option `checks` asks for it. */
  protected checked<T>(result: T): T {
    if (this.#isChecked) assertInvariants(this.state);
    return result;
  }

  #setFlag(base: bigint, size: bigint, isSet: boolean, flag: number): EditResult {
    this.#edit(null, base, size, NO_CALLER);
    return this.checked(setclrFlag(this.state, base, size, isSet, flag));
  }

  /** What every edit begins with: the arguments, the state, the debug line if it has a name here. */
  #edit(name: string | null, base: bigint, size: bigint, caller: string): void {
    checkU64('base', base);
    checkU64('size', size);
    checkLive(this.state);
    if (name === null || !debugs(this.state)) return;
    print(this.state, 'info', formatRangeCall(name, base, size, caller));
  }
}
