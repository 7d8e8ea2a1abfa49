import { SlubAllocator } from '../slub/allocator.ts';
import type { SlubCache, SlubGeometry } from '../slub/cache.ts';
import { parseSlubParameters } from '../slub/parameters.ts';
import type { Place } from './fields.ts';
import { type ShapeConfig, shapeOptions } from './kmem-create.ts';
import type { ShapeMachine } from './kmem-geometry.ts';
import { readGeometry } from './kmem-geometry-record.ts';
import type { RecordingMeta } from './types.ts';

/** Fields of a recorded geometry that are plain numbers. */
const NUMBERS = [
  'objectSize',
  'size',
  'inuse',
  'offset',
  'align',
  'redLeftPad',
  'order',
  'objects',
  'minOrder',
  'minObjects',
  'minPartial',
  'cpuPartial',
  'cpuPartialSlabs',
  'allocflags',
] as const;

/** A SLUB cache as recorded: its name and its geometry. */
export interface SlubGeometryRecord extends SlubGeometry {
  /** Display name. */
  readonly name: string;
}

/**
 * Reads the geometry of a SLUB cache.
 * @throws RecordingError for a field or value that it does not understand
 */
export function readSlubGeometry(value: unknown, place: Place): SlubGeometryRecord {
  return readGeometry(value, place, NUMBERS);
}

/** A cache of the model in the form of the recordings. */
export function geometryOf(cache: SlubCache | null): SlubGeometryRecord | null {
  return cache === null ? null : { name: cache.name, ...cache.geometry() };
}

/** The machine as the replays of shapes see it. */
export function shapeMachine(
  meta: RecordingMeta,
  config: ShapeConfig,
): ShapeMachine<SlubCache, SlubGeometryRecord> {
  const parameters = parseSlubParameters(meta.cmdline);
  const allocator = new SlubAllocator({ ...shapeOptions(config), parameters });
  return {
    allocator,
    geometryOf,
    kmallocCache: (index) => {
      const known = allocator.state.kmalloc?.caches[index] ?? null;
      return known === null ? null : allocator.cache(known.name);
    },
  };
}
