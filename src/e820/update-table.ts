import { E820Error } from './errors.ts';
import { checkEditable } from './table.ts';
import { type E820Entry, type E820Table, E820Type } from './types.ts';
import { entryEnd } from './u64.ts';

/** One border of an entry. Starts come before ends at the same address. */
interface ChangePoint {
  readonly addr: bigint;
  readonly isEnd: boolean;
  readonly type: number;
}

/**
 * Sanitises a table: sorts it and resolves overlaps, so that every address has the numerically
 * largest type that covered it. Touching ranges of one type are joined, except PRAM and
 * SOFT_RESERVED, which stay cut at every border, even of entries hidden below them.
 * @param table replaced in place on success, unchanged otherwise
 * @returns 0, or -1 for "not done": fewer than 2 entries, or an entry that reaches 2^64
 * @throws E820Error `TOO_MANY_ENTRIES` when the table holds more than its capacity (a kernel BUG),
 * `FROZEN`
 * @kernel e820__update_table, spec e820 4.6
 */
export function e820UpdateTable(table: E820Table): 0 | -1 {
  checkEditable(table);
  const { entries, capacity } = table;
  if (entries.length > capacity) {
    const message = `a table of ${capacity} holds ${entries.length} entries`;
    const data = { position: capacity, value: entries.length, capacity };
    throw new E820Error('TOO_MANY_ENTRIES', message, data);
  }
  const sanitised = sanitisedEntries(entries, capacity);
  if (sanitised === null) return -1;
  table.entries = sanitised;
  return 0;
}

/**
 * The sanitised form of some entries, as a new array.
 * @param entries in any order
 * @param capacity everything above the first `capacity` ranges is lost
 * @returns null where the kernel's -1 stands: fewer than 2 entries or one that reaches 2^64
 * @kernel e820__update_table, spec e820 4.6
 */
export function sanitisedEntries(
  entries: readonly E820Entry[],
  capacity: number,
): E820Entry[] | null {
  if (entries.length < 2) return null;
  for (const entry of entries) {
    if (entryEnd(entry) < entry.addr) return null;
  }
  return sweep(changePoints(entries), capacity);
}

function changePoints(entries: readonly E820Entry[]): ChangePoint[] {
  const points: ChangePoint[] = [];
  for (const entry of entries) {
    if (entry.size === 0n) continue;
    points.push({ addr: entry.addr, isEnd: false, type: entry.type });
    points.push({ addr: entryEnd(entry), isEnd: true, type: entry.type });
  }
  return points.sort(comparePoints);
}

function comparePoints(a: ChangePoint, b: ChangePoint): number {
  if (a.addr !== b.addr) return a.addr < b.addr ? -1 : 1;
  return Number(a.isEnd) - Number(b.isEnd);
}

/** Walks the borders upwards and cuts a new range wherever the winning type changes. */
function sweep(points: readonly ChangePoint[], capacity: number): E820Entry[] {
  const result: E820Entry[] = [];
  const openByType = new Map<number, number>();
  let winner = 0;
  let regionStart = 0n;
  let regionType = 0;
  for (const { addr, isEnd, type } of points) {
    const open = (openByType.get(type) ?? 0) + (isEnd ? -1 : 1);
    if (open > 0) openByType.set(type, open);
    else openByType.delete(type);
    // Only the end of the last range of the winning type makes another search necessary.
    if (type > winner) winner = type;
    else if (open === 0 && type === winner) winner = largestKey(openByType);
    if (winner === regionType && !isNoMergeType(winner)) continue;
    if (regionType !== 0 && addr > regionStart) {
      result.push({ addr: regionStart, size: addr - regionStart, type: regionType });
      if (result.length >= capacity) break;
    }
    regionStart = addr;
    regionType = winner;
  }
  return result;
}

function largestKey(counts: ReadonlyMap<number, number>): number {
  let largest = 0;
  for (const key of counts.keys()) {
    if (key > largest) largest = key;
  }
  return largest;
}

/** Whether touching ranges of the type are never joined. @kernel e820_nomerge */
export function isNoMergeType(type: number): boolean {
  return type === E820Type.PRAM || type === E820Type.SOFT_RESERVED;
}
