/** The largest physical memory of x86-64, in bytes: 2^52. */
export const MEMORY_SIZE_MAX = 0x10_0000_0000_0000;

/**
 * Byte-addressed storage behind the page frames. Addresses are physical, in bytes; words are
 * little-endian. Only the content of pages goes through it (zeroing, free pointers, poison,
 * migration copies), never the allocator's bookkeeping.
 *
 * A backend that throws leaves the allocator that called it unchanged.
 */
export interface PhysicalMemory {
  /** One past the highest address, in bytes. */
  readonly sizeBytes: number;
  /** The byte at `addr`. */
  readU8(addr: number): number;
  /** Stores the low 8 bits of `value` at `addr`. */
  writeU8(addr: number, value: number): void;
  /** The unsigned little-endian word at `addr`, which is a multiple of 4. */
  readU32(addr: number): number;
  /** Stores the low 32 bits of `value`, little-endian, at `addr`, which is a multiple of 4. */
  writeU32(addr: number, value: number): void;
  /** Sets `lengthBytes` bytes from `addr` on to `byte`. */
  fill(addr: number, lengthBytes: number, byte: number): void;
  /** Copies `lengthBytes` bytes from `from` to `to`; overlapping ranges as if through a buffer. */
  copy(to: number, from: number, lengthBytes: number): void;
  /**
   * True when content is dropped on purpose (`noMemory`): users that must read back what they wrote
   * keep it in side arrays instead.
   */
  readonly contentless?: boolean;
  /**
   * The content as one array of words, word i at address 4 * i, where storage and host allow it: what
   * is called millions of times reads and writes it without a call. Its length drops to 0 when the
   * storage is gone. A backend that must see every access leaves it out.
   */
  readonly words?: Uint32Array | undefined;
}
