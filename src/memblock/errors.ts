import { type ErrorData, PageframeError } from '../lib/errors.ts';
import { hex } from '../lib/units.ts';
import { PHYS_ADDR_MAX } from './constants.ts';

/** Stable identifiers of what a caller of memblock can do wrong. */
export type MemblockErrorCode =
  | 'BAD_ARGUMENT'
  | 'BAD_SNAPSHOT'
  | 'DISCARDED'
  | 'KERNEL_BUG'
  | 'NO_PHYSMEM';

/**
 * Misuse of memblock, thrown before anything changed. `code` is one of
 * `BAD_ARGUMENT` (not an unsigned 64-bit bigint, not an integer, out of range),
 * `BAD_SNAPSHOT` (regions that no kernel could hold),
 * `DISCARDED` (edited after `discard`),
 * `NO_PHYSMEM` (the `physmem` array was not asked for),
 * `KERNEL_BUG` (the kernel stops at a BUG here; the only code that can follow a change).
 */
export class MemblockError extends PageframeError {
  declare readonly code: MemblockErrorCode;

  constructor(code: MemblockErrorCode, message: string, data: ErrorData = {}) {
    super(code, message, data);
  }
}

/** @internal Throws unless `value` is a bigint in `[0, 2^64)`. */
export function checkU64(name: string, value: bigint): void {
  if (typeof value === 'bigint' && value >= 0n && value <= PHYS_ADDR_MAX) return;
  const shown = typeof value === 'bigint' ? `${value}n` : `${typeof value} ${String(value)}`;
  throw new MemblockError(
    'BAD_ARGUMENT',
    `${name} must be a bigint from 0 to ${hex(PHYS_ADDR_MAX)}, got ${shown}`,
    { name, value },
  );
}

/** @internal Throws unless `value` is an integer in `[min, max]`. */
export function checkInt(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new MemblockError(
    'BAD_ARGUMENT',
    `${name} must be an integer from ${min} to ${max}, got ${String(value)}`,
    { name, value, min, max },
  );
}

/** @internal Throws unless `nid` is a C `int`: the kernel stores any. */
export function checkNid(nid: number): void {
  checkInt('nid', nid, -0x8000_0000, 0x7fff_ffff);
}

/** @internal Throws unless `flags` is a word of flag bits. */
export function checkFlags(flags: number): void {
  checkInt('flags', flags, 0, 0x7fff_ffff);
}
