import {
  type Place,
  placeIn,
  readInteger,
  readNumbers,
  readObject,
  readString,
  readU64,
} from './fields.ts';

const U32_MAX = 0xffff_ffff;

/** What every recorded geometry of a cache has. */
export interface NamedGeometry {
  /** Display name. */
  readonly name: string;
  /** Flags. */
  readonly flags: number;
  /** Users of the cache; negative when it never merges. */
  readonly refcount: number;
}

/**
 * Reads the geometry of a cache.
 * @param numbers the fields that are plain numbers
 * @throws RecordingError for a field or value that it does not understand
 */
export function readGeometry<K extends string>(
  value: unknown,
  place: Place,
  numbers: readonly K[],
): NamedGeometry & Readonly<Record<K, number>> {
  const fields = readObject(value, place, ['name', 'flags', 'refcount', ...numbers]);
  return {
    name: readString(fields.name, placeIn(place, 'name')),
    ...readNumbers(fields, place, numbers, U32_MAX),
    flags: readFlags(fields.flags, placeIn(place, 'flags')),
    refcount: readInteger(fields.refcount, placeIn(place, 'refcount'), -1, 0x7fffffff),
  };
}

/** Reads flags of a cache, a string with `0x`. */
export function readFlags(value: unknown, place: Place): number {
  return Number(readU64(value, place) & 0xffffffffn);
}
