import { SlabFlag } from '../mm/slab-flags.ts';
import { FreelistFlag } from '../slab/geometry.ts';
import { parseSlabParameters } from '../slab/parameters.ts';
import type { RecordedLine, RecordingMeta, ReplayOutcome } from './types.ts';

/** Debug flags that only a DEBUG_SLAB build gives its caches. */
const DEBUG_BUILD_FLAGS = SlabFlag.SLAB_RED_ZONE | SlabFlag.SLAB_POISON | SlabFlag.SLAB_STORE_USER;
/** More pages than this raise the order limit of SLAB. */
const RAM_PAGES_LIMIT = 8192;
/** What a kernel takes at least, and at most, before SLAB starts, in pages. */
const KERNEL_PAGES_MIN = 4096;
const KERNEL_PAGES_MAX = 12288;
/** What boot code gives back at most after SLAB started, in pages. */
const INIT_PAGES_MAX = 2048;

const UNITS: Readonly<Record<string, number>> = { '': 2 ** 20, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Boot parameters that take memory away from the machine. */
const MEMORY_PARAMETER = /(^|\s)(mem|memmap)=/;

/** Memory that the recorded machine had, in pages; NaN when nothing tells. */
function memoryPages({ memory, cmdline }: RecordingMeta): number {
  const found = /^(\d+)([KMG]?)$/i.exec(memory);
  if (found === null || MEMORY_PARAMETER.test(cmdline)) return Number.NaN;
  return (Number(found[1]) * (UNITS[found[2].toUpperCase()] ?? 0)) / 4096;
}

/**
 * Order limits that the recorded kernel may have had. It depends on the RAM at the moment when SLAB
 * started, which no recording tells; there are two for machines of about 32 MiB, and where not even the
 * memory is known.
 * @param managedPages pages of the page allocator later, 0 when not recorded
 */
export function slabMaxOrders(meta: RecordingMeta, managedPages: number): number[] {
  const { maxOrder } = parseSlabParameters(meta.cmdline);
  if (maxOrder >= 0) return [Math.min(maxOrder, 10)];
  const isKnown = managedPages > 0;
  const most = isKnown ? managedPages : memoryPages(meta) - KERNEL_PAGES_MIN;
  const least = isKnown ? managedPages - INIT_PAGES_MAX : memoryPages(meta) - KERNEL_PAGES_MAX;
  if (least > RAM_PAGES_LIMIT) return [1];
  return most <= RAM_PAGES_LIMIT ? [0] : [1, 0];
}

/** Replays with each of the limits until one agrees; else what the first one found. */
export function replayWithOrders(
  orders: readonly number[],
  replay: (slabMaxOrder: number) => ReplayOutcome,
): ReplayOutcome {
  const first = replay(orders[0]);
  if (first.divergence === null) return first;
  for (const order of orders.slice(1)) {
    const outcome = replay(order);
    if (outcome.divergence === null) return outcome;
  }
  return first;
}

/** Whether the recorded kernel has DEBUG_SLAB: its caches have flags that no other gives them. */
export function isDebugBuild(lines: readonly RecordedLine[]): boolean {
  return lines.some(({ value }) => hasDebugFlags(value));
}

function hasDebugFlags(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasDebugFlags);
  if (typeof value !== 'object' || value === null) return false;
  const { flags, cache, caches } = value as Record<string, unknown>;
  if (typeof flags === 'string') return (Number(flags) & DEBUG_BUILD_FLAGS) !== 0;
  return hasDebugFlags(cache) || hasDebugFlags(caches);
}

/** The flags that a creator gave, from those of the cache that came of it. */
export function requestedFlags(flags: number, debug: boolean): number {
  const placement = FreelistFlag.CFLGS_OBJFREELIST_SLAB | FreelistFlag.CFLGS_OFF_SLAB;
  return (flags & ~placement & (debug ? ~DEBUG_BUILD_FLAGS : -1)) >>> 0;
}
