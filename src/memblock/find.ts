import {
  MEMBLOCK_ALLOC_ACCESSIBLE,
  MEMBLOCK_ALLOC_NOLEAKTRACE,
  MemblockFlags,
  NUMA_NO_NODE,
  PHYS_ADDR_MAX,
} from './constants.ts';
import { shouldSkipRegion } from './iterate.ts';
import { warnMirror } from './log.ts';
import { firstBaseFrom, firstEndAbove } from './region-array.ts';
import { isEmpty, type MemblockState } from './state.ts';
import { max64, min64, roundDown, roundUp } from './u64.ts';

/** @internal What is looked for, and where. Addresses are bytes; `[start, end)` is the window. */
export interface Search {
  /** Bytes wanted; not rounded to the alignment. */
  readonly size: bigint;
  /** Alignment in bytes. */
  readonly align: bigint;
  /** Lower bound. */
  readonly start: bigint;
  /** Upper bound, exclusive. */
  readonly end: bigint;
  /** Node wanted, NUMA_NO_NODE for any. */
  readonly nid: number;
  /** Flags asked for. */
  readonly flags: number;
}

const FIRST_PAGE_END = 4096n;
const PAGE_ALIGNMENT = 4096n;

/**
 * @internal Address of free memory for a search, 0 for "not found". Physical page 0 is never given.
 * @kernel memblock_find_in_range_node (spec memblock 4.12)
 */
export function findInRangeNode(state: MemblockState, search: Search): bigint {
  if (isEmpty(state.memory)) return 0n;
  const { end: asked } = search;
  const isAccessible = asked === MEMBLOCK_ALLOC_ACCESSIBLE || asked === MEMBLOCK_ALLOC_NOLEAKTRACE;
  const start = max64(search.start, FIRST_PAGE_END);
  const end = max64(start, isAccessible ? state.currentLimit : asked);
  return state.bottomUp
    ? findBottomUp(state, search, start, end)
    : findTopDown(state, search, start, end);
}

/**
 * Highest place. The walk is that of `nextMemRangeRev`, but goes straight to the entries and gaps
 * that reach into the window: outside it a search of at least one byte can accept nothing. A search
 * of size 0 can, at the window's ends, so it looks at everything.
 * @kernel __memblock_find_range_top_down
 */
function findTopDown(
  state: MemblockState,
  { size, align, nid, flags }: Search,
  start: bigint,
  end: bigint,
): bigint {
  const { memory } = state;
  const entries = memory.regions;
  const holes = state.reserved.regions;
  const isZero = size === 0n;
  for (let a = (isZero ? entries.length : firstBaseFrom(entries, end)) - 1; a >= 0; a--) {
    const entry = entries[a];
    if (!isZero && entry.end <= start) break;
    if (shouldSkipRegion(state, memory, entry, nid, flags)) continue;
    const top = isZero ? entry.end : min64(entry.end, end);
    // Gap b begins where entry b - 1 ends: b - 1 is the last that ends below `top`.
    for (let b = firstEndAbove(holes, top - 1n); b >= 0; b--) {
      const gapEnd = b < holes.length ? holes[b].base : PHYS_ADDR_MAX;
      if (gapEnd <= entry.base) break;
      const gapStart = b === 0 ? 0n : holes[b - 1].end;
      // Most gaps of a fragmented machine are too small: the cheapest test comes first.
      if (gapEnd - gapStart < size) continue;
      const low = clamp(max64(entry.base, gapStart), start, end);
      const high = clamp(min64(entry.end, gapEnd), start, end);
      if (high < size) continue;
      const candidate = roundDown(high - size, align);
      if (candidate >= low) return candidate;
    }
  }
  return 0n;
}

/**
 * Lowest place; the shortcuts are those of `findTopDown`.
 * @kernel __memblock_find_range_bottom_up
 */
function findBottomUp(
  state: MemblockState,
  { size, align, nid, flags }: Search,
  start: bigint,
  end: bigint,
): bigint {
  const { memory } = state;
  const entries = memory.regions;
  const holes = state.reserved.regions;
  const isZero = size === 0n;
  for (let a = isZero ? 0 : firstEndAbove(entries, start); a < entries.length; a++) {
    const entry = entries[a];
    if (!isZero && entry.base >= end) break;
    if (shouldSkipRegion(state, memory, entry, nid, flags)) continue;
    const bottom = isZero ? entry.base : max64(entry.base, start);
    // Gap b ends where entry b begins: b is the first that begins above `bottom`.
    for (let b = firstBaseFrom(holes, bottom + 1n); b <= holes.length; b++) {
      const gapStart = b === 0 ? 0n : holes[b - 1].end;
      if (gapStart >= entry.end) break;
      const gapEnd = b < holes.length ? holes[b].base : PHYS_ADDR_MAX;
      if (gapEnd - gapStart < size) continue;
      const low = clamp(max64(entry.base, gapStart), start, end);
      const high = clamp(min64(entry.end, gapEnd), start, end);
      const candidate = roundUp(low, align);
      if (candidate < high && high - candidate >= size) return candidate;
    }
  }
  return 0n;
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  return value < low ? low : min64(value, high);
}

/** @internal Mirrored memory is asked for as soon as there is some. @kernel choose_memblock_flags */
export function chooseFlags(state: MemblockState): number {
  return state.hasMirror ? MemblockFlags.MEMBLOCK_MIRROR : MemblockFlags.MEMBLOCK_NONE;
}

/**
 * @internal Page-aligned room on any node for a grown array, preferring mirrored memory; 0 for "not
 * found". @kernel memblock_find_in_range
 */
export function findInRange(
  state: MemblockState,
  start: bigint,
  end: bigint,
  size: bigint,
): bigint {
  const search = { size, align: PAGE_ALIGNMENT, start, end, nid: NUMA_NO_NODE };
  const flags = chooseFlags(state);
  const found = findInRangeNode(state, { ...search, flags });
  if (found !== 0n || flags === MemblockFlags.MEMBLOCK_NONE) return found;
  warnMirror(state, state.growthMirrorLimit, size);
  return findInRangeNode(state, { ...search, flags: MemblockFlags.MEMBLOCK_NONE });
}
