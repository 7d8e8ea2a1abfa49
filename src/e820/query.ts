import type { E820Table } from './types.ts';
import { checkType, checkU64, entryEnd } from './u64.ts';

/** What {@link e820GetEntryType} returns for a range that is not fully covered. */
export const EINVAL = -22;

/**
 * Whether some entry of the type touches [start, end). On `e820_table_firmware` this is the
 * kernel's raw query.
 * @param table the table to look in
 * @param start first byte
 * @param end first byte after the range
 * @param type a type, 0 for any
 * @throws E820Error `BAD_ADDRESS`, `BAD_TYPE`
 * @kernel e820__mapped_any, e820__mapped_raw_any, spec e820 4.9
 */
export function e820MappedAny(table: E820Table, start: bigint, end: bigint, type: number): boolean {
  checkQuery(start, end, type);
  for (const entry of table.entries) {
    if (type !== 0 && entry.type !== type) continue;
    if (entry.addr < end && entryEnd(entry) > start) return true;
  }
  return false;
}

/**
 * Whether [start, end) is covered by entries of the type. Needs a sorted table.
 * @param table the table to look in
 * @param start first byte
 * @param end first byte after the range
 * @param type a type, 0 for any
 * @throws E820Error `BAD_ADDRESS`, `BAD_TYPE`
 * @kernel e820__mapped_all, spec e820 4.9
 */
export function e820MappedAll(table: E820Table, start: bigint, end: bigint, type: number): boolean {
  checkQuery(start, end, type);
  return coveringIndex(table, start, end, type) >= 0;
}

/**
 * Type of the *last* part of [start, end), if the whole range is covered by entries of any type.
 * Needs a sorted table.
 * @param table the table to look in
 * @param start first byte
 * @param end first byte after the range
 * @returns the type as a signed 32-bit number, or -22 ({@link EINVAL}) for a range with a hole
 * @throws E820Error `BAD_ADDRESS`
 * @kernel e820__get_entry_type, spec e820 4.9
 */
export function e820GetEntryType(table: E820Table, start: bigint, end: bigint): number {
  checkQuery(start, end, 0);
  const index = coveringIndex(table, start, end, 0);
  return index < 0 ? EINVAL : table.entries[index].type | 0;
}

/**
 * Whether [start, end) lies in the ISA hole, 640 KiB to 1 MiB.
 * @param start first byte
 * @param end first byte after the range
 * @kernel is_ISA_range, spec e820 4.9
 */
export function isIsaRange(start: bigint, end: bigint): boolean {
  return start >= 0xa0000n && end <= 0x100000n;
}

function checkQuery(start: bigint, end: bigint, type: number): void {
  checkU64('start', start);
  checkU64('end', end);
  checkType('type', type);
}

/** Index of the entry at which the coverage of [start, end) became complete, -1 if it never did. */
function coveringIndex(table: E820Table, start: bigint, end: bigint, type: number): number {
  const { entries } = table;
  let missing = start;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (type !== 0 && entry.type !== type) continue;
    const entryEnds = entryEnd(entry);
    if (entry.addr >= end || entryEnds <= missing) continue;
    // An entry that begins above `missing` leaves a hole, which nothing below can fill any more.
    if (entry.addr <= missing) missing = entryEnds;
    if (missing >= end) return i;
  }
  return -1;
}
