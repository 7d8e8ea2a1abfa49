import { MemblockFlags, NUMA_NO_NODE } from './constants.ts';
import { reserve } from './edit.ts';
import { chooseFlags, findInRangeNode } from './find.ts';
import { type AllocCall, formatAllocCall } from './format.ts';
import { anyNode } from './iterate.ts';
import { debugs, print, warn, warnMirror, warnOnce } from './log.ts';
import { withRollback } from './snapshot.ts';
import { checkLive, type MemblockState } from './state.ts';
import { min64 } from './u64.ts';

// Allocation: search, reserve, and the order of attempts (spec memblock 4.13 to 4.15). Inside,
// address 0 means failure.

/** @internal What the virtual front ends differ in. */
export interface VirtualAlloc extends AllocCall {
  /** Node wanted. */
  readonly nid: number;
  /** No other node will do. */
  readonly isExact: boolean;
  /** The bytes are zeroed. */
  readonly isZeroed: boolean;
  /** Name in the debug line. */
  readonly name: string;
  /** Return address in the debug line. */
  readonly caller: string;
}

/**
 * @internal Finds and reserves `size` bytes in `[start, end)`; 0 if there are none. Mirrored memory
 * of any node is tried before other memory, and the wanted node before others.
 * @kernel memblock_alloc_range_nid
 */
export function allocRangeNid(
  state: MemblockState,
  size: bigint,
  align: bigint,
  start: bigint,
  end: bigint,
  wantedNid: number,
  isExact: boolean,
): bigint {
  const nid = anyNode(state, wantedNid, 'memblock_alloc_range_nid');
  let alignment = align;
  if (align === 0n) {
    warn(state, 'ALIGN_ZERO');
    alignment = state.smpCacheBytes;
  }
  let flags = chooseFlags(state);
  for (;;) {
    const search = { size, align: alignment, start, end, flags };
    const found = findInRangeNode(state, { ...search, nid });
    if (found !== 0n && reserveFound(state, found, size)) return found;
    if (nid !== NUMA_NO_NODE && !isExact) {
      const elsewhere = findInRangeNode(state, { ...search, nid: NUMA_NO_NODE });
      if (elsewhere !== 0n && reserveFound(state, elsewhere, size)) return elsewhere;
    }
    if (flags === MemblockFlags.MEMBLOCK_NONE) return 0n;
    warnMirror(state, state.allocMirrorLimit, size);
    flags = MemblockFlags.MEMBLOCK_NONE;
  }
}

/** A reservation that fails counts as "not found". */
function reserveFound(state: MemblockState, found: bigint, size: bigint): boolean {
  return reserve(state, found, size, state.callers.allocRangeNid) === 0;
}

/** @internal Physical allocation in a range, with its debug line. @kernel memblock_phys_alloc_range */
export function physAllocRange(
  state: MemblockState,
  size: bigint,
  align: bigint,
  start: bigint,
  end: bigint,
  caller: string,
): bigint {
  if (debugs(state)) {
    const call = { size, align, from: start, maxAddr: end };
    print(state, 'info', formatAllocCall('memblock_phys_alloc_range', call, null, caller));
  }
  return allocRangeNid(state, size, align, start, end, NUMA_NO_NODE, false);
}

/**
 * @internal Virtual allocation: a lower bound that cannot be met is dropped, the node's preference
 * before it. Null if there is no room. @kernel memblock_alloc_internal
 */
export function allocVirtual(state: MemblockState, call: VirtualAlloc): bigint | null {
  if (debugs(state)) print(state, 'info', formatAllocCall(call.name, call, call.nid, call.caller));
  const { slab, contents } = state;
  const { size, nid } = call;
  if (slab?.isAvailable()) {
    warnOnce(state, 'SLAB_AVAILABLE', 'memblock_alloc_internal');
    return slab.kzallocNode(Number(size), nid);
  }
  checkLive(state);
  if (contents === null || !call.isZeroed) return nullIfZero(allocBounded(state, call));
  return withRollback(state, () => {
    const addr = allocBounded(state, call);
    if (addr !== 0n && size > 0n) contents.fill(Number(addr), Number(size), 0);
    return nullIfZero(addr);
  });
}

/** With the lower bound, then without. */
function allocBounded(state: MemblockState, call: VirtualAlloc): bigint {
  const { size, align, from, nid, isExact } = call;
  const end = min64(call.maxAddr, state.currentLimit);
  const addr = allocRangeNid(state, size, align, from, end, nid, isExact);
  if (addr !== 0n || from === 0n) return addr;
  return allocRangeNid(state, size, align, 0n, end, nid, isExact);
}

/** @internal The public form of "no room". */
export function nullIfZero(addr: bigint): bigint | null {
  return addr === 0n ? null : addr;
}
