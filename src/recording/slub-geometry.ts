import { metaOf } from './kmem-create.ts';
import { readGeometryLines, replayGeometryLines } from './kmem-geometry.ts';
import { readSlubGeometry, shapeMachine } from './slub-machine.ts';
import type { Recording, ReplayOutcome } from './types.ts';

/**
 * Replays a recording of kind `slub_geometry`.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function replaySlubGeometry(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const lines = readGeometryLines(recording.lines, readSlubGeometry);
  return replayGeometryLines(lines, (config) => shapeMachine(meta, config));
}
