export { AnonMemory, AnonRegion } from './anon-memory.ts';
export { CachedFile, type CachedFileOptions, type LeafWatcher } from './cached-file.ts';
export {
  AOP_WRITEPAGE_ACTIVATE,
  CompactResult,
  LRU_NAMES,
  LruBatch,
  LruKind,
  LruList,
  LruvecFlag,
  NodeReclaimMode,
  NodeReclaimResult,
  PgdatFlag,
  VmFlag,
  VmscanThrottle,
} from './constants.ts';
export { ReclaimError, type ReclaimErrorCode } from './errors.ts';
export { hasMapping, inSwapcache, isAnon, isEvictable, isFileLru, lruOf } from './folio.ts';
export { type DirtyLimits, formatVmstat, parseVmstat, siMemAvailable } from './format.ts';
export { assertInvariants, checkInvariants } from './invariants.ts';
export { type KswapdPhase, KswapdThread } from './kswapd-thread.ts';
export { LruOperations } from './lru-operations.ts';
export { type FaultOptions, PageCache, type PageCacheOptions } from './page-cache.ts';
export { type CachePages, type PageFrameOptions, PageFrames } from './page-frames.ts';
export { Reclaim } from './reclaim.ts';
export { Rmap, RmapMark } from './rmap.ts';
export { ScanControl } from './scan-control.ts';
export { DEFAULT_SEEKS, SHRINK_EMPTY, SHRINK_STOP } from './shrinker.ts';
export type { KswapdSnapshot, ReclaimSnapshot } from './snapshot.ts';
export { ReclaimState } from './state.ts';
export { Swap, type SwapSnapshot } from './swap.ts';
export type {
  Host,
  Isolation,
  KswapdState,
  PageAllocatorForReclaim,
  ReclaimHost,
  ReclaimOptions,
  ReclaimStat,
  ReferencedResult,
  ShrinkControl,
  Shrinker,
  ShrinkerOptions,
} from './types.ts';
export { formatWorkingsetInit, packShadow, shadowSlotValue } from './workingset.ts';
export type { WritebackOptions } from './writeback-queue.ts';
