import { noMemory } from '../memory/none.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import type { PageSource } from '../mm/page-source.ts';
import type { KmemCacheOptions } from '../mm/slab-create.ts';
import type { SlabTopology } from '../mm/slab-topology.ts';
import type { Difference } from './difference.ts';
import { RecordingError } from './errors.ts';
import { type Place, placeIn, readBoolean, readInteger, readObject } from './fields.ts';
import { readFlags } from './kmem-geometry-record.ts';
import type { Divergence, Recording, RecordingMeta } from './types.ts';

const U32_MAX = 0xffff_ffff;
const MEMORY_BYTES = 0x1000_0000;

/** Arguments of kmem_cache_create but the name. */
export interface CreateRequest {
  /** Object size, bytes. */
  readonly size: number;
  /** Wanted alignment, bytes. */
  readonly align: number;
  /** Flags. */
  readonly flags: number;
  /** Whether there is a constructor. */
  readonly hasCtor: boolean;
}

/** CPUs and nodes of a machine on which only the shapes of caches count. */
export interface ShapeConfig {
  /** Number of CPUs. */
  readonly cpus: number;
  /** Number of nodes. */
  readonly nodes: number;
}

/** What allocators on such a machine have in common. */
export interface ShapeOptions {
  /** A source that is never asked for a page. */
  readonly source: PageSource;
  /** A memory without content. */
  readonly memory: PhysicalMemory;
  /** The kernel's own caches are not looked at. */
  readonly boot: 'bare';
  /** CPUs and nodes. */
  readonly topology: SlabTopology;
}

/** The arguments `[size, align, flags, ctor]`. */
export function readCreateRequest(values: readonly unknown[], place: Place): CreateRequest {
  return {
    size: readInteger(values[0], placeIn(place, 'size')),
    align: readInteger(values[1], placeIn(place, 'align'), 0, U32_MAX),
    flags: readFlags(values[2], placeIn(place, 'flags')),
    hasCtor: readBoolean(values[3], placeIn(place, 'ctor')),
  };
}

/** CPUs and nodes of a `config` line. */
export function readConfig(value: unknown, place: Place): ShapeConfig {
  const config = readObject(value, place, ['cpus', 'nodes']);
  return {
    cpus: readInteger(config.cpus, placeIn(place, 'cpus'), 1, 4096),
    nodes: readInteger(config.nodes, placeIn(place, 'nodes'), 1, 63),
  };
}

/** A machine on which only the shapes of caches count: no page is ever asked for. */
export function shapeOptions({ cpus, nodes }: ShapeConfig): ShapeOptions {
  const ids = Array.from({ length: nodes }, (_, node) => node);
  const zonelists = ids.map((node) => [node * 4 + 2]);
  return {
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
  };
}

/**
 * Makes a cache as recorded.
 * @param ctor stands for the constructor, if there was one; what that wrote is not recorded
 * @returns null when it is refused
 */
export function createAs<C>(
  allocator: { createCache(name: string, options: KmemCacheOptions): C | null },
  name: string,
  request: CreateRequest,
  ctor: (address: number) => void = () => undefined,
): C | null {
  const { size, align, flags, hasCtor } = request;
  try {
    return allocator.createCache(name, { size, align, flags, ctor: hasCtor ? ctor : undefined });
  } catch (error) {
    if (error instanceof KmemError) return null;
    throw error;
  }
}

/** The machine of a recording, which must have a `meta` line. */
export function metaOf({ meta }: Recording): RecordingMeta {
  if (meta !== null) return meta;
  throw new RecordingError('UNKNOWN_LINE', 'the recording does not say what it was made on', {
    line: 1,
  });
}

/** The creation as text. */
export function formatCreate(name: string, request: CreateRequest): string {
  const { size, align, flags, hasCtor } = request;
  const ctor = hasCtor ? ', ctor' : '';
  return `kmem_cache_create(${name}, ${size}, ${align}, 0x${flags.toString(16)}${ctor})`;
}

/** A difference of shapes as the divergence of a line. */
export function asDivergence(
  difference: Difference | null,
  call: string,
  operation: number,
  line: number,
): Divergence | null {
  if (difference === null) return null;
  const { path, expected, got, context } = difference;
  const where = path === '' ? call : `${call}: ${path}`;
  return { operation, line, call: where, expected, got, context };
}
