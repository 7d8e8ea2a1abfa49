import { SlabAllocator } from '../slab/allocator.ts';
import type { SlabCache } from '../slab/cache.ts';
import { parseSlabParameters } from '../slab/parameters.ts';
import type { SlabCacheGeometry } from '../slab/types.ts';
import { metaOf, type ShapeConfig, shapeOptions } from './kmem-create.ts';
import { readGeometryLines, replayGeometryLines, type ShapeMachine } from './kmem-geometry.ts';
import { readSlabGeometry } from './slab-geometry-record.ts';
import { isDebugBuild, replayWithOrders, slabMaxOrders } from './slab-machine.ts';
import type { Recording, RecordingMeta, ReplayOutcome } from './types.ts';

/** A cache of the model in the form of the recordings. */
export function geometryOf(cache: SlabCache | null): SlabCacheGeometry | null {
  return cache?.geometry() ?? null;
}

/** A machine on which only the shapes of caches count. */
export function shapeMachine(
  meta: RecordingMeta,
  config: ShapeConfig,
  slabMaxOrder: number,
  debug: boolean,
): ShapeMachine<SlabCache, SlabCacheGeometry> {
  const allocator = new SlabAllocator({
    ...shapeOptions(config),
    config: { debug },
    parameters: { ...parseSlabParameters(meta.cmdline), maxOrder: slabMaxOrder },
  });
  return {
    allocator,
    geometryOf,
    kmallocCache: (index) => (allocator.state.kmalloc?.caches[index] ?? null) as SlabCache | null,
  };
}

/**
 * Replays a recording of kind `slab_geometry`.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function replaySlabGeometry(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const lines = readGeometryLines(recording.lines, readSlabGeometry);
  const debug = isDebugBuild(recording.lines);
  return replayWithOrders(slabMaxOrders(meta, 0), (slabMaxOrder) =>
    replayGeometryLines(lines, (config) => shapeMachine(meta, config, slabMaxOrder, debug)),
  );
}
