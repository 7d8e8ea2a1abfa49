import type { SlabCacheGeometry } from '../slab/types.ts';
import { type Place, placeIn, readInteger, readObject, readString, readU64 } from './fields.ts';

const U32_MAX = 0xffff_ffff;
/** Fields of a recorded geometry that are plain numbers. */
const NUMBERS = [
  'objectSize',
  'size',
  'align',
  'num',
  'gfporder',
  'colour',
  'colourOff',
  'freelistSize',
  'batchcount',
  'limit',
  'shared',
  'allocflags',
] as const;

/**
 * Reads the geometry of a SLAB cache.
 * @throws RecordingError for a field or value that it does not understand
 */
export function readSlabGeometry(value: unknown, place: Place): SlabCacheGeometry {
  const fields = readObject(value, place, ['name', 'flags', 'refcount', ...NUMBERS]);
  const numbers = Object.fromEntries(
    NUMBERS.map((name) => [name, readInteger(fields[name], placeIn(place, name), 0, U32_MAX)]),
  ) as Record<(typeof NUMBERS)[number], number>;
  return {
    name: readString(fields.name, placeIn(place, 'name')),
    ...numbers,
    flags: readFlags(fields.flags, placeIn(place, 'flags')),
    refcount: readInteger(fields.refcount, placeIn(place, 'refcount'), -1, 0x7fffffff),
  };
}

/** Reads flags of a cache, a string with `0x`. */
export function readFlags(value: unknown, place: Place): number {
  return Number(readU64(value, place) & 0xffffffffn);
}
