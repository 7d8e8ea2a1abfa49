import { hex } from '../lib/units.ts';
import type { Memblock, MemblockRange, MemblockTypeName } from '../memblock/index.ts';
import { RecordingError } from './errors.ts';
import {
  badValue,
  type Place,
  placeIn,
  readArray,
  readBoolean,
  readInteger,
  readList,
  readString,
  readU64,
} from './fields.ts';

/** Node -1 in a recording: none, or any. */
export const RECORDED_NO_NODE = -1;

const INT_MIN = -0x8000_0000;
const INT_MAX = 0x7fff_ffff;
const TYPE_NAMES: readonly MemblockTypeName[] = ['memory', 'reserved', 'physmem'];

/** Reads the arguments of one call in order. */
class Arguments {
  readonly #values: readonly unknown[];
  readonly #place: Place;
  #index = 0;

  constructor(values: readonly unknown[], place: Place) {
    this.#values = values;
    this.#place = place;
  }

  u64(): bigint {
    return readU64(this.#next(), this.#last());
  }

  /** An address, or null for the NULL pointer. */
  pointer(): bigint | null {
    const value = this.#next();
    return value === null ? null : readU64(value, this.#last());
  }

  int(): number {
    return readInteger(this.#next(), this.#last(), INT_MIN, INT_MAX);
  }

  bool(): boolean {
    return readBoolean(this.#next(), this.#last());
  }

  type(): MemblockTypeName {
    return readString(this.#next(), this.#last(), TYPE_NAMES);
  }

  #next(): unknown {
    return this.#values[this.#index++];
  }

  #last(): Place {
    return placeIn(this.#place, this.#index - 1);
  }
}

/** What a call gives back; `text` makes the recorded value and ours comparable and readable. */
type Result = 'none' | 'errno' | 'bool' | 'u64' | 'pointer' | 'ranges' | 'pfnRanges';

interface Call {
  /** Number of arguments. */
  readonly arity: number;
  readonly result: Result;
  /** Makes the call and returns the result as text, in the form of `readResult`. */
  readonly run: (memblock: Memblock, args: Arguments) => string;
}

const NONE = 'nothing';

/** A physical address, 0 being "none". */
function address(addr: bigint | null): string {
  return hex(addr ?? 0n);
}

/** A pointer: NULL is told apart from address 0. */
function pointer(addr: bigint | null): string {
  return addr === null ? 'NULL' : hex(addr);
}

function ranges(memblock: Memblock, list: Iterable<MemblockRange>): string {
  const parts: string[] = [];
  for (const { start, end, nid } of list) {
    parts.push(`[${hex(start)}, ${hex(end)}) nid ${recordedNid(memblock, nid)}`);
  }
  return parts.join(' ') || NONE;
}

function pfnRanges(memblock: Memblock, nid: number): string {
  const wanted = nid === RECORDED_NO_NODE ? memblock.state.maxNumnodes : nid;
  const parts: string[] = [];
  for (const { startPfn, endPfn, nid: node } of memblock.memPfnRanges(wanted)) {
    parts.push(`[${startPfn}, ${endPfn}) nid ${recordedNid(memblock, node)}`);
  }
  return parts.join(' ') || NONE;
}

/** The node as recordings write it. */
export function recordedNid(memblock: Memblock, nid: number): number {
  return nid === memblock.state.maxNumnodes ? RECORDED_NO_NODE : nid;
}

function edit(arity: number, run: (m: Memblock, a: Arguments) => number): Call {
  return { arity, result: 'errno', run: (m, a) => String(run(m, a)) };
}

function setting(arity: number, run: (m: Memblock, a: Arguments) => void): Call {
  const runAndSay = (m: Memblock, a: Arguments): string => {
    run(m, a);
    return NONE;
  };
  return { arity, result: 'none', run: runAndSay };
}

function physical(arity: number, run: (m: Memblock, a: Arguments) => bigint | null): Call {
  return { arity, result: 'u64', run: (m, a) => address(run(m, a)) };
}

function virtual(arity: number, run: (m: Memblock, a: Arguments) => bigint | null): Call {
  return { arity, result: 'pointer', run: (m, a) => pointer(run(m, a)) };
}

function question(arity: number, run: (m: Memblock, a: Arguments) => boolean): Call {
  return { arity, result: 'bool', run: (m, a) => String(run(m, a)) };
}

function amount(run: (m: Memblock) => bigint): Call {
  return { arity: 0, result: 'u64', run: (m) => hex(run(m)) };
}

function listing(arity: number, run: (m: Memblock, a: Arguments) => Iterable<MemblockRange>): Call {
  return { arity, result: 'ranges', run: (m, a) => ranges(m, run(m, a)) };
}

/** The calls of the kernel's memblock by their C names, with C's order of arguments. */
const CALLS: ReadonlyMap<string, Call> = new Map<string, Call>([
  ['memblock_add', edit(2, (m, a) => m.add(a.u64(), a.u64()))],
  ['memblock_add_node', edit(4, (m, a) => m.addNode(a.u64(), a.u64(), a.int(), a.int()))],
  ['memblock_remove', edit(2, (m, a) => m.remove(a.u64(), a.u64()))],
  ['memblock_reserve', edit(2, (m, a) => m.reserve(a.u64(), a.u64()))],
  ['memblock_phys_free', edit(2, (m, a) => m.physFree(a.u64(), a.u64()))],
  ['memblock_free', setting(2, (m, a) => m.free(a.pointer(), a.u64()))],
  ['memblock_mark_hotplug', edit(2, (m, a) => m.markHotplug(a.u64(), a.u64()))],
  ['memblock_clear_hotplug', edit(2, (m, a) => m.clearHotplug(a.u64(), a.u64()))],
  ['memblock_mark_mirror', edit(2, (m, a) => m.markMirror(a.u64(), a.u64()))],
  ['memblock_mark_nomap', edit(2, (m, a) => m.markNomap(a.u64(), a.u64()))],
  ['memblock_clear_nomap', edit(2, (m, a) => m.clearNomap(a.u64(), a.u64()))],
  ['memblock_set_node', edit(4, (m, a) => m.setNode(a.u64(), a.u64(), a.type(), a.int()))],
  [
    'memblock_alloc_range_nid',
    physical(6, (m, a) => m.allocRangeNid(a.u64(), a.u64(), a.u64(), a.u64(), a.int(), a.bool())),
  ],
  [
    'memblock_phys_alloc_range',
    physical(4, (m, a) => m.physAllocRange(a.u64(), a.u64(), a.u64(), a.u64())),
  ],
  ['memblock_phys_alloc', physical(2, (m, a) => m.physAlloc(a.u64(), a.u64()))],
  [
    'memblock_phys_alloc_try_nid',
    physical(3, (m, a) => m.physAllocTryNid(a.u64(), a.u64(), a.int())),
  ],
  [
    'memblock_alloc_exact_nid_raw',
    virtual(5, (m, a) => m.allocExactNidRaw(a.u64(), a.u64(), a.u64(), a.u64(), a.int())),
  ],
  [
    'memblock_alloc_try_nid_raw',
    virtual(5, (m, a) => m.allocTryNidRaw(a.u64(), a.u64(), a.u64(), a.u64(), a.int())),
  ],
  [
    'memblock_alloc_try_nid',
    virtual(5, (m, a) => m.allocTryNid(a.u64(), a.u64(), a.u64(), a.u64(), a.int())),
  ],
  ['memblock_alloc', virtual(2, (m, a) => m.alloc(a.u64(), a.u64()))],
  ['memblock_alloc_raw', virtual(2, (m, a) => m.allocRaw(a.u64(), a.u64()))],
  ['memblock_alloc_from', virtual(3, (m, a) => m.allocFrom(a.u64(), a.u64(), a.u64()))],
  ['memblock_alloc_low', virtual(2, (m, a) => m.allocLow(a.u64(), a.u64()))],
  ['memblock_alloc_node', virtual(3, (m, a) => m.allocNode(a.u64(), a.u64(), a.int()))],
  ['memblock_trim_memory', setting(1, (m, a) => m.trimMemory(a.u64()))],
  ['memblock_enforce_memory_limit', setting(1, (m, a) => m.enforceMemoryLimit(a.u64()))],
  ['memblock_cap_memory_range', setting(2, (m, a) => m.capMemoryRange(a.u64(), a.u64()))],
  ['memblock_mem_limit_remove_map', setting(1, (m, a) => m.memLimitRemoveMap(a.u64()))],
  ['memblock_set_current_limit', setting(1, (m, a) => m.setCurrentLimit(a.u64()))],
  ['memblock_get_current_limit', amount((m) => m.getCurrentLimit())],
  ['memblock_set_bottom_up', setting(1, (m, a) => m.setBottomUp(a.bool()))],
  ['memblock_bottom_up', question(0, (m) => m.bottomUp())],
  ['memblock_allow_resize', setting(0, (m) => m.allowResize())],
  ['memblock_is_memory', question(1, (m, a) => m.isMemory(a.u64()))],
  ['memblock_is_map_memory', question(1, (m, a) => m.isMapMemory(a.u64()))],
  ['memblock_is_reserved', question(1, (m, a) => m.isReserved(a.u64()))],
  ['memblock_is_region_memory', question(2, (m, a) => m.isRegionMemory(a.u64(), a.u64()))],
  ['memblock_is_region_reserved', question(2, (m, a) => m.isRegionReserved(a.u64(), a.u64()))],
  ['memblock_overlaps_region', question(3, (m, a) => m.overlapsRegion(a.type(), a.u64(), a.u64()))],
  ['memblock_phys_mem_size', amount((m) => m.physMemSize())],
  ['memblock_reserved_size', amount((m) => m.reservedSize())],
  ['memblock_start_of_DRAM', amount((m) => m.startOfDRAM())],
  ['memblock_end_of_DRAM', amount((m) => m.endOfDRAM())],
  ['for_each_free_mem_range', listing(2, (m, a) => m.freeMemRanges(a.int(), a.int()))],
  [
    'for_each_free_mem_range_reverse',
    listing(2, (m, a) => m.freeMemRangesReverse(a.int(), a.int())),
  ],
  ['for_each_mem_range', listing(0, (m) => m.memRanges())],
  ['for_each_mem_range_rev', listing(0, (m) => m.memRangesReverse())],
  ['for_each_reserved_mem_range', listing(0, (m) => m.reservedMemRanges())],
  [
    'for_each_mem_pfn_range',
    { arity: 1, result: 'pfnRanges', run: (m, a) => pfnRanges(m, a.int()) },
  ],
]);

/** The recorded result as text, in the form that `Call.run` gives. */
function readResult(kind: Result, value: unknown, place: Place): string {
  switch (kind) {
    case 'none':
      if (value !== null) throw badValue(place, 'null', value);
      return NONE;
    case 'errno':
      return String(readInteger(value, place, INT_MIN, INT_MAX));
    case 'bool':
      return String(readBoolean(value, place));
    case 'u64':
      return hex(readU64(value, place));
    case 'pointer':
      return pointer(value === null ? null : readU64(value, place));
    default: {
      const parts = readList(value, place, (entry, where) => readRange(entry, where));
      return parts.join(' ') || NONE;
    }
  }

  function readRange(entry: unknown, where: Place): string {
    const [start, end, nid] = readArray(entry, where, 3);
    const node = readInteger(nid, placeIn(where, 2), INT_MIN, INT_MAX);
    const isPfn = kind === 'pfnRanges';
    const bound = (bare: unknown, index: number): string =>
      isPfn
        ? String(readInteger(bare, placeIn(where, index)))
        : hex(readU64(bare, placeIn(where, index)));
    return `[${bound(start, 0)}, ${bound(end, 1)}) nid ${node}`;
  }
}

/** Both results of a call, as comparable text. */
export interface CallOutcome {
  /** What the kernel returned. */
  readonly expected: string;
  /** What the model returned. */
  readonly got: string;
}

/**
 * Makes one recorded call on the model.
 * @throws RecordingError `UNKNOWN_CALL`; `BAD_VALUE` for an argument or result of the wrong kind
 */
export function runCall(
  memblock: Memblock,
  name: string,
  args: readonly unknown[],
  ret: unknown,
  line: number,
): CallOutcome {
  const call = CALLS.get(name);
  if (call === undefined) {
    throw new RecordingError('UNKNOWN_CALL', `line ${line}: unknown call ${name}`, { line, name });
  }
  const place = { line, path: 'args' };
  readArray(args, place, call.arity);
  const expected = readResult(call.result, ret, { line, path: 'ret' });
  return { expected, got: call.run(memblock, new Arguments(args, place)) };
}
