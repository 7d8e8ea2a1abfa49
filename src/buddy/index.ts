export { AllocContext } from './alloc-context.ts';
export { AllocFlag } from './alloc-flags.ts';
export { BuddyAllocator } from './allocator.ts';
export type { BadPageReports } from './bad-page.ts';
export { type BuddyinfoLine, formatBuddyinfo, parseBuddyinfo } from './buddyinfo.ts';
export type { PageSlots } from './bulk.ts';
export { type CreateBuddyOptions, createBuddy, type ZoneSpec } from './create.ts';
export { BuddyEntryPoints } from './entry-points.ts';
export { BuddyError, type BuddyErrorCode } from './errors.ts';
export {
  type BlockSource,
  type ExplainedWalk,
  type ExplainedZone,
  type Explanation,
  formatExplanation,
  type ZoneVerdict,
} from './explain.ts';
export {
  type ExtfragLine,
  formatExtfragIndex,
  formatUnusableIndex,
  parseExtfrag,
} from './extfrag.ts';
export { BuddyHotPath } from './hot-path.ts';
export { assertInvariants, checkInvariants } from './invariants.ts';
export { RangeErrno } from './isolation.ts';
export type { PageLocation, PagePlace } from './locate.ts';
export { Mempolicy, type MempolicyMode } from './mempolicy.ts';
export { FreePageFlag } from './merge.ts';
export { BuddyOperations } from './operations.ts';
export { PageFragCache } from './page-frag.ts';
export {
  formatPagetypeinfo,
  type Pagetypeinfo,
  type PagetypeinfoZone,
  parsePagetypeinfo,
} from './pagetypeinfo.ts';
export type { FreeSlot, RequestSlot } from './request-slot.ts';
export {
  formatShowMem,
  parseShowMem,
  type ShowMemOptions,
  type ShowMemReport,
  type ShowMemZone,
} from './show-mem.ts';
export type { BuddySnapshot, ReportsSnapshot } from './snapshot.ts';
export { BuddyState } from './state.ts';
export type {
  BuddyHooks,
  BuddyOptions,
  CaptureControl,
  Cpusets,
  SlowPath,
} from './types.ts';
export { IsolateFlag } from './unmovable.ts';
export {
  formatZoneinfo,
  parseZoneinfo,
  type ZoneinfoPageset,
  type ZoneinfoZone,
} from './zoneinfo.ts';
