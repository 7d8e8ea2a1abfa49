import { metaOf } from './kmem-create.ts';
import { readMergeLines, replayMergeLines } from './kmem-merge.ts';
import { shapeMachine } from './slab-geometry.ts';
import { readSlabGeometry } from './slab-geometry-record.ts';
import { isDebugBuild, replayWithOrders, slabMaxOrders } from './slab-machine.ts';
import type { Recording, ReplayOutcome } from './types.ts';

/**
 * Replays a recording of kind `slab_merge`.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function replaySlabMerge(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const lines = readMergeLines(recording.lines, readSlabGeometry);
  const debug = isDebugBuild(recording.lines);
  return replayWithOrders(slabMaxOrders(meta, 0), (slabMaxOrder) =>
    replayMergeLines(lines, shapeMachine(meta, lines.config, slabMaxOrder, debug)),
  );
}
