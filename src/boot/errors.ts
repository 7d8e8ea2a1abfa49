import { type ErrorData, PageframeError } from '../lib/errors.ts';

/** Why a machine cannot be booted from what was given. */
export type BootErrorCode =
  /** Not one whole page of RAM above 1 MiB: the pages below are never given out. */
  | 'NO_RAM'
  /** RAM ends past the largest page frame number that the model can hold (4 TiB). */
  | 'TOO_LARGE'
  /** The memory backend ends below the last byte of RAM. */
  | 'MEMORY_TOO_SMALL'
  /** The nodes overlap, name CPUs that do not exist, or leave RAM without a node. */
  | 'BAD_NODES'
  /** A memory or reserved region that is no range, or of no known node. */
  | 'BAD_REGION'
  /** A boot allocation of the reservations profile found no room; the kernel would panic. */
  | 'OUT_OF_BOOT_MEMORY';

/** The machine cannot boot; nothing was built. Switch on `code`. */
export class BootError extends PageframeError {
  declare readonly code: BootErrorCode;

  constructor(code: BootErrorCode, message: string, data: ErrorData = {}) {
    super(code, message, data);
  }
}
