import type { SlabCacheGeometry } from '../slab/types.ts';
import type { Place } from './fields.ts';
import { readGeometry } from './kmem-geometry-record.ts';

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
  return readGeometry(value, place, NUMBERS);
}
