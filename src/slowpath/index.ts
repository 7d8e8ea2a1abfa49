export {
  CompactPriority,
  CompactResult,
  MigrateMode,
  MigrateOutcome,
} from './constants.ts';
export {
  KernelPanicError,
  SlowPathError,
  type SlowPathErrorCode,
  StallError,
} from './errors.ts';
export { InstantLru } from './instant-lru.ts';
export { assertInvariants, checkInvariants } from './invariants.ts';
export type { KcompactdState } from './kcompactd.ts';
export type { ReaperSnapshot, ReapingSnapshot } from './oom-reaper.ts';
export { readOomAdj, writeOomAdj, writeOomScoreAdj } from './oom-score-adj.ts';
export {
  createOomMm,
  createOomTask,
  OomConstraint,
  type OomHost,
  type OomMm,
  type OomTask,
  type OomThread,
  type OomTunables,
  type SlabUsage,
} from './oom-types.ts';
export type { RateLimitSnapshot } from './rate-limit.ts';
export { SlowPath } from './slowpath.ts';
export type { SlowPathSnapshot, ZoneCompactionSnapshot } from './snapshot.ts';
export { SlowPathState } from './state.ts';
export { TaskTable, type TaskTableOptions } from './task-table.ts';
export type {
  CaptureControl,
  CompactionLru,
  CompactionPages,
  KcompactdActivity,
  MigrationHost,
  SlowPathConfig,
  SlowPathCpusets,
  SlowPathHooks,
  SlowPathOptions,
  SlowPathPages,
  SlowPathReclaim,
  SlowPathRequest,
  StallRound,
  SwapUsage,
} from './types.ts';
