import { KMALLOC_INDEX_COUNT, KMALLOC_MAX_CACHE_SIZE } from '../mm/kmalloc-sizes.ts';
import type { SlubAllocator } from '../slub/allocator.ts';
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
  formatCreate,
  metaOf,
  readConfig,
  readCreateRequest,
} from './slab-geometry.ts';
import {
  createAs,
  geometryOf,
  readSlubGeometry,
  type SlubGeometryRecord,
  shapeAllocator,
} from './slub-machine.ts';
import type { Divergence, RecordedLine, Recording, ReplayOutcome } from './types.ts';

const U32_MAX = 0xffff_ffff;

/** One line of a slub_geometry recording. */
type GeometryLine =
  | { readonly kind: 'config'; readonly cpus: number; readonly nodes: number }
  | {
      readonly kind: 'create';
      readonly request: CreateRequest;
      readonly cache: SlubGeometryRecord | null;
    }
  | {
      readonly kind: 'kmalloc';
      readonly type: number;
      readonly index: number;
      readonly cache: SlubGeometryRecord;
    }
  | { readonly kind: 'sizes'; readonly sizes: readonly (readonly number[])[] };

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
    const at = placeIn(place, 'cache');
    return { kind: 'create', request, cache: cache === null ? null : readSlubGeometry(cache, at) };
  }
  if (Object.hasOwn(fields, 'kmalloc')) {
    const { kmalloc, cache } = readObject(value, place, ['kmalloc', 'cache']);
    const [type, index] = readIntegers(kmalloc, placeIn(place, 'kmalloc'), 0, 13, 2);
    return {
      kind: 'kmalloc',
      type,
      index,
      cache: readSlubGeometry(cache, placeIn(place, 'cache')),
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

/**
 * Replays a recording of kind `slub_geometry`.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function replaySlubGeometry(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const lines = recording.lines.map((line) => ({ number: line.number, content: readLine(line) }));
  let allocator: SlubAllocator | null = null;
  let operations = 0;
  let divergence: Divergence | null = null;
  for (const { number, content } of lines) {
    if (content.kind === 'config') {
      allocator = shapeAllocator(meta, content);
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
}

function replayLine(
  allocator: SlubAllocator,
  content: Exclude<GeometryLine, { kind: 'config' }>,
  operation: number,
  line: number,
): Divergence | null {
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
      const known = allocator.state.kmalloc?.caches[type * KMALLOC_INDEX_COUNT + index] ?? null;
      const got = known === null ? null : geometryOf(allocator.cache(known.name));
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
function sizeClasses(allocator: SlubAllocator): number[][] {
  const classes: number[][] = [];
  for (let size = 1; size <= KMALLOC_MAX_CACHE_SIZE; size++) {
    const bytes = allocator.kmallocSizeRoundup(size);
    if (classes[classes.length - 1]?.[1] !== bytes) classes.push([size, bytes]);
  }
  return classes;
}
