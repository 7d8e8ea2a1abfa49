import { formatNosave } from './format.ts';
import { logInfo } from './log.ts';
import { type E820Table, E820Type, type LogSink } from './types.ts';
import { checkNumber, entryEnd, pfnDown, pfnUp } from './u64.ts';

/** Page frames that hibernation leaves out. */
export interface NosaveRegion {
  /** First page frame. */
  readonly startPfn: number;
  /** First page frame after the region. */
  readonly endPfn: number;
}

/**
 * A boot allocation that this area asks of memblock.
 * @param sizeBytes length
 * @param alignBytes alignment
 */
export type BootAlloc = (sizeBytes: bigint, alignBytes: bigint) => void;

/** What {@link e820RegisterNosaveRegions} may be told. */
export interface NosaveOptions {
  /** Take the walk of early 6.1.y kernels, before the stable update of spring 2025. */
  readonly earlyWalk?: boolean;
  /** Called for the 32 bytes of each region record. */
  readonly alloc?: BootAlloc;
}

const SMP_CACHE_BYTES = 64n;
const NOSAVE_REGION_BYTES = 32n;

/**
 * Registers all page frames below a limit that do not lie wholly in RAM or RESERVED_KERN.
 * @param table a sorted table
 * @param limitPfn first page frame that is of no interest, `maxPfn`
 * @param log takes one line for each registration
 * @param options walk and allocator
 * @returns the regions, adjacent registrations joined
 * @throws E820Error `BAD_NUMBER`
 * @kernel e820__register_nosave_regions, spec e820 4.17
 */
export function e820RegisterNosaveRegions(
  table: E820Table,
  limitPfn: number,
  log?: LogSink,
  options: NosaveOptions = {},
): NosaveRegion[] {
  checkNumber('limitPfn', limitPfn, 0, Number.MAX_SAFE_INTEGER);
  const ranges = options.earlyWalk
    ? earlyNosaveRanges(table, limitPfn)
    : nosaveRanges(table, limitPfn);
  const regions: NosaveRegion[] = [];
  for (const range of ranges) registerNosaveRegion(regions, range, log, options.alloc);
  return regions;
}

/** The gaps between RAM entries, in byte precision, widened to whole pages. */
function nosaveRanges(table: E820Table, limitPfn: number): NosaveRegion[] {
  const ranges: NosaveRegion[] = [];
  let last = 0n;
  for (const entry of table.entries) {
    if (!isSaved(entry.type)) continue;
    if (last < entry.addr) ranges.push({ startPfn: pfnDown(last), endPfn: pfnUp(entry.addr) });
    last = entryEnd(entry);
  }
  ranges.push({ startPfn: pfnDown(last), endPfn: limitPfn });
  return ranges;
}

/** The older walk: holes and entries that are not RAM, each on its own. */
function earlyNosaveRanges(table: E820Table, limitPfn: number): NosaveRegion[] {
  const ranges: NosaveRegion[] = [];
  let pfn = 0;
  for (const entry of table.entries) {
    const start = pfnUp(entry.addr);
    if (pfn < start) ranges.push({ startPfn: pfn, endPfn: start });
    pfn = pfnDown(entryEnd(entry));
    if (!isSaved(entry.type)) ranges.push({ startPfn: start, endPfn: pfn });
    if (pfn >= limitPfn) break;
  }
  return ranges;
}

function isSaved(type: number): boolean {
  return type === E820Type.RAM || type === E820Type.RESERVED_KERN;
}

/** @kernel register_nosave_region */
function registerNosaveRegion(
  regions: NosaveRegion[],
  { startPfn, endPfn }: NosaveRegion,
  log: LogSink | undefined,
  alloc: BootAlloc | undefined,
): void {
  if (startPfn >= endPfn) return;
  const last = regions.at(-1);
  if (last !== undefined && last.endPfn === startPfn) {
    regions[regions.length - 1] = { startPfn: last.startPfn, endPfn };
  } else {
    alloc?.(NOSAVE_REGION_BYTES, SMP_CACHE_BYTES);
    regions.push({ startPfn, endPfn });
  }
  logInfo(log, formatNosave(startPfn, endPfn));
}
