import { formatPciGap } from './format.ts';
import { logErr, logInfo } from './log.ts';
import type { E820State } from './state.ts';
import type { E820Table, LogSink } from './types.ts';
import { entryEnd } from './u64.ts';

/** Smallest gap that is taken, 4 MiB. */
const MIN_GAP = 0x40_0000n;
/** Gaps are searched below 4 GiB. */
const MAX_GAP_END = 0x1_0000_0000n;

/** Address space for PCI devices. */
export interface PciGap {
  /** First byte. */
  readonly start: bigint;
  /** Length in bytes. */
  readonly size: bigint;
  /** Whether it is a gap of the map; false: none was large enough and this place was made up. */
  readonly found: boolean;
}

/**
 * Largest gap below 4 GiB; the lowest of several equal ones. The space below the first entry is not
 * seen.
 * @param table a sorted table
 * @returns null when no gap of 4 MiB is there
 * @kernel e820_search_gap, spec e820 4.18
 */
export function e820SearchGap(table: E820Table): PciGap | null {
  const { entries } = table;
  let best = MIN_GAP;
  let start = -1n;
  let last = MAX_GAP_END;
  for (let i = entries.length - 1; i >= 0; i--) {
    const end = entryEnd(entries[i]);
    if (last > end && last - end >= best) {
      best = last - end;
      start = end;
    }
    if (entries[i].addr < last) last = entries[i].addr;
  }
  return start < 0n ? null : { start, size: best, found: true };
}

/**
 * Chooses the address space for PCI devices; without a gap, a place 1 MiB above RAM.
 * @param state its `pciMemStart` is set
 * @param log takes the lines
 * @kernel e820__setup_pci_gap, spec e820 4.18
 */
export function e820SetupPciGap(state: E820State, log?: LogSink): PciGap {
  let gap = e820SearchGap(state.table);
  if (gap === null) {
    logErr(log, 'Cannot find an available gap in the 32-bit address range');
    logErr(log, 'PCI devices with unassigned 32-bit BARs may not work!');
    gap = { start: BigInt(state.maxPfn) * 4096n + 0x10_0000n, size: MIN_GAP, found: false };
  }
  state.pciMemStart = gap.start;
  logInfo(log, formatPciGap(gap.start, gap.start + gap.size - 1n));
  return gap;
}
