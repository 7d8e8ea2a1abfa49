export { AllocContext } from './alloc-context.ts';
export { BuddyAllocator } from './allocator.ts';
export { type CreateBuddyOptions, createBuddy, type ZoneSpec } from './create.ts';
export { BuddyError, type BuddyErrorCode } from './errors.ts';
export { FreePageFlag } from './merge.ts';
export { BuddyState } from './state.ts';
export type { BuddyHooks, BuddyOptions, CaptureControl, SlowPath } from './types.ts';
