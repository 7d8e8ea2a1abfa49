import { KMALLOC_INDEX_COUNT, KMALLOC_MAX_CACHE_SIZE } from '../mm/kmalloc-sizes.ts';
import type { KmemCache } from '../mm/kmem-cache.ts';
import type { KmemCacheOptions } from '../mm/slab-create.ts';
import { firstDifference } from './difference.ts';
import { RecordingError } from './errors.ts';
import {
  type Place,
  placeIn,
  readArray,
  readIntegers,
  readList,
  readObject,
  readRecord,
} from './fields.ts';
import {
  asDivergence,
  type CreateRequest,
  createAs,
  formatCreate,
  readConfig,
  readCreateRequest,
  type ShapeConfig,
} from './kmem-create.ts';
import type { NamedGeometry } from './kmem-geometry-record.ts';
import type { Divergence, RecordedLine, ReplayOutcome } from './types.ts';

const U32_MAX = 0xffff_ffff;

/** An allocator of which only the shapes of caches count: SLAB's or SLUB's. */
export interface ShapeMachine<C extends KmemCache, G extends NamedGeometry> {
  /** The allocator. */
  readonly allocator: {
    /** Makes a cache. */
    createCache(name: string, options: KmemCacheOptions): C | null;
    /** The cache of a name, aliases included; null for none. */
    cache(name: string): C | null;
    /** Bytes of the object that kmalloc gives for a size. */
    kmallocSizeRoundup(size: number): number;
  };
  /** A cache in the form of the recordings. */
  readonly geometryOf: (cache: C | null) => G | null;
  /** The kmalloc cache at an index of the table of all types. */
  readonly kmallocCache: (index: number) => C | null;
}

/** Reads the geometry of a cache. */
export type GeometryReader<G extends NamedGeometry> = (value: unknown, place: Place) => G;

/** What a line of a geometry recording says. */
type GeometryContent<G extends NamedGeometry> =
  | { readonly kind: 'config'; readonly config: ShapeConfig }
  | { readonly kind: 'create'; readonly request: CreateRequest; readonly cache: G | null }
  | {
      readonly kind: 'kmalloc';
      readonly type: number;
      readonly index: number;
      readonly cache: G;
    }
  | { readonly kind: 'sizes'; readonly sizes: readonly (readonly number[])[] };

/** A line of a slab_geometry or slub_geometry recording. */
export interface GeometryLine<G extends NamedGeometry> {
  /** Line number in the file, from 1. */
  readonly number: number;
  /** What it says. */
  readonly content: GeometryContent<G>;
}

/**
 * Reads all lines, so that a foreign one is never passed over.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function readGeometryLines<G extends NamedGeometry>(
  lines: readonly RecordedLine[],
  read: GeometryReader<G>,
): GeometryLine<G>[] {
  return lines.map((line) => ({ number: line.number, content: readLine(line, read) }));
}

function readLine<G extends NamedGeometry>(
  { number, value }: RecordedLine,
  readCache: GeometryReader<G>,
): GeometryContent<G> {
  const place: Place = { line: number, path: 'line' };
  const at = placeIn(place, 'cache');
  const fields = readRecord(value, place);
  if (Object.hasOwn(fields, 'config')) {
    const { config } = readObject(value, place, ['config']);
    return { kind: 'config', config: readConfig(config, placeIn(place, 'config')) };
  }
  if (Object.hasOwn(fields, 'create')) {
    const { create, cache } = readObject(value, place, ['create', 'cache']);
    const request = readCreateRequest(readArray(create, placeIn(place, 'create'), 4), place);
    return { kind: 'create', request, cache: cache === null ? null : readCache(cache, at) };
  }
  if (Object.hasOwn(fields, 'kmalloc')) {
    const { kmalloc, cache } = readObject(value, place, ['kmalloc', 'cache']);
    const [type, index] = readIntegers(kmalloc, placeIn(place, 'kmalloc'), 0, 13, 2);
    return { kind: 'kmalloc', type, index, cache: readCache(cache, at) };
  }
  if (Object.hasOwn(fields, 'kmallocSizes')) {
    const { kmallocSizes } = readObject(value, place, ['kmallocSizes']);
    const sizes = readList(kmallocSizes, place, (pair, pairAt) =>
      readIntegers(pair, pairAt, 1, U32_MAX, 2),
    );
    return { kind: 'sizes', sizes };
  }
  const message = `line ${number}: a line with the fields ${Object.keys(fields).join(', ')}`;
  throw new RecordingError('UNKNOWN_LINE', message, { line: number });
}

/**
 * Replays the lines of a geometry recording.
 * @param start makes the machine of a `config` line
 * @throws RecordingError when the configuration does not come first
 */
export function replayGeometryLines<C extends KmemCache, G extends NamedGeometry>(
  lines: readonly GeometryLine<G>[],
  start: (config: ShapeConfig) => ShapeMachine<C, G>,
): ReplayOutcome {
  let machine: ShapeMachine<C, G> | null = null;
  let operations = 0;
  let divergence: Divergence | null = null;
  for (const { number, content } of lines) {
    if (content.kind === 'config') {
      machine = start(content.config);
      continue;
    }
    if (machine === null) {
      const message = `line ${number}: the configuration must come first`;
      throw new RecordingError('UNKNOWN_LINE', message, { line: number });
    }
    operations++;
    divergence ??= replayLine(machine, content, operations, number);
  }
  return { operations, divergence };
}

function replayLine<C extends KmemCache, G extends NamedGeometry>(
  machine: ShapeMachine<C, G>,
  content: Exclude<GeometryContent<G>, { kind: 'config' }>,
  operation: number,
  line: number,
): Divergence | null {
  const { allocator, geometryOf, kmallocCache } = machine;
  switch (content.kind) {
    case 'create': {
      const name = content.cache?.name ?? 'refused';
      const cache = createAs(allocator, name, content.request);
      const difference = firstDifference(content.cache, geometryOf(cache));
      cache?.destroy();
      return asDivergence(difference, formatCreate(name, content.request), operation, line);
    }
    case 'kmalloc': {
      const { type, index } = content;
      const got = geometryOf(kmallocCache(type * KMALLOC_INDEX_COUNT + index));
      const call = `kmalloc cache type ${type}, index ${index}`;
      return asDivergence(firstDifference(content.cache, got), call, operation, line);
    }
    case 'sizes': {
      const got = sizeClasses((size) => allocator.kmallocSizeRoundup(size));
      const difference = firstDifference(content.sizes, got, 'kmallocSizes');
      return asDivergence(difference, 'size classes of kmalloc', operation, line);
    }
  }
}

/** Where size classes begin, and the object size of each. */
function sizeClasses(roundup: (size: number) => number): number[][] {
  const classes: number[][] = [];
  for (let size = 1; size <= KMALLOC_MAX_CACHE_SIZE; size++) {
    const bytes = roundup(size);
    if (classes[classes.length - 1]?.[1] !== bytes) classes.push([size, bytes]);
  }
  return classes;
}
