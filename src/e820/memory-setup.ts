import { formatE820Map, HEADER_BIOS, HEADER_EXTENDED } from './format.ts';
import { logInfo, logInfoLines } from './log.ts';
import { copyToOtherTables, type E820State } from './state.ts';
import { appendEntry, checkEditable } from './table.ts';
import {
  type E820Entry,
  type E820Firmware,
  type E820Table,
  E820Type,
  type LogSink,
} from './types.ts';
import { checkEntries, checkNumber, U32_MAX, wrap64 } from './u64.ts';
import { e820UpdateTable } from './update-table.ts';

/** Size of the low RAM that is assumed without an E820 map. */
const LOWMEMSIZE = 0x9f000n;
/** Start of the high RAM that is assumed without an E820 map. */
const HIGH_MEMORY = 0x10_0000n;

/**
 * Appends entries up to the first one whose end wraps around 2^64. One that ends exactly there is
 * fine, and so is an empty one.
 * @param table the table to append to
 * @param entries what to append, in order
 * @param log takes the lines of a full table
 * @returns 0, or -1 after an overflow: the entries before it are in the table
 * @throws E820Error `BAD_ADDRESS`, `BAD_TYPE` (`data.position` is the index), `FROZEN`
 * @kernel __append_e820_table, spec e820 4.2
 */
export function appendE820Entries(
  table: E820Table,
  entries: readonly E820Entry[],
  log?: LogSink,
): 0 | -1 {
  checkEditable(table);
  checkEntries(entries);
  for (const { addr, size, type } of entries) {
    if (size !== 0n && addr > wrap64(addr + size - 1n)) return -1;
    appendEntry(table, { addr, size, type }, log);
  }
  return 0;
}

/**
 * The same for the map of a zero page, which must have at least 2 entries.
 * @param table the table to append to
 * @param entries what to append, in order
 * @param log takes the lines of a full table
 * @returns 0 or -1
 * @throws E820Error as {@link appendE820Entries}
 * @kernel append_e820_table, spec e820 4.2
 */
export function appendE820Table(
  table: E820Table,
  entries: readonly E820Entry[],
  log?: LogSink,
): 0 | -1 {
  return entries.length < 2 ? -1 : appendE820Entries(table, entries, log);
}

/**
 * Fills the three tables from what the firmware says and prints the map. A map that cannot be used
 * as a whole gives way to the sizes of INT 15h/E801 or 88.
 * @param state its tables are filled
 * @param firmware the map and the sizes
 * @param log takes the lines
 * @throws E820Error `BAD_ADDRESS`, `BAD_TYPE`, `BAD_NUMBER`, `FROZEN`
 * @kernel e820__memory_setup, spec e820 4.3
 */
export function e820MemorySetup(state: E820State, firmware: E820Firmware, log?: LogSink): void {
  const { table } = state;
  const { entries, altMemK = 0, extMemK = 0 } = firmware;
  checkNumber('altMemK', altMemK, 0, U32_MAX);
  checkNumber('extMemK', extMemK, 0, U32_MAX);
  let who = firmware.who ?? 'BIOS-e820';
  if (firmware.who !== undefined) {
    appendE820Entries(table, entries, log);
  } else if (appendE820Table(table, entries, log) < 0) {
    const useExt = altMemK < extMemK;
    who = useExt ? 'BIOS-88' : 'BIOS-e801';
    const size = BigInt(useExt ? extMemK : altMemK) * 1024n;
    table.entries = [];
    appendEntry(table, { addr: 0n, size: LOWMEMSIZE, type: E820Type.RAM }, log);
    appendEntry(table, { addr: HIGH_MEMORY, size, type: E820Type.RAM }, log);
  }
  e820UpdateTable(table);
  copyToOtherTables(state);
  logInfo(log, HEADER_BIOS);
  logInfoLines(log, formatE820Map(table.entries, who));
}

/**
 * Adds the entries of an E820_EXT node and prints the map. Entries after one that overflows are
 * skipped silently.
 * @param state its tables get the new map
 * @param entries the entries of the node
 * @param log takes the lines
 * @throws E820Error `BAD_ADDRESS`, `BAD_TYPE`, `FROZEN`
 * @kernel e820__memory_setup_extended, spec e820 4.4
 */
export function e820MemorySetupExtended(
  state: E820State,
  entries: readonly E820Entry[],
  log?: LogSink,
): void {
  appendE820Entries(state.table, entries, log);
  e820UpdateTable(state.table);
  copyToOtherTables(state);
  logInfo(log, HEADER_EXTENDED);
  logInfoLines(log, formatE820Map(state.table.entries, 'extended'));
}
