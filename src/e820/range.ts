import { E820Error } from './errors.ts';
import { formatRemove, formatUpdate } from './format.ts';
import { logDebug } from './log.ts';
import { appendEntry, checkEditable } from './table.ts';
import type { E820Table, LogSink } from './types.ts';
import { checkType, checkU64, entryEnd, max64, min64, U64_MAX, wrap64 } from './u64.ts';

/** What an edit does to the part of an entry that lies in its range. */
interface Edit {
  readonly start: bigint;
  /** Exclusive. */
  readonly end: bigint;
  /** Only entries of this type are edited; null: all. */
  readonly oldType: number | null;
  /** What the part becomes; null: it is removed. */
  readonly newType: number | null;
}

/**
 * Gives the parts of `oldType` inside a range another type. The table is left unsorted: sanitise it
 * when you want to. A size that goes beyond 2^64 - 1 is cut.
 * @param table `e820_table`, or `e820_table_kexec` for the kernel's internal twin
 * @param start first byte
 * @param size length in bytes
 * @param oldType type to look for
 * @param newType type to give
 * @param log takes the "update" line, which is printed even if nothing matches
 * @returns bytes changed
 * @throws E820Error `BAD_ADDRESS`, `BAD_TYPE`, `FROZEN`, or `SAME_TYPE` (a kernel BUG)
 * @kernel e820__range_update, spec e820 4.7
 */
export function e820RangeUpdate(
  table: E820Table,
  start: bigint,
  size: bigint,
  oldType: number,
  newType: number,
  log?: LogSink,
): bigint {
  checkRange(table, start, size);
  checkType('oldType', oldType);
  checkType('newType', newType);
  if (oldType === newType) {
    const message = `range_update from type ${oldType} to itself`;
    throw new E820Error('SAME_TYPE', message, { start, size, value: oldType });
  }
  const end = start + min64(size, U64_MAX - start);
  logDebug(log, formatUpdate(start, end, oldType, newType));
  return editEntries(table, { start, end, oldType, newType }, log);
}

/**
 * Removes a range. Wholly covered entries stay in the table as empty ones of type 0, until it is
 * sanitised.
 * @param table the table to edit
 * @param start first byte
 * @param size length in bytes, cut at 2^64 - 1
 * @param oldType type to look for, when `checkType` is set
 * @param checkOldType false: remove whatever the type
 * @param log takes the "remove" line
 * @returns bytes removed
 * @throws E820Error `BAD_ADDRESS`, `BAD_TYPE`, `FROZEN`
 * @kernel e820__range_remove, spec e820 4.8
 */
export function e820RangeRemove(
  table: E820Table,
  start: bigint,
  size: bigint,
  oldType: number,
  checkOldType: boolean,
  log?: LogSink,
): bigint {
  checkRange(table, start, size);
  checkType('oldType', oldType);
  const end = start + min64(size, U64_MAX - start);
  const wanted = checkOldType ? oldType : null;
  logDebug(log, formatRemove(start, end, wanted));
  return editEntries(table, { start, end, oldType: wanted, newType: null }, log);
}

function checkRange(table: E820Table, start: bigint, size: bigint): void {
  checkEditable(table);
  checkU64('start', start);
  checkU64('size', size);
}

/**
 * Visits the entries by ascending index, with those appended on the way: a piece that was cut off
 * is looked at again. Ends are compared modulo 2^64, as the kernel does.
 */
function editEntries(table: E820Table, edit: Edit, log: LogSink | undefined): bigint {
  const { oldType, start, end } = edit;
  let changed = 0n;
  for (let i = 0; i < table.entries.length; i++) {
    const entry = table.entries[i];
    if (oldType !== null && entry.type !== oldType) continue;
    const entryEnds = entryEnd(entry);
    if (entry.addr >= start && entryEnds <= end) {
      changed = wrap64(changed + entry.size);
      replaceWhole(table, i, edit);
    } else if (entry.addr < start && entryEnds > end) {
      changed = wrap64(changed + (end - start));
      splitEntry(table, i, edit, log);
    } else {
      changed = wrap64(changed + cutOverlap(table, i, edit, log));
    }
  }
  return changed;
}

/** The entry lies within the range. */
function replaceWhole(table: E820Table, index: number, { newType }: Edit): void {
  const entry = table.entries[index];
  table.entries[index] =
    newType === null ? { addr: 0n, size: 0n, type: 0 } : { ...entry, type: newType };
}

/** The range lies strictly within the entry: up to three pieces, the new ones at the end. */
function splitEntry(
  table: E820Table,
  index: number,
  { start, end, newType }: Edit,
  log: LogSink | undefined,
): void {
  const entry = table.entries[index];
  if (newType !== null) appendEntry(table, { addr: start, size: end - start, type: newType }, log);
  appendEntry(table, { addr: end, size: entryEnd(entry) - end, type: entry.type }, log);
  table.entries[index] = { ...entry, size: start - entry.addr };
}

/** The range covers one border of the entry, or nothing of it. Returns the bytes in common. */
function cutOverlap(
  table: E820Table,
  index: number,
  { start, end, newType }: Edit,
  log: LogSink | undefined,
): bigint {
  const entry = table.entries[index];
  const low = max64(start, entry.addr);
  const high = min64(end, entryEnd(entry));
  if (low >= high) return 0n;
  const size = high - low;
  if (newType !== null) appendEntry(table, { addr: low, size, type: newType }, log);
  const addr = entry.addr >= low ? high : entry.addr;
  table.entries[index] = { addr, size: wrap64(entry.size - size), type: entry.type };
  return size;
}
