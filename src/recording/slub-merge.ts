import { metaOf } from './kmem-create.ts';
import { readMergeLines, replayMergeLines } from './kmem-merge.ts';
import { readSlubGeometry, shapeMachine } from './slub-machine.ts';
import type { Recording, ReplayOutcome } from './types.ts';

/**
 * Replays a recording of kind `slub_merge`.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function replaySlubMerge(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const lines = readMergeLines(recording.lines, readSlubGeometry);
  return replayMergeLines(lines, shapeMachine(meta, lines.config));
}
