import { E820Error } from './errors.ts';
import type { E820Entry } from './types.ts';
import { U32_MAX, U64_MAX } from './u64.ts';

/** An entry as JSON: addresses as hex text, since JSON numbers are not exact beyond 2^53. */
export interface E820JsonEntry {
  /** First byte, e.g. `0x100000`. */
  readonly addr: string;
  /** Length in bytes, e.g. `0x7ee0000`. */
  readonly size: string;
  /** The type's number. */
  readonly type: number;
}

/** The JSON form of a map. */
export function e820ToJson(entries: readonly E820Entry[]): E820JsonEntry[] {
  return entries.map(({ addr, size, type }) => ({
    addr: `0x${addr.toString(16)}`,
    size: `0x${size.toString(16)}`,
    type,
  }));
}

/** Fields under which a JSON object may hold its map, in the order they are looked for. */
const MAP_FIELDS: readonly string[] = ['e820', 'e820Firmware', 'entries'];

/**
 * Reads a map from JSON: an array, or an object with one under `e820`, `e820Firmware` or `entries`.
 * An entry is `[addr, size, type]` or `{ addr, size, type }`; addresses and sizes are text (decimal or `0x`)
 * or integers below 2^53.
 * @param text the JSON text
 * @throws E820Error `BAD_JSON`; `data.position` is the index of the entry, if it is one
 */
export function parseE820Json(text: string): E820Entry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new E820Error('BAD_JSON', `not JSON: ${reason}`, { value: text.slice(0, 80) });
  }
  return readE820Json(value);
}

/**
 * The same from a value that was parsed already.
 * @param value the JSON value
 * @throws E820Error as {@link parseE820Json}
 */
export function readE820Json(value: unknown): E820Entry[] {
  const list = listOf(value);
  if (list === null) {
    const message = 'the JSON value is neither a list of entries nor an object that holds one';
    throw new E820Error('BAD_JSON', message, { value });
  }
  return list.map(readEntry);
}

function listOf(value: unknown): readonly unknown[] | null {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null) return null;
  for (const field of MAP_FIELDS) {
    const member = (value as Record<string, unknown>)[field];
    if (Array.isArray(member)) return member;
  }
  return null;
}

function readEntry(value: unknown, position: number): E820Entry {
  if (Array.isArray(value)) {
    if (value.length !== 3) throw badEntry(position, 'is not [addr, size, type]', value);
    return entryOf(value[0], value[1], value[2], position);
  }
  if (typeof value !== 'object' || value === null) {
    throw badEntry(position, 'is neither a list nor an object', value);
  }
  const { addr, size, type } = value as Record<string, unknown>;
  return entryOf(addr, size, type, position);
}

function entryOf(addr: unknown, size: unknown, type: unknown, position: number): E820Entry {
  if (!Number.isInteger(type) || (type as number) < 0 || (type as number) > U32_MAX) {
    throw badEntry(position, 'has a type that is not an integer from 0 to 2^32 - 1', type);
  }
  return {
    addr: readU64(addr, 'addr', position),
    size: readU64(size, 'size', position),
    type: type as number,
  };
}

function readU64(value: unknown, name: string, position: number): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (typeof value === 'string' && /^(0x[0-9a-f]+|[0-9]+)$/i.test(value)) {
    const number = BigInt(value);
    if (number <= U64_MAX) return number;
  }
  throw badEntry(position, `has an ${name} that is not an unsigned 64-bit number`, value);
}

function badEntry(position: number, problem: string, value: unknown): E820Error {
  const shown = JSON.stringify(value) ?? String(value);
  const message = `entry ${position} ${problem}: ${shown.slice(0, 80)}`;
  return new E820Error('BAD_JSON', message, { position, value });
}
