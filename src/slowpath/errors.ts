import { type ErrorData, PageframeError } from '../lib/errors.ts';

/** What a caller of the slow path module can do wrong. */
export type SlowPathErrorCode =
  /** No such CPU, node, zone, order or process, or a value out of range. */
  | 'BAD_REQUEST'
  /** A write that needs privilege: the EACCES of the kernel. */
  | 'NOT_PERMITTED'
  /** The page is not in the state that the call needs. */
  | 'BAD_STATE'
  /** A host callback returned something that it may not. */
  | 'BAD_HOST';

/** Misuse of the slow path module, thrown before anything changed. Switch on `code`. */
export class SlowPathError extends PageframeError {
  declare readonly code: SlowPathErrorCode;

  constructor(code: SlowPathErrorCode, message: string, data: ErrorData = {}) {
    super(code, message, data);
  }
}

/**
 * The kernel would loop for ever: a full round of reclaim, compaction and OOM changed nothing. `code`
 * is `WOULD_LOOP`. The request got no page; nothing else is undone. Give a hook `onStall` that lets
 * something happen meanwhile.
 */
export class StallError extends PageframeError {
  constructor(data: ErrorData) {
    super('WOULD_LOOP', 'the kernel would loop for ever: a full round changed nothing', data);
  }
}

/** The kernel would stop the machine here. `code` is `KERNEL_PANIC`, `data.text` what it prints. */
export class KernelPanicError extends PageframeError {
  constructor(text: string) {
    super('KERNEL_PANIC', `Kernel panic - not syncing: ${text}`, { text });
  }
}
