import { E820Error } from './errors.ts';
import type { E820Entry } from './types.ts';

/** Largest unsigned 64-bit number, the kernel's "all ones". */
export const U64_MAX = 0xffff_ffff_ffff_ffffn;
/** Largest unsigned 32-bit number. */
export const U32_MAX = 0xffff_ffff;

const PAGE_BYTES = 4096n;

/** The value modulo 2^64, as C computes with u64. */
export function wrap64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

/** First byte after the entry, modulo 2^64: 0 for one that ends at 2^64. */
export function entryEnd(entry: E820Entry): bigint {
  return BigInt.asUintN(64, entry.addr + entry.size);
}

/** Last byte of the entry as the kernel prints it: `addr + size - 1`, modulo 2^64. */
export function entryLast(entry: E820Entry): bigint {
  return BigInt.asUintN(64, entry.addr + entry.size - 1n);
}

/** Page frame number of the page that holds `address`. @kernel PFN_DOWN */
export function pfnDown(address: bigint): number {
  return Number(address / PAGE_BYTES);
}

/** Page frame number of the first page that starts at or after `address`. @kernel PFN_UP */
export function pfnUp(address: bigint): number {
  return Number((address + PAGE_BYTES - 1n) / PAGE_BYTES);
}

/** The smaller of two. */
export function min64(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** The larger of two. */
export function max64(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/**
 * Checks an address or size argument.
 * @throws E820Error `BAD_ADDRESS` when it is not a bigint in [0, 2^64)
 */
export function checkU64(name: string, value: bigint, position?: number): void {
  if (typeof value === 'bigint' && value >= 0n && value <= U64_MAX) return;
  const where = position === undefined ? '' : ` of entry ${position}`;
  const message = `${name}${where} must be a bigint from 0 to 2^64 - 1, got ${String(value)}`;
  throw new E820Error('BAD_ADDRESS', message, { name, value, position });
}

/**
 * Checks a memory type argument.
 * @throws E820Error `BAD_TYPE` when it is not an integer in [0, 2^32)
 */
export function checkType(name: string, value: number, position?: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= U32_MAX) return;
  const where = position === undefined ? '' : ` of entry ${position}`;
  const message = `${name}${where} must be an integer from 0 to 2^32 - 1, got ${String(value)}`;
  throw new E820Error('BAD_TYPE', message, { name, value, position });
}

/**
 * Checks an integer argument that is neither an address nor a type.
 * @throws E820Error `BAD_NUMBER` when it is not an integer in [min, max]
 */
export function checkNumber(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  const message = `${name} must be an integer from ${min} to ${max}, got ${String(value)}`;
  throw new E820Error('BAD_NUMBER', message, { name, value, min, max });
}

/**
 * Checks entries given by a caller; the error names the index of the bad one.
 * @throws E820Error `BAD_ADDRESS` or `BAD_TYPE`
 */
export function checkEntries(entries: readonly E820Entry[]): void {
  for (let i = 0; i < entries.length; i++) {
    checkU64('addr', entries[i].addr, i);
    checkU64('size', entries[i].size, i);
    checkType('type', entries[i].type, i);
  }
}
