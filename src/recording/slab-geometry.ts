import { noMemory } from '../memory/none.ts';
import { KMALLOC_INDEX_COUNT, KMALLOC_MAX_CACHE_SIZE } from '../mm/kmalloc-sizes.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import { SlabAllocator } from '../slab/allocator.ts';
import type { SlabCache } from '../slab/cache.ts';
import { parseSlabParameters } from '../slab/parameters.ts';
import type { SlabCacheGeometry } from '../slab/types.ts';
import { type Difference, firstDifference } from './difference.ts';
import { RecordingError } from './errors.ts';
import {
  type Place,
  placeIn,
  readArray,
  readBoolean,
  readInteger,
  readIntegers,
  readList,
  readObject,
  readRecord,
} from './fields.ts';
import { readFlags, readSlabGeometry } from './slab-geometry-record.ts';
import { isDebugBuild, replayWithOrders, slabMaxOrders } from './slab-machine.ts';
import type { Divergence, RecordedLine, Recording, RecordingMeta, ReplayOutcome } from './types.ts';

const U32_MAX = 0xffff_ffff;
const MEMORY_BYTES = 0x1000_0000;

/** One line of a slab_geometry recording. */
type GeometryLine =
  | { readonly kind: 'config'; readonly cpus: number; readonly nodes: number }
  | {
      readonly kind: 'create';
      readonly request: CreateRequest;
      readonly cache: SlabCacheGeometry | null;
    }
  | {
      readonly kind: 'kmalloc';
      readonly type: number;
      readonly index: number;
      readonly cache: SlabCacheGeometry;
    }
  | { readonly kind: 'sizes'; readonly sizes: readonly (readonly number[])[] };

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
export function readConfig(value: unknown, place: Place): { cpus: number; nodes: number } {
  const config = readObject(value, place, ['cpus', 'nodes']);
  return {
    cpus: readInteger(config.cpus, placeIn(place, 'cpus'), 1, 4096),
    nodes: readInteger(config.nodes, placeIn(place, 'nodes'), 1, 63),
  };
}

function readLine({ number, value }: RecordedLine): GeometryLine {
  const place: Place = { line: number, path: 'line' };
  const fields = readRecord(value, place);
  if (Object.hasOwn(fields, 'config')) {
    const { config } = readObject(value, place, ['config']);
    return { kind: 'config', ...readConfig(config, placeIn(place, 'config')) };
  }
  if (Object.hasOwn(fields, 'create')) {
    const { create, cache } = readObject(value, place, ['create', 'cache']);
    const request = readCreateRequest(readArray(create, placeIn(place, 'create'), 4), place);
    return { kind: 'create', request, cache: readGeometryOrNull(cache, placeIn(place, 'cache')) };
  }
  if (Object.hasOwn(fields, 'kmalloc')) {
    const { kmalloc, cache } = readObject(value, place, ['kmalloc', 'cache']);
    const [type, index] = readIntegers(kmalloc, placeIn(place, 'kmalloc'), 0, 13, 2);
    return {
      kind: 'kmalloc',
      type,
      index,
      cache: readSlabGeometry(cache, placeIn(place, 'cache')),
    };
  }
  if (Object.hasOwn(fields, 'kmallocSizes')) {
    const { kmallocSizes } = readObject(value, place, ['kmallocSizes']);
    const sizes = readList(kmallocSizes, place, (pair, at) =>
      readIntegers(pair, at, 1, U32_MAX, 2),
    );
    return { kind: 'sizes', sizes };
  }
  const message = `line ${number}: a line with the fields ${Object.keys(fields).join(', ')}`;
  throw new RecordingError('UNKNOWN_LINE', message, { line: number });
}

function readGeometryOrNull(value: unknown, place: Place): SlabCacheGeometry | null {
  return value === null ? null : readSlabGeometry(value, place);
}

/** A machine on which only the shapes of caches count: no page is ever asked for. */
export function shapeAllocator(
  meta: RecordingMeta,
  shape: { readonly cpus: number; readonly nodes: number },
  slabMaxOrder: number,
  debug: boolean,
): SlabAllocator {
  const { cpus, nodes } = shape;
  const ids = Array.from({ length: nodes }, (_, node) => node);
  const zonelists = ids.map((node) => [node * 4 + 2]);
  return new SlabAllocator({
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
    config: { debug },
    parameters: { ...parseSlabParameters(meta.cmdline), maxOrder: slabMaxOrder },
  });
}

/**
 * Makes a cache as recorded.
 * @returns null when it is refused
 */
export function createAs(
  allocator: SlabAllocator,
  name: string,
  request: CreateRequest,
): SlabCache | null {
  const { size, align, flags, hasCtor } = request;
  const ctor = hasCtor ? (): void => undefined : undefined;
  try {
    return allocator.createCache(name, { size, align, flags, ctor });
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

/**
 * Replays a recording of kind `slab_geometry`.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function replaySlabGeometry(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const lines = recording.lines.map((line) => ({ number: line.number, content: readLine(line) }));
  const debug = isDebugBuild(recording.lines);
  return replayWithOrders(slabMaxOrders(meta, 0), (slabMaxOrder) => {
    let allocator: SlabAllocator | null = null;
    let operations = 0;
    let divergence: Divergence | null = null;
    for (const { number, content } of lines) {
      if (content.kind === 'config') {
        allocator = shapeAllocator(meta, content, slabMaxOrder, debug);
        continue;
      }
      if (allocator === null) {
        const message = `line ${number}: the configuration must come first`;
        throw new RecordingError('UNKNOWN_LINE', message, { line: number });
      }
      operations++;
      divergence ??= replayLine(allocator, content, operations, number);
    }
    return { operations, divergence };
  });
}

function replayLine(
  allocator: SlabAllocator,
  content: Exclude<GeometryLine, { kind: 'config' }>,
  operation: number,
  line: number,
): Divergence | null {
  switch (content.kind) {
    case 'create': {
      const name = content.cache?.name ?? 'refused';
      const cache = createAs(allocator, name, content.request);
      const difference = firstDifference(content.cache, cache?.geometry() ?? null);
      cache?.destroy();
      return asDivergence(difference, formatCreate(name, content.request), operation, line);
    }
    case 'kmalloc': {
      const { type, index } = content;
      const known = allocator.state.kmalloc?.caches[type * KMALLOC_INDEX_COUNT + index] ?? null;
      const got = known === null ? null : (known as SlabCache).geometry();
      const call = `kmalloc cache type ${type}, index ${index}`;
      return asDivergence(firstDifference(content.cache, got), call, operation, line);
    }
    case 'sizes': {
      const difference = firstDifference(content.sizes, sizeClasses(allocator), 'kmallocSizes');
      return asDivergence(difference, 'size classes of kmalloc', operation, line);
    }
  }
}

/** Where size classes begin, and the object size of each. */
function sizeClasses(allocator: SlabAllocator): number[][] {
  const classes: number[][] = [];
  for (let size = 1; size <= KMALLOC_MAX_CACHE_SIZE; size++) {
    const bytes = allocator.kmallocSizeRoundup(size);
    if (classes[classes.length - 1]?.[1] !== bytes) classes.push([size, bytes]);
  }
  return classes;
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
