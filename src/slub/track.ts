import type { TrackSource } from './types.ts';

/** Bytes of one track, with and without a stack handle. @kernel struct track (spec slub 4.5) */
export const TRACK_BYTES = 32;
/** Bytes of a track without STACKDEPOT. */
export const TRACK_BYTES_NO_DEPOT = 24;

/** Which of the two tracks of an object. @kernel enum track_item */
export const TrackItem = {
  /** Who allocated it. */
  ALLOC: 0,
  /** Who freed it. */
  FREE: 1,
} as const;

const DEFAULT_HIGH = 0xffffffff;
const DEFAULT_LOW = 0x81000000;

/** Tracks of a caller at the start of the kernel's text, without a stack. */
export function defaultTracks(): TrackSource {
  const caller = { addressHigh: DEFAULT_HIGH, addressLow: DEFAULT_LOW, handle: 0, pid: 0 };
  return {
    current: () => caller,
    symbol: (high, low) => `0x${high.toString(16)}${low.toString(16).padStart(8, '0')}`,
    stack: () => null,
  };
}
