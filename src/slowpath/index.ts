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
export {
  createOomMm,
  createOomTask,
  OomConstraint,
  type OomHost,
  type OomMm,
  type OomTask,
  type OomTunables,
} from './oom-types.ts';
export { SlowPath } from './slowpath.ts';
export { SlowPathState } from './state.ts';
export type {
  CaptureControl,
  CompactionLru,
  CompactionPages,
  KcompactdActivity,
  MigrationHost,
  SlowPathCpusets,
  SlowPathHooks,
  SlowPathOptions,
  SlowPathPages,
  SlowPathReclaim,
  SlowPathRequest,
  StallRound,
} from './types.ts';
