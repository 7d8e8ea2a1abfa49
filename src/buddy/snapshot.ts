import { type MemorySnapshot, restoreMemory, snapshotMemory } from '../mm/memory-snapshot.ts';
import type { BadPageReports } from './bad-page.ts';
import type { BuddyState } from './state.ts';

/** Plain copy of how many reports were made. */
export interface ReportsSnapshot {
  /** Reports in this window. */
  readonly shown: number;
  /** Reports suppressed in this window. */
  readonly unshown: number;
  /** Jiffy at which the window ends. */
  readonly windowEnd: number;
}

/** Plain, structured-cloneable copy of a page allocator and the memory model it works on. */
export interface BuddySnapshot {
  /** Page map, zones, lists, counters, tunables. */
  readonly memory: MemorySnapshot;
  /** Reports of bad pages. */
  readonly badPages: ReportsSnapshot;
  /** Reports of broken poison. */
  readonly poisonReports: ReportsSnapshot;
  /** Blocks that failed the new-page check. */
  readonly refusedBlocks: number;
  /** Whether the HIGHATOMIC reserves may count other pageblocks than have the type. */
  readonly isReserveInexact: boolean;
  /** Whether a request for too large a block was complained about. */
  readonly warnedOrder: boolean;
  /** Bits that requests keep. */
  readonly gfpAllowedMask: number;
}

/** Copies everything that results depend on, but for page contents and what the user attached. */
export function takeSnapshot(state: BuddyState): BuddySnapshot {
  return {
    memory: snapshotMemory(state.model),
    badPages: { ...state.badPages },
    poisonReports: { ...state.poisonReports },
    refusedBlocks: state.refusedBlocks,
    isReserveInexact: state.isReserveInexact,
    warnedOrder: state.warnedOrder,
    gfpAllowedMask: state.gfpAllowedMask,
  };
}

/** Takes back what `takeSnapshot` gave; of a machine of the same shape. */
export function restoreSnapshot(state: BuddyState, from: BuddySnapshot): void {
  restoreMemory(state.model, from.memory);
  restoreReports(state.badPages, from.badPages);
  restoreReports(state.poisonReports, from.poisonReports);
  state.refusedBlocks = from.refusedBlocks;
  state.isReserveInexact = from.isReserveInexact;
  state.warnedOrder = from.warnedOrder;
  state.gfpAllowedMask = from.gfpAllowedMask;
  state.updateShortcuts();
}

function restoreReports(reports: BadPageReports, from: ReportsSnapshot): void {
  reports.shown = from.shown;
  reports.unshown = from.unshown;
  reports.windowEnd = from.windowEnd;
}
