import { e820EndOfRamPfn } from './end-of-ram.ts';
import { formatE820Map, formatMem, formatMtrrLoss, HEADER_MODIFIED } from './format.ts';
import { logInfo, logInfoLines, logWarning } from './log.ts';
import { e820MappedAny } from './query.ts';
import { e820RangeUpdate } from './range.ts';
import type { E820State } from './state.ts';
import { e820RangeAdd } from './table.ts';
import { type AddressRange, E820Type, type LogSink } from './types.ts';
import { wrap64 } from './u64.ts';
import { e820UpdateTable } from './update-table.ts';

/**
 * Sanitises the working map and, if that was done, prints it.
 * @param state its working map is sanitised
 * @param log takes the lines
 * @throws E820Error `FROZEN`
 * @kernel e820__update_table_print, spec e820 4.21
 */
export function e820UpdateTablePrint(state: E820State, log?: LogSink): void {
  if (e820UpdateTable(state.table) < 0) return;
  logInfo(log, HEADER_MODIFIED);
  logInfoLines(log, formatE820Map(state.table.entries, 'modified'));
}

/**
 * Reserves the aperture of an AMD north bridge if it overlaps RAM.
 * @param state its working map may be edited
 * @param aperture where the aperture lies
 * @param log takes the lines
 * @returns whether it overlapped
 * @throws E820Error `BAD_ADDRESS`, `FROZEN`
 * @kernel early_gart_iommu_check, spec e820 4.21
 */
export function gartApertureCheck(
  state: E820State,
  { start, end }: AddressRange,
  log?: LogSink,
): boolean {
  if (!e820MappedAny(state.table, start, end, E820Type.RAM)) return false;
  logInfo(log, `AGP: e820: reserve ${formatMem(start, wrap64(end - 1n))} for GART`);
  e820RangeAdd(state.table, start, end - start, E820Type.RESERVED, log);
  e820UpdateTablePrint(state, log);
  return true;
}

/**
 * Takes memory that no MTRR makes cacheable out of RAM, and finds the end of RAM again.
 * @param state its working map and `maxPfn` may change
 * @param holes ranges below `maxPfn` that no MTRR covers
 * @param log takes the lines
 * @returns bytes lost
 * @throws E820Error `BAD_ADDRESS`, `FROZEN`
 * @kernel mtrr_trim_uncached_memory, spec e820 4.21
 */
export function mtrrTrimUncachedMemory(
  state: E820State,
  holes: readonly AddressRange[],
  log?: LogSink,
): bigint {
  const { table } = state;
  let lost = 0n;
  for (const { start, end } of holes) {
    lost += e820RangeUpdate(table, start, end - start, E820Type.RAM, E820Type.RESERVED, log);
  }
  if (lost === 0n) return 0n;
  logWarning(log, formatMtrrLoss(lost));
  logInfo(log, 'update e820 for mtrr');
  e820UpdateTablePrint(state, log);
  state.maxPfn = e820EndOfRamPfn(table, state.maxArchPfn, log);
  return lost;
}

/**
 * Keeps ACPI tables that were copied from the initial RAM disk.
 * @param state its working map is edited
 * @param start first byte of the copies
 * @param size length in bytes
 * @param log takes the lines
 * @throws E820Error `BAD_ADDRESS`, `FROZEN`
 * @kernel acpi_table_upgrade, spec e820 4.21
 */
export function acpiTableUpgrade(
  state: E820State,
  start: bigint,
  size: bigint,
  log?: LogSink,
): void {
  e820RangeAdd(state.table, start, size, E820Type.NVS, log);
  e820UpdateTablePrint(state, log);
}

/**
 * Reserves the memory that an Intel GPU took for itself.
 * @param state its working map is edited and sanitised silently
 * @param start first byte
 * @param size length in bytes
 * @param log takes the line of a full table
 * @throws E820Error `BAD_ADDRESS`, `FROZEN`
 * @kernel intel_graphics_stolen, spec e820 4.21
 */
export function reserveStolenMemory(
  state: E820State,
  start: bigint,
  size: bigint,
  log?: LogSink,
): void {
  e820RangeAdd(state.table, start, size, E820Type.RESERVED, log);
  e820UpdateTable(state.table);
}
