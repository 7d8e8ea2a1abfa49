export {
  ARCH_LOW_ADDRESS_LIMIT,
  CURSOR_END,
  DEFAULT_MAX_NUMNODES,
  ENOMEM,
  INIT_MEMBLOCK_REGIONS,
  INIT_PHYSMEM_REGIONS,
  MEMBLOCK_ALLOC_ACCESSIBLE,
  MEMBLOCK_ALLOC_ANYWHERE,
  MEMBLOCK_ALLOC_NOLEAKTRACE,
  MEMBLOCK_LOW_LIMIT,
  MemblockFlags,
  NUMA_NO_NODE,
  PHYS_ADDR_MAX,
  SMP_CACHE_BYTES,
} from './constants.ts';
export type { EditResult } from './edit.ts';
export { MemblockError, type MemblockErrorCode } from './errors.ts';
export {
  type AllocCall,
  CAP_WITHOUT_MEMORY,
  formatAddNode,
  formatAddress,
  formatAllocCall,
  formatDebugfs,
  formatDoubled,
  formatDoubleFailed,
  formatDump,
  formatDumpRegion,
  formatMirrorWarning,
  formatRangeCall,
  formatSpan,
  parseMemblockParam,
} from './format.ts';
export { assertInvariants, checkInvariants } from './invariants.ts';
export { Memblock } from './memblock.ts';
export { MemblockRegions } from './memblock-regions.ts';
export {
  isDriverManaged,
  isHotpluggable,
  isMirror,
  isNomap,
  memblockAddrsOverlap,
  memoryBasePfn,
  memoryEndPfn,
  reservedBasePfn,
  reservedEndPfn,
} from './query.ts';
export type { MemblockState, RateLimit, RegionArray } from './state.ts';
export type {
  FreePageSink,
  MemblockCallers,
  MemblockLogLevel,
  MemblockMemory,
  MemblockOptions,
  MemblockPfnRange,
  MemblockRange,
  MemblockRegion,
  MemblockSlab,
  MemblockSnapshot,
  MemblockTypeName,
  MemblockTypeSnapshot,
  MemblockWarning,
  PfnNid,
  ZoneSpan,
} from './types.ts';
