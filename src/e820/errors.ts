import { type ErrorData, PageframeError } from '../lib/errors.ts';

/**
 * What went wrong:
 * - `BAD_ADDRESS`, `BAD_TYPE`, `BAD_NUMBER`: an argument is not a u64, a u32, a number in range;
 * - `SAME_TYPE`: range_update from a type to itself, a kernel BUG;
 * - `TOO_MANY_ENTRIES`: more entries than the form can hold;
 * - `FROZEN`: an edit of a table after the tables were re-allocated;
 * - `ENDS_AT_2_64`: a firmware map entry that ends at 2^64, a kernel BUG;
 * - `BAD_RECORD_SIZE`, `PARTIAL_RECORD`: raw records; `BAD_ZEROPAGE`, `BAD_SETUP_DATA`,
 *   `BAD_BIOS_ANSWER`: the boot loader's and the BIOS's structures;
 * - `TORN_LINE`, `UNKNOWN_TYPE`, `BAD_LISTING`, `BAD_JSON`, `NO_MAP`: text input;
 * - `INVALID_USER_MAP`: the kernel panics on `mem=` or `memmap=`; `NO_RAM`: nothing to boot in.
 */
export type E820ErrorCode =
  | 'BAD_ADDRESS'
  | 'BAD_TYPE'
  | 'BAD_NUMBER'
  | 'SAME_TYPE'
  | 'TOO_MANY_ENTRIES'
  | 'FROZEN'
  | 'ENDS_AT_2_64'
  | 'BAD_RECORD_SIZE'
  | 'PARTIAL_RECORD'
  | 'BAD_ZEROPAGE'
  | 'BAD_SETUP_DATA'
  | 'BAD_BIOS_ANSWER'
  | 'TORN_LINE'
  | 'UNKNOWN_TYPE'
  | 'BAD_LISTING'
  | 'BAD_JSON'
  | 'NO_MAP'
  | 'INVALID_USER_MAP'
  | 'NO_RAM';

/**
 * A firmware map, argument or text that cannot be used, thrown before anything changed.
 * `data.position` says where (line, index or byte offset, as the operation says) and `data.value`
 * what stands there, whenever there is such a place.
 */
export class E820Error extends PageframeError {
  /** What went wrong, see {@link E820ErrorCode}. */
  declare readonly code: E820ErrorCode;

  constructor(code: E820ErrorCode, message: string, data: ErrorData = {}) {
    super(code, message, data);
  }
}
