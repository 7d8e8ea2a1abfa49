import type { SlubAllocator } from '../slub/allocator.ts';
import { firstDifference } from './difference.ts';
import { RecordingError } from './errors.ts';
import { type Place, placeIn, readArray, readObject, readRecord, readString } from './fields.ts';
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

/** One creation of the recording. */
interface Creation {
  readonly number: number;
  readonly name: string;
  readonly request: CreateRequest;
  readonly cache: SlubGeometryRecord | null;
}

/** Reads the line of one creation. */
function readCreation({ number, value }: RecordedLine): Creation {
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
    cache: cache === null ? null : readSlubGeometry(cache, placeIn(place, 'cache')),
  };
}

/**
 * Replays a recording of kind `slub_merge`. A creation that joined a cache which the kernel itself
 * made at boot cannot be checked: that cache is not in the recording.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function replaySlubMerge(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const [first, ...rest] = recording.lines;
  if (first === undefined) {
    throw new RecordingError('UNKNOWN_LINE', 'the configuration is missing', { line: 2 });
  }
  const place: Place = { line: first.number, path: 'line' };
  const { config } = readObject(first.value, place, ['config']);
  const allocator = shapeAllocator(meta, readConfig(config, placeIn(place, 'config')));
  const creations = rest.map(readCreation);
  let divergence: Divergence | null = null;
  for (const [i, creation] of creations.entries()) {
    divergence ??= replayCreation(allocator, creation, i + 1);
  }
  return { operations: creations.length, divergence };
}

function replayCreation(
  allocator: SlubAllocator,
  { number, name, request, cache }: Creation,
  operation: number,
): Divergence | null {
  const isKnown = cache === null || cache.name === name || allocator.cache(cache.name) !== null;
  if (!isKnown) return null;
  const made = createAs(allocator, name, request);
  const difference = firstDifference(cache, geometryOf(made));
  return asDivergence(difference, formatCreate(name, request), operation, number);
}
