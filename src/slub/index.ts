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
export { SlubAllocator } from './allocator.ts';
export type { Addresses } from './bulk.ts';
export { SlubCache, type SlubGeometry } from './cache.ts';
export type { CacheInput } from './cache-state.ts';
export {
  type DebugBlock,
  kmemCacheFlags,
  noSlubDebug,
  parseSlubDebug,
  type SlubDebug,
} from './debug-flags.ts';
export { calculateSizes, type Layout, type LayoutInput } from './layout.ts';
export { calculateOrder, type OrderParameters } from './order.ts';
export { parseSlubParameters } from './parameters.ts';
export type { Constructors } from './restore.ts';
export { type BootLineInput, formatBootLine } from './slabinfo.ts';
export type {
  CacheNodeSnapshot,
  CacheScalarName,
  CacheSnapshot,
  SlabSnapshot,
  SlubSnapshot,
} from './snapshot.ts';
export { createKmemCache, type KmemCacheStandaloneOptions } from './standalone.ts';
export { STAT_NAMES, type StatName } from './statistics.ts';
export type { AttributeName, SysfsEntry } from './sysfs.ts';
export type {
  SlubConfig,
  SlubOptions,
  SlubParameters,
  SlubReport,
  TrackCaller,
  TrackSource,
} from './types.ts';
