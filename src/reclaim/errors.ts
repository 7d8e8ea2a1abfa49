import { type ErrorData, PageframeError } from '../lib/errors.ts';

/** What a caller of the reclaim module can do wrong. */
export type ReclaimErrorCode =
  /** No such page frame: outside the map, a hole, or not a whole number. */
  | 'FOREIGN_PAGE'
  /** The page is free: nobody holds a reference. */
  | 'PAGE_FREE'
  /** The page is not in the state that the call needs, e.g. on an LRU list already. */
  | 'BAD_STATE'
  /** No such CPU, node, zone, priority or value. */
  | 'BAD_REQUEST'
  /** A shrinker reported that it looked at nothing, which would repeat forever. */
  | 'SHRINKER_STUCK'
  /** Reclaim was called from inside one of its own host callbacks. */
  | 'REENTERED';

/** Misuse of the reclaim module, thrown before anything changed. Switch on `code`. */
export class ReclaimError extends PageframeError {
  declare readonly code: ReclaimErrorCode;

  constructor(code: ReclaimErrorCode, message: string, data: ErrorData = {}) {
    super(code, message, data);
  }
}
