import type { InvariantViolation } from '../lib/errors.ts';
import { broken, checkSanitisedTable, equalEntries } from './invariants.ts';
import { createE820Table } from './table.ts';
import type { E820Entry, E820Table } from './types.ts';
import { entryEnd, max64, min64, U64_MAX } from './u64.ts';
import { isNoMergeType, sanitisedEntries } from './update-table.ts';

/**
 * Checks one run of `e820UpdateTable`: E820-1 to 7.
 * @param before a copy of the entries before it
 * @param result what it returned
 * @param after the table after it
 * @returns all broken rules
 */
export function checkUpdateTable(
  before: readonly E820Entry[],
  result: number,
  after: E820Table,
): InvariantViolation[] {
  if (result < 0) {
    return equalEntries(before, after.entries) ? [] : [broken(7, 'a failed run changed the table')];
  }
  const found = checkSanitisedTable(after);
  const reversed = sanitisedEntries([...before].reverse(), after.capacity);
  if (reversed === null || !equalEntries(reversed, after.entries)) {
    found.push(broken(6, 'the reversed input gives another result'));
  }
  if (after.entries.length >= after.capacity) return found;
  for (const addr of borders([...before, ...after.entries])) {
    const expected = largestTypeAt(before, addr);
    const got = largestTypeAt(after.entries, addr);
    if (expected === got) continue;
    const rule = expected === 0 || got === 0 ? 3 : 4;
    found.push(broken(rule, `0x${addr.toString(16)} has type ${got} instead of ${expected}`));
  }
  return found;
}

/** The operation that {@link checkRangeEdit} looks at. */
export interface RangeEdit {
  /** First byte. */
  readonly start: bigint;
  /** Length in bytes. */
  readonly size: bigint;
  /** The type looked for; null: any. */
  readonly oldType: number | null;
  /** The type given; null: removed. */
  readonly newType: number | null;
}

/**
 * Checks one run of `e820RangeUpdate` or `e820RangeRemove`: E820-8 to 10.
 * @param before a copy of the entries before it
 * @param edit what was asked for
 * @param result the bytes it returned
 * @param after the table after it; one that is full has its rules not checked
 * @returns all broken rules
 */
export function checkRangeEdit(
  before: readonly E820Entry[],
  edit: RangeEdit,
  result: bigint,
  after: E820Table,
): InvariantViolation[] {
  const { start, oldType, newType } = edit;
  const end = start + min64(edit.size, U64_MAX - start);
  if (after.entries.length >= after.capacity || before.some(reaches64)) return [];
  const found: InvariantViolation[] = [];
  if (!overlap(before)) {
    const expected = bytesIn(before, start, end, oldType);
    if (result !== expected) found.push(broken(8, `${result} bytes instead of ${expected}`));
  }
  if (newType !== null && newType !== 0) {
    found.push(...checkCovered(before, after.entries), ...checkOrder(before, edit, after));
  }
  if (newType === null && oldType === null && bytesIn(after.entries, start, end, null) > 0n) {
    found.push(broken(10, 'something is left in a removed range'));
  }
  return found;
}

/** E820-9, first half: an update never changes what is covered. */
function checkCovered(
  before: readonly E820Entry[],
  after: readonly E820Entry[],
): InvariantViolation[] {
  for (const addr of borders([...before, ...after])) {
    if (isCovered(before, addr) === isCovered(after, addr)) continue;
    return [broken(9, `the update changed whether 0x${addr.toString(16)} is covered`)];
  }
  return [];
}

/** E820-9, second half: sanitising first gives the same map, without overlaps in the input. */
function checkOrder(
  before: readonly E820Entry[],
  { start, size, oldType, newType }: RangeEdit,
  after: E820Table,
): InvariantViolation[] {
  const noMerge = [...before, ...after.entries].some(({ type }) => isNoMergeType(type));
  if (noMerge || overlap(before) || oldType === null || newType === null) return [];
  const first = sanitisedEntries(before, after.capacity);
  const last = sanitisedEntries(after.entries, after.capacity);
  if (first === null || last === null) return [];
  const end = start + min64(size, U64_MAX - start);
  const pieces = createE820Table([], 0xffff_ffff);
  for (const entry of first) {
    if (entry.type !== oldType) {
      pieces.entries.push(entry);
      continue;
    }
    const low = max64(start, entry.addr);
    const high = min64(end, entryEnd(entry));
    if (low >= high) {
      pieces.entries.push(entry);
      continue;
    }
    pieces.entries.push(
      { addr: entry.addr, size: low - entry.addr, type: entry.type },
      { addr: low, size: high - low, type: newType },
      { addr: high, size: entryEnd(entry) - high, type: entry.type },
    );
  }
  const expected = sanitisedEntries(pieces.entries, after.capacity);
  if (expected === null || equalEntries(expected, last)) return [];
  return [broken(9, 'sanitising before or after the update gives different maps')];
}

/** Every address where something begins or ends: between two of them nothing changes. */
function borders(entries: readonly E820Entry[]): bigint[] {
  const set = new Set<bigint>();
  for (const entry of entries) {
    set.add(entry.addr);
    set.add(entryEnd(entry));
  }
  return [...set];
}

function largestTypeAt(entries: readonly E820Entry[], addr: bigint): number {
  let largest = 0;
  for (const entry of entries) {
    if (entry.addr <= addr && entry.addr + entry.size > addr && entry.type > largest) {
      largest = entry.type;
    }
  }
  return largest;
}

function isCovered(entries: readonly E820Entry[], addr: bigint): boolean {
  return entries.some((entry) => entry.addr <= addr && entry.addr + entry.size > addr);
}

function reaches64(entry: E820Entry): boolean {
  return entryEnd(entry) < entry.addr;
}

function overlap(entries: readonly E820Entry[]): boolean {
  const sorted = entries.filter(({ size }) => size > 0n).sort((a, b) => (a.addr < b.addr ? -1 : 1));
  return sorted.some((entry, i) => i > 0 && sorted[i - 1].addr + sorted[i - 1].size > entry.addr);
}

function bytesIn(
  entries: readonly E820Entry[],
  start: bigint,
  end: bigint,
  type: number | null,
): bigint {
  let bytes = 0n;
  for (const entry of entries) {
    if (type !== null && entry.type !== type) continue;
    const low = max64(start, entry.addr);
    const high = min64(end, entryEnd(entry));
    if (low < high) bytes += high - low;
  }
  return bytes;
}
