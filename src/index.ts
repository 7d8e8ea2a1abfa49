export { BootError, type BootErrorCode } from './boot/errors.ts';
export type { JoinOptions } from './boot/join-options.ts';
export {
  adjustManagedPageCount,
  discardMemblock,
  type FreeReservedOptions,
  freeMemblockLate,
  freeReservedArea,
  freeReservedPage,
  type LateFreeAllocator,
} from './boot/late-free.ts';
export {
  type BootAllocation,
  defaultReservations,
  type ImageSizes,
  noReservations,
  type ReservationProfile,
} from './boot/reservations.ts';
export type {
  BootNode,
  BootOptions,
  BootRegion,
  E820Input,
  MachineOptions,
  MemblockBootOptions,
  NodeMemory,
} from './boot/types.ts';
export * as buddy from './buddy/index.ts';
export * as e820 from './e820/index.ts';
export {
  ArgumentError,
  type ErrorData,
  GiB,
  hex,
  InvariantError,
  type InvariantViolation,
  KiB,
  MiB,
  PAGE_SIZE,
  PageframeError,
  type Pfn,
  type PhysAddr,
  type RandomSource,
  seededRandom,
} from './lib/index.ts';
export { CallPath, type CallPathOptions } from './machine/call-path.ts';
export { MachineError, type MachineErrorCode } from './machine/errors.ts';
export { ObjectLru, type ObjectLruOptions } from './machine/object-lru.ts';
export { FRAME_OWNER_NAMES, FrameOwner, type Owners } from './machine/owners.ts';
export { Process, ProcessTable, type SpawnOptions } from './machine/processes.ts';
export { memoryReport, vmEvents, vmEventsSince } from './machine/report.ts';
export { boot, bootFromMemblock, Machine, type MachineE820 } from './machine.ts';
export * as memblock from './memblock/index.ts';
export {
  arrayBufferMemory,
  noMemory,
  type PhysicalMemory,
  sparseMemory,
} from './memory/index.ts';
export * as mm from './mm/index.ts';
export * as reclaim from './reclaim/index.ts';
export * as recording from './recording/index.ts';
export * as slab from './slab/index.ts';
export * as slowpath from './slowpath/index.ts';
export * as slub from './slub/index.ts';
