import { type ErrorData, PageframeError } from '../lib/errors.ts';

/**
 * An access that the memory cannot serve; nothing was changed. `code` is `OUT_OF_RANGE` (any byte
 * outside the memory, or an address or length that is no integer) or `MISALIGNED` (a word whose
 * address is no multiple of 4). `data` holds `addr`, `lengthBytes` and `sizeBytes`.
 */
export class MemoryError extends PageframeError {
  constructor(code: string, message: string, data: ErrorData = {}) {
    super(code, message, data);
  }
}

/** The error for bytes that are not all inside a memory of `sizeBytes`. */
export function outOfRange(addr: number, lengthBytes: number, sizeBytes: number): MemoryError {
  const message = `${lengthBytes} bytes at address ${addr} are not inside a memory of ${sizeBytes} bytes`;
  return new MemoryError('OUT_OF_RANGE', message, { addr, lengthBytes, sizeBytes });
}

/**
 * Checks a range of bytes.
 * @throws MemoryError `OUT_OF_RANGE`
 */
export function checkBytes(addr: number, lengthBytes: number, sizeBytes: number): void {
  const inside = addr >= 0 && lengthBytes >= 0 && addr + lengthBytes <= sizeBytes;
  if (inside && Number.isInteger(addr) && Number.isInteger(lengthBytes)) return;
  throw outOfRange(addr, lengthBytes, sizeBytes);
}

/**
 * Checks one byte: the form for the hot paths.
 * @throws MemoryError `OUT_OF_RANGE`
 */
export function checkByte(addr: number, sizeBytes: number): void {
  if (addr >= 0 && addr < sizeBytes && Math.floor(addr) === addr) return;
  throw outOfRange(addr, 1, sizeBytes);
}

/**
 * Checks one aligned word: the form for the hot paths.
 * @throws MemoryError `OUT_OF_RANGE` or `MISALIGNED`
 */
export function checkWord(addr: number, sizeBytes: number): void {
  if (addr >= 0 && addr + 4 <= sizeBytes && Math.floor(addr / 4) * 4 === addr) return;
  checkBytes(addr, 4, sizeBytes);
  const message = `the word at address ${addr} does not start at a multiple of 4`;
  throw new MemoryError('MISALIGNED', message, { addr, lengthBytes: 4, sizeBytes });
}
