import { formatLastPfn } from './format.ts';
import { logInfo } from './log.ts';
import { type E820Table, E820Type, type LogSink } from './types.ts';
import { checkNumber, entryEnd, pfnDown } from './u64.ts';

/** Page frames below 4 GiB. */
export const LOW_RAM_END_PFN = 0x100000;

/**
 * First page frame after the last one of type RAM. A partial last page is dropped, and
 * RESERVED_KERN does not count.
 * @param table the map
 * @param maxArchPfn limit in pages, `maxArchPfn` of the state
 * @param log takes the `last_pfn` line
 * @throws E820Error `BAD_NUMBER`
 * @kernel e820__end_of_ram_pfn, spec e820 4.14
 */
export function e820EndOfRamPfn(table: E820Table, maxArchPfn: number, log?: LogSink): number {
  checkNumber('maxArchPfn', maxArchPfn, 1, Number.MAX_SAFE_INTEGER);
  return endPfn(table, maxArchPfn, maxArchPfn, log);
}

/**
 * The same below 4 GiB.
 * @param table the map
 * @param maxArchPfn limit in pages, `maxArchPfn` of the state
 * @param log takes the `last_pfn` line
 * @throws E820Error `BAD_NUMBER`
 * @kernel e820__end_of_low_ram_pfn, spec e820 4.14
 */
export function e820EndOfLowRamPfn(table: E820Table, maxArchPfn: number, log?: LogSink): number {
  checkNumber('maxArchPfn', maxArchPfn, 1, Number.MAX_SAFE_INTEGER);
  return endPfn(table, LOW_RAM_END_PFN, maxArchPfn, log);
}

function endPfn(
  table: E820Table,
  limitPfn: number,
  maxArchPfn: number,
  log: LogSink | undefined,
): number {
  let last = 0;
  for (const entry of table.entries) {
    if (entry.type !== E820Type.RAM) continue;
    const start = pfnDown(entry.addr);
    const end = pfnDown(entryEnd(entry));
    if (start >= limitPfn) continue;
    if (end > limitPfn) {
      last = limitPfn;
      break;
    }
    if (end > last) last = end;
  }
  if (last > maxArchPfn) last = maxArchPfn;
  logInfo(log, formatLastPfn(last, maxArchPfn));
  return last;
}
