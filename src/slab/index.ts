export {
  type KmemAllocator,
  type KmemCache,
  type KmemCacheStats,
  KmemError,
  type ObjectLocation,
  type ReclaimState,
} from '../mm/kmem-cache.ts';
export type { KmemCacheOptions } from '../mm/slab-create.ts';
export { SlabFlag } from '../mm/slab-flags.ts';
export { SlabAllocator } from './allocator.ts';
export { ALIEN_LIMIT, ArrayCache, BATCHCOUNT_UNUSED, BATCHREFILL_LIMIT } from './array-cache.ts';
export { SlabCache } from './cache.ts';
export { type AlienCaches, CacheNode, CacheState } from './cache-state.ts';
export type { CallTracer } from './call-trace.ts';
export { POISON_END, POISON_FREE, POISON_INUSE } from './debug-layout.ts';
export {
  cacheEstimate,
  calculateGeometry,
  calculateSlabOrder,
  defaultSlabMaxOrder,
  FreelistFlag,
  type GeometryConfig,
  type GeometryRequest,
  type IndexArrayCache,
  type SlabGeometry,
  type SlabOrder,
} from './geometry.ts';
export { assertInvariants, checkInvariants } from './invariants.ts';
export { defaultConfig, defaultParameters, parseSlabParameters } from './parameters.ts';
export { roundedDue } from './reap.ts';
export { SlabTable, SlotState } from './slab-table.ts';
export type {
  ArrayCacheSnapshot,
  CacheNodeSnapshot,
  CacheSnapshot,
  Constructors,
  SlabSnapshot,
} from './snapshot.ts';
export { createKmemCache, type KmemCacheStandaloneOptions } from './standalone.ts';
export { BootState, type RcuSlab, SlabState } from './state.ts';
export { defaultTunables, type SlabTunables } from './tune.ts';
export type {
  CallSite,
  CallTrace,
  SlabCacheGeometry,
  SlabConfig,
  SlabOptions,
  SlabParameters,
  SlabPolicyMode,
  SlabStatistics,
  SlabTaskPolicy,
} from './types.ts';
