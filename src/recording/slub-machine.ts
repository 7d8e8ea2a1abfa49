import { noMemory } from '../memory/none.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import { SlubAllocator } from '../slub/allocator.ts';
import type { SlubCache, SlubGeometry } from '../slub/cache.ts';
import { parseSlubParameters } from '../slub/parameters.ts';
import { type Place, placeIn, readInteger, readObject, readString } from './fields.ts';
import type { CreateRequest } from './slab-geometry.ts';
import { readFlags } from './slab-geometry-record.ts';
import type { RecordingMeta } from './types.ts';

const U32_MAX = 0xffff_ffff;
const MEMORY_BYTES = 0x1000_0000;

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

/** A cache of the model in the form of the recordings. */
export function geometryOf(cache: SlubCache | null): SlubGeometryRecord | null {
  return cache === null ? null : { name: cache.name, ...cache.geometry() };
}

/** A machine on which only the shapes of caches count: no page is ever asked for. */
export function shapeAllocator(
  meta: RecordingMeta,
  shape: { readonly cpus: number; readonly nodes: number },
): SlubAllocator {
  const { cpus, nodes } = shape;
  const ids = Array.from({ length: nodes }, (_, node) => node);
  const zonelists = ids.map((node) => [node * 4 + 2]);
  return new SlubAllocator({
    source: { allocPages: () => -1, freePages: () => undefined, nodeOf: () => 0 },
    memory: noMemory(MEMORY_BYTES),
    boot: 'bare',
    topology: {
      cpuNode: Array.from({ length: cpus }, (_, cpu) => cpu % nodes),
      nodeIds: nodes,
      memoryNodes: ids,
      zonelists,
      thisNodeZonelists: zonelists,
    },
    parameters: parseSlubParameters(meta.cmdline),
  });
}

/**
 * Makes a cache as recorded.
 * @returns null when it is refused
 */
export function createAs(
  allocator: SlubAllocator,
  name: string,
  request: CreateRequest,
): SlubCache | null {
  const { size, align, flags, hasCtor } = request;
  const ctor = hasCtor ? (): void => undefined : undefined;
  try {
    return allocator.createCache(name, { size, align, flags, ctor });
  } catch (error) {
    if (error instanceof KmemError) return null;
    throw error;
  }
}
