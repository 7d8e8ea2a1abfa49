/** log2 of the page size. */
export const PAGE_SHIFT = 12;
/** Bytes in one page frame. */
export const PAGE_SIZE = 4096;
/** Number of buddy orders; the largest order is `MAX_ORDER - 1` (exclusive in 6.1). */
export const MAX_ORDER = 11;
/** Pages in the largest buddy block. */
export const MAX_ORDER_NR_PAGES = 1024;

/** Bytes in one KiB. */
export const KiB = 1024;
/** Bytes in one MiB. */
export const MiB = 1048576;
/** Bytes in one GiB. */
export const GiB = 1073741824;

/** "No index": list ends, failed searches, out of memory inside the package. */
export const NIL = -1;

declare const brand: unique symbol;

/** Page frame number: a physical address divided by 4096; below 2^31. */
export type Pfn = number & {
  /** Exists for the type checker only: tells page frame numbers from other numbers. */
  readonly [brand]: 'Pfn';
};
/** Physical byte address, exact to 2^53. Never apply bit operators to it. */
export type PhysAddr = number & {
  /** Exists for the type checker only: tells addresses from other numbers. */
  readonly [brand]: 'PhysAddr';
};

/** Marks a plain number as a page frame number; no check. */
export function asPfn(value: number): Pfn {
  return value as Pfn;
}

/** Marks a plain number as a physical address; no check. */
export function asPhysAddr(value: number): PhysAddr {
  return value as PhysAddr;
}

/** Page frame that holds a physical address (floor). @kernel PFN_DOWN, PHYS_PFN */
export function addrToPfn(addr: number): number {
  return Math.floor(addr / PAGE_SIZE);
}

/** First physical address of a page frame. @kernel PFN_PHYS */
export function pfnToAddr(pfn: number): number {
  return pfn * PAGE_SIZE;
}

/** Largest multiple of `alignment` that is at most `value`; both may exceed 32 bits. */
export function alignDown(value: number, alignment: number): number {
  return Math.floor(value / alignment) * alignment;
}

/** Smallest multiple of `alignment` that is at least `value`; both may exceed 32 bits. */
export function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

/** `0x` and at least `digits` lower-case hex digits, as the kernel prints addresses. */
export function hex(value: number | bigint, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}
