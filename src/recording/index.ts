export { type Difference, firstDifference } from './difference.ts';
export { RecordingError } from './errors.ts';
export {
  type FreeListRecord,
  type KernelState,
  type NodeRecord,
  type PageblockRun,
  type PcpListRecord,
  type PcpRecord,
  parseKernelState,
  type ZonelistEntry,
  type ZoneName,
  type ZoneRecord,
} from './kernel-state.ts';
export { readRecording } from './reader.ts';
export { replayerOf, supportedKinds } from './registry.ts';
export type {
  Divergence,
  RecordedLine,
  Recording,
  RecordingMeta,
  Replayer,
  ReplayOutcome,
} from './types.ts';
export { formatOutcome, verifyRecording } from './verify.ts';
