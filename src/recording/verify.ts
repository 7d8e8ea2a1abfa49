import { RecordingError } from './errors.ts';
import { replayerOf, supportedKinds } from './registry.ts';
import type { Recording, ReplayOutcome } from './types.ts';

/**
 * Replays a recording on the model and compares every result.
 * @returns how many operations there were and where the first difference is
 * @throws RecordingError `UNSUPPORTED_KIND` when no replayer knows the kind; `UNKNOWN_LINE`,
 * `UNKNOWN_CALL`, `UNKNOWN_FIELD` or `BAD_VALUE` for a line that the replayer does not understand
 */
export function verifyRecording(recording: Recording): ReplayOutcome {
  const { kind } = recording;
  const replay = replayerOf(kind);
  if (replay === null) {
    const message = `recordings of kind ${kind} are not supported yet`;
    throw new RecordingError('UNSUPPORTED_KIND', message, { kind, known: supportedKinds() });
  }
  return replay(recording);
}

/**
 * The report of one replay: a line that begins with `ok` or `FAIL`, and after a FAIL where in the
 * file it is and what the lists held there.
 * @param name name of the recording, usually of its file
 */
export function formatOutcome(name: string, outcome: ReplayOutcome): string[] {
  const { operations, divergence } = outcome;
  if (divergence === null) return [`ok    ${name}  ${operations} operations, 0 divergences`];
  const { operation, line, call, expected, got, context } = divergence;
  return [
    `FAIL  ${name}  operation ${operation} of ${operations}: ${call}: expected ${expected}, got ${got}`,
    `      at line ${line} of the recording`,
    ...context.map((text) => `      ${text}`),
  ];
}
