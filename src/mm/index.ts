export {
  ArgumentError,
  type ErrorData,
  InvariantError,
  type InvariantViolation,
  PageframeError,
} from '../lib/errors.ts';
export {
  type Links,
  listAdd,
  listAddTail,
  listDel,
  listInit,
  listIsEmpty,
  listLength,
  listMove,
  listMoveTail,
  listSplice,
  listToArray,
} from '../lib/list.ts';
export { type RandomSource, seededRandom } from '../lib/random.ts';
export {
  addrToPfn,
  asPfn,
  asPhysAddr,
  MAX_ORDER,
  MAX_ORDER_NR_PAGES,
  NIL,
  PAGE_SHIFT,
  PAGE_SIZE,
  type Pfn,
  type PhysAddr,
  pfnToAddr,
} from '../lib/units.ts';
export { type BootMemory, checkBootInvariants } from './boot-invariants.ts';
export { reserveBootmemRegion, resetManagedPages } from './boot-pages.ts';
export { deferredGrowZone, deferredInitMemmap, type FreeDeferredBlock } from './deferred-init.ts';
export {
  FreeAreas,
  freeListHead,
  freeListLength,
  freeListToArray,
  freePagesInAreas,
} from './free-area.ts';
export { type FreeAreaInitOptions, formatPfnRange, freeAreaInit } from './free-area-init.ts';
export { type FtraceOptions, ftraceSink } from './ftrace.ts';
export { compactionFtrace, type EmitEvent, oomFtrace } from './ftrace-compaction.ts';
export { type KmemFtraceOptions, kmemFtrace } from './ftrace-kmem.ts';
export { type SlabFtraceOptions, slabFtrace } from './ftrace-slab.ts';
export { vmscanFtrace } from './ftrace-vmscan.ts';
export { formatGfp, formatGfpTrace, Gfp, gfpMigratetype, gfpZone, parseGfp } from './gfp.ts';
export { assertInvariants, checkInvariants, checkMovablePfns } from './invariants.ts';
export { addressArgument, Kmalloc, type KmallocBackend, type KmallocOptions } from './kmalloc.ts';
export {
  KMALLOC_INDEX_COUNT,
  KMALLOC_MAX_CACHE_SIZE,
  KMALLOC_MAX_SIZE,
  KMALLOC_PREFIXES,
  KMALLOC_SHIFT_LOW_SLAB,
  KMALLOC_SHIFT_LOW_SLUB,
  KMALLOC_SIZES,
  KMALLOC_SUFFIXES,
  KMALLOC_TYPE_COUNT,
  type KmallocCacheInfo,
  type KmallocConfig,
  KmallocType,
  kmallocCacheInfo,
  kmallocCacheList,
  kmallocIndexSlab,
  kmallocIndexSlub,
  kmallocSizeRoundup,
  kmallocType,
  ZERO_SIZE_PTR,
} from './kmalloc-sizes.ts';
export {
  type KmemAllocator,
  type KmemCache,
  type KmemCacheStats,
  KmemError,
  type ObjectConstructor,
  type ObjectLocation,
  type ReclaimState,
} from './kmem-cache.ts';
export { type MemmapInitOptions, memmapInit } from './memmap-init.ts';
export {
  defaultTunables,
  MemoryModel,
  type MemoryModelOptions,
  nodeDistance,
  nodeOfPage,
  onlineZones,
  type VmTunables,
  zoneOfPage,
} from './memory-model.ts';
export {
  checkMemoryRanges,
  type MemoryRange,
  nodePfnRange,
  nodesWithMemory,
  ramPagesIn,
  rangePages,
} from './memory-range.ts';
export {
  type MemorySnapshot,
  type NodeNumber,
  type NodeSnapshot,
  restoreMemory,
  type SparseArray,
  snapshotMemory,
  type ZoneNumber,
  type ZoneSnapshot,
} from './memory-snapshot.ts';
export {
  MIGRATE_PCPTYPES,
  MIGRATE_TYPES,
  MIGRATETYPE_LETTERS,
  MIGRATETYPE_NAMES,
  Migratetype,
  migratetypeIsMergeable,
} from './migratetype.ts';
export { type CoreSize, findZoneMovablePfns, type MovableZoneOptions } from './movable-zone.ts';
export { PAGE_FLAGS_CHECK_AT_FREE, PAGE_FLAGS_MASK, PageFlag, PageMark } from './page-flags.ts';
export {
  formatPage,
  formatPageFlags,
  type PageFlagFields,
  type PageFlagLayout,
} from './page-flags-text.ts';
export {
  allocatedOrder,
  buddyOrder,
  cachedMigratetype,
  clearCompound,
  compoundHead,
  compoundOrder,
  isBuddyOfOrder,
  isCompound,
  isOffListBlock,
  PageMap,
  type PageMapOptions,
  pageblockMigratetype,
  pageblockSkip,
  pageIsInitialised,
  setAllocatedOrder,
  setBuddyOrder,
  setCachedMigratetype,
  setCompound,
  setPageblockMigratetype,
  setPageblockSkip,
  zoneIdOf,
} from './page-map.ts';
export type { PageSource } from './page-source.ts';
export {
  NR_LOWORDER_PCP_LISTS,
  NR_PCP_LISTS,
  Pagesets,
  PCP_BATCH_SCALE_MAX,
  pagesetIndex,
  pcpListHead,
  setPagesetHighAndBatch,
  writePagesets,
  zoneBatchsize,
  zoneHighsize,
} from './pageset.ts';
export {
  memoryPresent,
  PAGES_PER_SECTION,
  PFN_SECTION_SHIFT,
  type PfnRange,
  pfnValid,
  SECTION_SIZE_BITS,
  Sections,
  sparseInit,
} from './sections.ts';
export { type ShowMemConfig, type ShowMemSources, showMem } from './show-mem.ts';
export { shuffleZone } from './shuffle.ts';
export {
  ARCH_SLAB_MINALIGN,
  bootCacheAlignment,
  CACHE_LINE_SIZE,
  type CheckedCreation,
  calculateAlignment,
  checkCreation,
  creationFailure,
  EBUSY,
  EINVAL,
  ENOMEM,
  getOrder,
  type KmemCacheOptions,
} from './slab-create.ts';
export {
  DEBUG_DEFAULT_FLAGS,
  DEBUG_METADATA_FLAGS,
  keptFlags,
  permittedFlags,
  SLAB_DEBUG_FLAGS,
  SLAB_MERGE_SAME,
  SLAB_NEVER_MERGE,
  SlabFlag,
  type SlabFlagConfig,
} from './slab-flags.ts';
export {
  fixSlabGfp,
  GFP_CONSTRAINT_MASK,
  GFP_RECLAIM_MASK,
  GFP_SLAB_BUG_MASK,
  mayUseReserves,
} from './slab-gfp.ts';
export {
  findMergeable,
  type MergeCandidate,
  type MergeRequest,
  slabUnmergeable,
} from './slab-merge.ts';
export {
  checkTopology,
  memoryNodeOf,
  type SlabTopology,
  singleNodeTopology,
  topologyOfModel,
  zoneRefIndex,
  zoneRefNode,
} from './slab-topology.ts';
export {
  formatSlabinfo,
  formatSlabinfoLine,
  formatUnreclaimableSlab,
  SLABINFO_HEADER,
} from './slabinfo.ts';
export { refreshZoneStatThresholds, setPgdatPercpuThreshold } from './stat-threshold.ts';
export {
  formatLowmemReserveRatio,
  setExtfragThreshold,
  setLowmemReserveRatio,
  setMinFreeKbytes,
  setMinSlabRatio,
  setMinUnmappedRatio,
  setNumaStat,
  setPercpuPagelistHighFraction,
  setSwappiness,
  setWatermarkBoostFactor,
  setWatermarkScaleFactor,
  setZoneReclaimMode,
} from './sysctl.ts';
export { defaultTask, inTask, type TaskContext } from './task.ts';
export type {
  CallArguments,
  FunctionTrace,
  KmemPageTrace,
  KmemSlabTrace,
  LogSink,
  TraceSink,
} from './trace.ts';
export type { CompactionTrace, OomTrace } from './trace-compaction.ts';
export type { ShrinkInactiveCounts, VmscanTrace } from './trace-vmscan.ts';
export {
  NODE_STAT_NAMES,
  NodeStatItem,
  type NodeStatName,
  NR_VM_EVENT_ITEMS,
  NR_VM_NODE_STAT_ITEMS,
  NR_VM_NUMA_EVENT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
  NUMA_STAT_NAMES,
  NumaStatItem,
  VM_EVENT_NAMES,
  VmEvent,
  type VmEventName,
  ZONE_STAT_NAMES,
  ZoneStatItem,
} from './vm-items.ts';
export {
  countNumaEvents,
  countVmEvents,
  foldNodeStats,
  foldZoneStats,
  globalNodeState,
  globalZoneState,
  modNodeState,
  modZoneState,
  nodeState,
  normalThreshold,
  pressureThreshold,
  Vmstat,
  type VmstatSnapshot,
  vmEvent,
  zoneNumaEvent,
  zoneState,
  zoneStateSnapshot,
} from './vmstat.ts';
export {
  bringUpCpus,
  calculateMinFreeKbytes,
  calculateTotalreservePages,
  initPerZoneWmarkMin,
  khugepagedRuns,
  nrFreeBufferPages,
  setRecommendedMinFreeKbytes,
  setupMinSlabRatio,
  setupMinUnmappedRatio,
  setupPerCpuPageset,
  setupPerZoneLowmemReserve,
  setupPerZoneWmarks,
  setupZoneWatermarks,
  type ThpEnabled,
  zonePcpUpdate,
} from './watermark-setup.ts';
export {
  isManaged,
  isPopulated,
  MemoryNode,
  WatermarkIndex,
  wmarkPages,
  Zone,
  ZonelistIndex,
  zoneEndPfn,
  zoneSpansPfn,
} from './zone.ts';
export { archZoneBounds, usableZoneForMovable, type ZoneBounds } from './zone-bounds.ts';
export { setZoneContiguous } from './zone-contiguous.ts';
export {
  calcMemmapSize,
  highestPopulatedZone,
  sizeNodeZones,
  type ZoneSizingOptions,
} from './zone-sizing.ts';
export {
  MAX_DMA_PFN,
  MAX_DMA32_PFN,
  MAX_NR_ZONES,
  MAX_NUMNODES,
  MODEL_NODES_MAX,
  ZONE_NAMES,
  ZoneFlag,
  ZoneType,
  zoneId,
} from './zone-types.ts';
export {
  type BuildZonelistsOptions,
  buildAllZonelists,
  changePageblockMigratetype,
  decideMobilityGrouping,
  nodeFallbackOrder,
  policyZone,
} from './zonelist.ts';
