import type { KmemCache } from '../mm/kmem-cache.ts';
import { firstDifference } from './difference.ts';
import { RecordingError } from './errors.ts';
import { type Place, placeIn, readArray, readObject, readRecord, readString } from './fields.ts';
import {
  asDivergence,
  type CreateRequest,
  createAs,
  formatCreate,
  readConfig,
  readCreateRequest,
  type ShapeConfig,
} from './kmem-create.ts';
import type { GeometryReader, ShapeMachine } from './kmem-geometry.ts';
import type { NamedGeometry } from './kmem-geometry-record.ts';
import type { Divergence, RecordedLine, ReplayOutcome } from './types.ts';

/** One creation of the recording. */
interface Creation<G extends NamedGeometry> {
  readonly number: number;
  readonly name: string;
  readonly request: CreateRequest;
  readonly cache: G | null;
}

/** The lines of a slab_merge or slub_merge recording. */
export interface MergeLines<G extends NamedGeometry> {
  /** CPUs and nodes of the machine. */
  readonly config: ShapeConfig;
  /** The creations in order. */
  readonly creations: readonly Creation<G>[];
}

/**
 * Reads all lines, so that a foreign one is never passed over.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function readMergeLines<G extends NamedGeometry>(
  lines: readonly RecordedLine[],
  read: GeometryReader<G>,
): MergeLines<G> {
  const [first, ...rest] = lines;
  if (first === undefined) {
    throw new RecordingError('UNKNOWN_LINE', 'the configuration is missing', { line: 2 });
  }
  const place: Place = { line: first.number, path: 'line' };
  const { config } = readObject(first.value, place, ['config']);
  return {
    config: readConfig(config, placeIn(place, 'config')),
    creations: rest.map((line) => readCreation(line, read)),
  };
}

/** Reads the line of one creation. */
function readCreation<G extends NamedGeometry>(
  { number, value }: RecordedLine,
  read: GeometryReader<G>,
): Creation<G> {
  const place: Place = { line: number, path: 'line' };
  const fields = readRecord(value, place);
  if (!Object.hasOwn(fields, 'create')) {
    const message = `line ${number}: a line with the fields ${Object.keys(fields).join(', ')}`;
    throw new RecordingError('UNKNOWN_LINE', message, { line: number });
  }
  const { create, cache } = readObject(value, place, ['create', 'cache']);
  const at = placeIn(place, 'create');
  const [name, ...rest] = readArray(create, at, 5);
  return {
    number,
    name: readString(name, placeIn(at, 0)),
    request: readCreateRequest(rest, at),
    cache: cache === null ? null : read(cache, placeIn(place, 'cache')),
  };
}

/**
 * Replays the creations of a merge recording. A creation that joined a cache which the kernel itself
 * made at boot cannot be checked: that cache is not in the recording.
 */
export function replayMergeLines<C extends KmemCache, G extends NamedGeometry>(
  { creations }: MergeLines<G>,
  machine: ShapeMachine<C, G>,
): ReplayOutcome {
  let divergence: Divergence | null = null;
  for (const [i, creation] of creations.entries()) {
    divergence ??= replayCreation(machine, creation, i + 1);
  }
  return { operations: creations.length, divergence };
}

function replayCreation<C extends KmemCache, G extends NamedGeometry>(
  { allocator, geometryOf }: ShapeMachine<C, G>,
  { number, name, request, cache }: Creation<G>,
  operation: number,
): Divergence | null {
  const isKnown = cache === null || cache.name === name || allocator.cache(cache.name) !== null;
  if (!isKnown) return null;
  const made = createAs(allocator, name, request);
  const difference = firstDifference(cache, geometryOf(made));
  return asDivergence(difference, formatCreate(name, request), operation, number);
}
