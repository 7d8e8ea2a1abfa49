import { logWarning } from './log.ts';
import { e820MappedAll } from './query.ts';
import { e820RangeRemove, e820RangeUpdate } from './range.ts';
import type { E820State } from './state.ts';
import { e820RangeAdd } from './table.ts';
import { type AddressRange, E820Type, type LogSink } from './types.ts';
import { e820UpdateTable } from './update-table.ts';

/** First byte of the BIOS area. */
export const BIOS_BEGIN = 0xa0000n;
/** First byte after the BIOS area. */
export const BIOS_END = 0x100000n;

/**
 * Makes the kernel's own range RAM if the map says otherwise.
 * @param state its working map may be edited
 * @param kernel physical range from `_text` to `_end`
 * @param log takes the lines
 * @throws E820Error `BAD_ADDRESS`, `FROZEN`
 * @kernel e820_add_kernel_range, spec e820 4.13
 */
export function e820AddKernelRange(state: E820State, kernel: AddressRange, log?: LogSink): void {
  const { table } = state;
  const { start, end } = kernel;
  if (e820MappedAll(table, start, end, E820Type.RAM)) return;
  logWarning(log, '.text .data .bss are not marked as E820_TYPE_RAM!');
  e820RangeRemove(table, start, end - start, E820Type.RAM, false, log);
  e820RangeAdd(table, start, end - start, E820Type.RAM, log);
}

/**
 * Reserves page 0, takes the BIOS area out of RAM and sanitises the working map. Both lines are
 * printed whether or not anything changes.
 * @param state its working map is edited
 * @param log takes the lines
 * @throws E820Error `FROZEN`
 * @kernel trim_bios_range, spec e820 4.13
 */
export function trimBiosRange(state: E820State, log?: LogSink): void {
  const { table } = state;
  e820RangeUpdate(table, 0n, 4096n, E820Type.RAM, E820Type.RESERVED, log);
  e820RangeRemove(table, BIOS_BEGIN, BIOS_END - BIOS_BEGIN, E820Type.RAM, true, log);
  e820UpdateTable(table);
}
