export { AllocContext } from './alloc-context.ts';
export { BuddyAllocator } from './allocator.ts';
export { type BuddyinfoLine, formatBuddyinfo, parseBuddyinfo } from './buddyinfo.ts';
export { type CreateBuddyOptions, createBuddy, type ZoneSpec } from './create.ts';
export { BuddyError, type BuddyErrorCode } from './errors.ts';
export { FreePageFlag } from './merge.ts';
export {
  formatPagetypeinfo,
  type Pagetypeinfo,
  type PagetypeinfoZone,
  parsePagetypeinfo,
} from './pagetypeinfo.ts';
export { BuddyState } from './state.ts';
export type { BuddyHooks, BuddyOptions, CaptureControl, SlowPath } from './types.ts';
export {
  formatZoneinfo,
  parseZoneinfo,
  type ZoneinfoPageset,
  type ZoneinfoZone,
} from './zoneinfo.ts';
