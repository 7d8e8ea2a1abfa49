import { E820Error } from './errors.ts';
import { formatTooMany } from './format.ts';
import { logErr } from './log.ts';
import type { E820Entry, E820Table, LogSink } from './types.ts';
import { checkEntries, checkNumber, checkType, checkU64 } from './u64.ts';

/** Entries that fit into the zero page, and most a BIOS is asked for. */
export const E820_MAX_ENTRIES_ZEROPAGE = 128;
/** Capacity of the kernel's tables with the default of 64 NUMA nodes (spec e820 3). */
export const E820_MAX_ENTRIES = 320;

/**
 * Capacity of the kernel's tables for a configuration.
 * @param maxNodes MAX_NUMNODES: 64 by default, 1024 in many distributions, 1 without NUMA
 * @throws E820Error `BAD_NUMBER`
 * @kernel E820_MAX_ENTRIES
 */
export function e820MaxEntries(maxNodes: number): number {
  checkNumber('maxNodes', maxNodes, 1, 0x10000);
  return E820_MAX_ENTRIES_ZEROPAGE + 3 * maxNodes;
}

/**
 * Makes a table of its own from entries, in their order, unsorted and unchecked for overlaps.
 * @param entries what the table holds
 * @param capacity most entries it can hold
 * @throws E820Error `BAD_ADDRESS`, `BAD_TYPE` (`data.position` is the index), `BAD_NUMBER`, or
 * `TOO_MANY_ENTRIES`
 */
export function createE820Table(
  entries: readonly E820Entry[] = [],
  capacity: number = E820_MAX_ENTRIES,
): E820Table {
  checkNumber('capacity', capacity, 0, 0xffff_ffff);
  checkEntries(entries);
  if (entries.length > capacity) {
    const message = `${entries.length} entries do not fit into a table of ${capacity}`;
    const data = { position: capacity, value: entries.length, capacity };
    throw new E820Error('TOO_MANY_ENTRIES', message, data);
  }
  return { capacity, entries: entries.map(plainEntry), frozen: false };
}

/** Just the three numbers of an entry, whatever else the caller's object holds. */
function plainEntry({ addr, size, type }: E820Entry): E820Entry {
  return { addr, size, type };
}

/** Makes `to` hold what `from` holds, as a whole-table copy does. */
export function copyE820Table(to: E820Table, from: E820Table): void {
  checkEditable(to);
  to.entries = [...from.entries];
}

/** Gives a table its exact size and forbids edits from now on. @kernel e820__reallocate_tables */
export function freezeE820Table(table: E820Table): void {
  table.capacity = table.entries.length;
  table.frozen = true;
}

/**
 * Whether the table may still be edited.
 * @throws E820Error `FROZEN` when it may not
 */
export function checkEditable(table: E820Table): void {
  if (!table.frozen) return;
  throw new E820Error('FROZEN', 'the E820 tables are not edited after boot', {
    value: table.entries.length,
  });
}

/**
 * Appends one entry at the end, unsorted; empty and overlapping ones are fine. A full table drops
 * it with a "too many entries" line, as the kernel does.
 * @param table the table to append to
 * @param start first byte
 * @param size length in bytes
 * @param type what the range is
 * @param log takes the line, if any
 * @throws E820Error `BAD_ADDRESS`, `BAD_TYPE`, `FROZEN`
 * @kernel e820__range_add, spec e820 4.5
 */
export function e820RangeAdd(
  table: E820Table,
  start: bigint,
  size: bigint,
  type: number,
  log?: LogSink,
): void {
  checkEditable(table);
  checkU64('start', start);
  checkU64('size', size);
  checkType('type', type);
  appendEntry(table, { addr: start, size, type }, log);
}

/** The append of {@link e820RangeAdd} without checks. */
export function appendEntry(table: E820Table, entry: E820Entry, log?: LogSink): void {
  if (table.entries.length >= table.capacity) {
    logErr(log, formatTooMany(entry));
    return;
  }
  table.entries.push(entry);
}
