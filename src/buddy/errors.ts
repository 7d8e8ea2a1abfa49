import { type ErrorData, PageframeError } from '../lib/errors.ts';

/** What a caller of the page allocator can do wrong. */
export type BuddyErrorCode =
  /** No such page frame: outside the map, a hole, or not a whole number. */
  | 'FOREIGN_PAGE'
  /** The page is free already, on a buddy or a per-CPU list, or was never handed out. */
  | 'DOUBLE_FREE'
  /** The block was handed out with another order, or is not its first page. */
  | 'WRONG_ORDER'
  /** The page is still on a list of its user: LRU or slab. */
  | 'PAGE_ON_LIST'
  /** No such CPU, node, order, list or mask. */
  | 'BAD_REQUEST'
  /** A block or range that the operation needs in another state. */
  | 'BAD_STATE'
  /** A text that is not of the kernel's format. */
  | 'BAD_TEXT'
  /** A request that may block and must not fail, with nobody attached who could reclaim. */
  | 'WOULD_LOOP';

/** Misuse of the page allocator, thrown before anything changed. Switch on `code`. */
export class BuddyError extends PageframeError {
  declare readonly code: BuddyErrorCode;

  constructor(code: BuddyErrorCode, message: string, data: ErrorData = {}) {
    super(code, message, data);
  }
}
