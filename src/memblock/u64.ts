import { PHYS_ADDR_MAX } from './constants.ts';

// Arithmetic of `phys_addr_t` (spec memblock 2.4). All of it wraps modulo 2^64.

const PAGE_MASK = 4095n;
const PAGE_BITS = 12n;

/** The value modulo 2^64. */
export function wrap64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

/**
 * Next multiple of `align`, a power of two, at or above `value`; above 2^64 - align it wraps to 0.
 * Other alignments give what the kernel's bit formula gives. @kernel round_up
 */
export function roundUp(value: bigint, align: bigint): bigint {
  return wrap64((wrap64(value - 1n) | wrap64(align - 1n)) + 1n);
}

/** Multiple of `align`, a power of two, at or below `value`. @kernel round_down */
export function roundDown(value: bigint, align: bigint): bigint {
  return value & ~(align - 1n);
}

/** Size after the cap that keeps `base + size` at or below PHYS_ADDR_MAX. @kernel memblock_cap_size */
export function capSize(base: bigint, size: bigint): bigint {
  const room = PHYS_ADDR_MAX - base;
  return size < room ? size : room;
}

/** First page frame at or above an address. Exact: it is below 2^52. @kernel PFN_UP */
export function pfnUp(addr: bigint): number {
  return Number(wrap64(addr + PAGE_MASK) >> PAGE_BITS);
}

/** Page frame that holds an address. Exact: it is below 2^52. @kernel PFN_DOWN */
export function pfnDown(addr: bigint): number {
  return Number(addr >> PAGE_BITS);
}

/** Size rounded up to whole pages. @kernel PAGE_ALIGN */
export function pageAlign(size: bigint): bigint {
  return roundUp(size, PAGE_MASK + 1n);
}

/** The smaller of two. */
export function min64(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** The larger of two. */
export function max64(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
