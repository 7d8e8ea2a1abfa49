import type { SlabAllocator } from '../slab/allocator.ts';
import type { SlabCacheGeometry } from '../slab/types.ts';
import { firstDifference } from './difference.ts';
import { RecordingError } from './errors.ts';
import { type Place, placeIn, readArray, readObject, readRecord, readString } from './fields.ts';
import {
  asDivergence,
  type CreateRequest,
  createAs,
  formatCreate,
  metaOf,
  readConfig,
  readCreateRequest,
  shapeAllocator,
} from './slab-geometry.ts';
import { readSlabGeometry } from './slab-geometry-record.ts';
import { isDebugBuild, replayWithOrders, slabMaxOrders } from './slab-machine.ts';
import type { Divergence, RecordedLine, Recording, ReplayOutcome } from './types.ts';

/** One creation of the recording. */
interface Creation {
  readonly number: number;
  readonly name: string;
  readonly request: CreateRequest;
  readonly cache: SlabCacheGeometry | null;
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
    cache: cache === null ? null : readSlabGeometry(cache, placeIn(place, 'cache')),
  };
}

/**
 * Replays a recording of kind `slab_merge`. A creation that joined a cache which the kernel itself
 * made at boot cannot be checked: that cache is not in the recording.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function replaySlabMerge(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const [first, ...rest] = recording.lines;
  if (first === undefined) {
    throw new RecordingError('UNKNOWN_LINE', 'the configuration is missing', { line: 2 });
  }
  const place: Place = { line: first.number, path: 'line' };
  const shape = readConfig(
    readObject(first.value, place, ['config']).config,
    placeIn(place, 'config'),
  );
  const creations = rest.map(readCreation);
  const debug = isDebugBuild(recording.lines);
  return replayWithOrders(slabMaxOrders(meta, 0), (slabMaxOrder) => {
    const allocator = shapeAllocator(meta, shape, slabMaxOrder, debug);
    let divergence: Divergence | null = null;
    creations.forEach((creation, i) => {
      divergence ??= replayCreation(allocator, creation, i + 1);
    });
    return { operations: creations.length, divergence };
  });
}

function replayCreation(
  allocator: SlabAllocator,
  { number, name, request, cache }: Creation,
  operation: number,
): Divergence | null {
  const isKnown = cache === null || cache.name === name || allocator.cache(cache.name) !== null;
  if (!isKnown) return null;
  const made = createAs(allocator, name, request);
  const difference = firstDifference(cache, made?.geometry() ?? null);
  return asDivergence(difference, formatCreate(name, request), operation, number);
}
