import { RecordingError } from './errors.ts';

/** Where in a recording a value stands; used in the message of a `RecordingError`. */
export interface Place {
  /** Line number in the file, from 1. */
  readonly line: number;
  /** The value's name, e.g. `load.zones[1].watermark`. */
  readonly path: string;
}

/** The place of a member of the value at `place`. */
export function placeIn(place: Place, member: string | number): Place {
  const path = typeof member === 'number' ? `${place.path}[${member}]` : `${place.path}.${member}`;
  return { line: place.line, path };
}

/** The error for a value that is not what the format says. */
export function badValue(place: Place, wanted: string, value: unknown): RecordingError {
  const shown = JSON.stringify(value) ?? String(value);
  const short = shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
  const message = `line ${place.line}: ${place.path} must be ${wanted}, got ${short}`;
  return new RecordingError('BAD_VALUE', message, { ...place, wanted, value });
}

/**
 * The value as an object that has all of `required`, perhaps some of `optional`, and nothing else.
 * @throws RecordingError `UNKNOWN_FIELD` for any other field, `BAD_VALUE` for a missing one or for
 * a value that is no object
 */
export function readObject(
  value: unknown,
  place: Place,
  required: readonly string[],
  optional: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  const fields = readRecord(value, place);
  for (const field of Object.keys(fields)) {
    if (required.includes(field) || optional.includes(field)) continue;
    const message = `line ${place.line}: unknown field ${placeIn(place, field).path}`;
    throw new RecordingError('UNKNOWN_FIELD', message, { ...place, field });
  }
  for (const field of required) {
    if (!Object.hasOwn(fields, field)) throw badValue(placeIn(place, field), 'there', undefined);
  }
  return fields;
}

/**
 * The value as an object with any fields.
 * @throws RecordingError `BAD_VALUE` when it is none
 */
export function readRecord(value: unknown, place: Place): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badValue(place, 'an object', value);
  }
  return value as Readonly<Record<string, unknown>>;
}

/**
 * The value as an array, of `length` elements when given.
 * @throws RecordingError `BAD_VALUE` when it is none
 */
export function readArray(value: unknown, place: Place, length?: number): readonly unknown[] {
  if (!Array.isArray(value)) throw badValue(place, 'an array', value);
  if (length !== undefined && value.length !== length) {
    throw badValue(place, `an array of ${length}`, value);
  }
  return value;
}

/**
 * The value as an integer in `[min, max]`.
 * @throws RecordingError `BAD_VALUE` when it is none
 */
export function readInteger(
  value: unknown,
  place: Place,
  min = 0,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  throw badValue(place, `an integer from ${min} to ${max}`, value);
}

/**
 * The value as an array of integers in `[min, max]`, of `length` elements when given.
 * @throws RecordingError `BAD_VALUE` when it is none
 */
export function readIntegers(
  value: unknown,
  place: Place,
  min = 0,
  max: number = Number.MAX_SAFE_INTEGER,
  length?: number,
): readonly number[] {
  const elements = readArray(value, place, length);
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i];
    if (Number.isInteger(element) && (element as number) >= min && (element as number) <= max) {
      continue;
    }
    throw badValue(placeIn(place, i), `an integer from ${min} to ${max}`, element);
  }
  return elements as readonly number[];
}

/**
 * The named members of an object as integers in `[0, max]`.
 * @throws RecordingError `BAD_VALUE` when one is none
 */
export function readNumbers<K extends string>(
  fields: Readonly<Record<string, unknown>>,
  place: Place,
  names: readonly K[],
  max: number = Number.MAX_SAFE_INTEGER,
): Record<K, number> {
  return Object.fromEntries(
    names.map((name) => [name, readInteger(fields[name], placeIn(place, name), 0, max)]),
  ) as Record<K, number>;
}

/**
 * The value as a string; one of `known` when given.
 * @throws RecordingError `BAD_VALUE` when it is none
 */
export function readString<const T extends string = string>(
  value: unknown,
  place: Place,
  known?: readonly T[],
): T {
  if (typeof value === 'string' && (known === undefined || known.includes(value as T))) {
    return value as T;
  }
  throw badValue(place, known === undefined ? 'a string' : `one of ${known.join(', ')}`, value);
}

/**
 * The value as a boolean.
 * @throws RecordingError `BAD_VALUE` when it is none
 */
export function readBoolean(value: unknown, place: Place): boolean {
  if (typeof value === 'boolean') return value;
  throw badValue(place, 'true or false', value);
}

/**
 * The value as an unsigned 64-bit number: a string with `0x`, or an integer.
 * @throws RecordingError `BAD_VALUE` when it is none
 */
export function readU64(value: unknown, place: Place): bigint {
  if (typeof value === 'string' && /^0x[0-9a-f]{1,16}$/i.test(value)) return BigInt(value);
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw badValue(place, 'an unsigned 64-bit number', value);
}

/** The list of what `read` makes of each element of the array `value`. */
export function readList<T>(
  value: unknown,
  place: Place,
  read: (element: unknown, place: Place) => T,
): readonly T[] {
  return readArray(value, place).map((element, i) => read(element, placeIn(place, i)));
}
