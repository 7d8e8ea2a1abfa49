import { formatSlabinfoLine, SLABINFO_HEADER } from '../mm/slabinfo.ts';
import type { CacheState } from './cache-state.ts';
import type { SlabState } from './state.ts';
import { cacheStats } from './stats.ts';
import type { SlabStatistics } from './types.ts';

const VERSION_SUFFIX = ' (statistics)';
const STATISTICS_COLUMNS =
  ' : globalstat <listallocs> <maxobjs> <grown> <reaped> <error> <maxfreeable> <nodeallocs> <remotefrees> <alienoverflow>' +
  ' : cpustat <allochit> <allocmiss> <freehit> <freemiss>';

/** A count as an unsigned 64-bit number; the kernel's may wrap below zero. */
function unsigned(value: number, width: number): string {
  const text = value < 0 ? String(BigInt.asUintN(64, BigInt(value))) : String(value);
  return text.padStart(width);
}

/** The columns that a DEBUG_SLAB build adds to a cache's line. @kernel slabinfo_show_stats (spec slab 5.1) */
export function formatStatistics(statistics: SlabStatistics): string {
  const s = statistics;
  const global = [
    unsigned(s.numAllocations, 7),
    unsigned(s.highMark, 6),
    unsigned(s.grown, 5),
    unsigned(s.reaped, 4),
    unsigned(s.errors, 4),
    unsigned(s.maxFreeable, 4),
    unsigned(s.nodeAllocs, 4),
    unsigned(s.nodeFrees, 4),
    unsigned(s.nodeOverflow, 4),
  ];
  const cpu = [s.allochit, s.allocmiss, s.freehit, s.freemiss].map((count) => unsigned(count, 6));
  return ` : globalstat ${global.join(' ')} : cpustat ${cpu.join(' ')}`;
}

/** The two lines above the caches in `/proc/slabinfo`. @kernel print_slabinfo_header (spec slab 5.1) */
export function slabinfoHeader(debug: boolean): string[] {
  const [version, columns] = SLABINFO_HEADER;
  if (!debug) return [version, columns];
  return [version + VERSION_SUFFIX, columns + STATISTICS_COLUMNS];
}

function slabinfoLine(cache: CacheState): string {
  const line = formatSlabinfoLine(cache.name, cacheStats(cache));
  return cache.state.debug ? line + formatStatistics(cache.statistics) : line;
}

/** The text of `/proc/slabinfo`: newest cache first. (spec slab 5.1) */
export function formatSlabSlabinfo(state: SlabState): string {
  return `${[...slabinfoHeader(state.debug), ...state.caches.map(slabinfoLine)].join('\n')}\n`;
}
