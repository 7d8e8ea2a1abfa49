import { checkInteger } from '../lib/errors.ts';
import { checkByte, checkBytes, checkWord } from './errors.ts';
import { MEMORY_SIZE_MAX, type PhysicalMemory } from './types.ts';

/**
 * A memory without content: writes are dropped, reads give 0, addresses are still checked. For
 * studies of policy, where only the bookkeeping of the allocators counts. It is `contentless`, so
 * allocators that must read back what they wrote keep that in arrays of their own.
 *
 * @param sizeBytes one past the highest address, up to 2^52
 * @throws ArgumentError `BAD_ARGUMENT` for a size that is no integer from 0 to 2^52
 */
export function noMemory(sizeBytes: number): PhysicalMemory {
  checkInteger('sizeBytes', sizeBytes, 0, MEMORY_SIZE_MAX);
  return new NoMemory(sizeBytes);
}

class NoMemory implements PhysicalMemory {
  readonly sizeBytes: number;
  readonly contentless = true;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  readU8(addr: number): number {
    checkByte(addr, this.sizeBytes);
    return 0;
  }

  writeU8(addr: number, _value: number): void {
    checkByte(addr, this.sizeBytes);
  }

  readU32(addr: number): number {
    checkWord(addr, this.sizeBytes);
    return 0;
  }

  writeU32(addr: number, _value: number): void {
    checkWord(addr, this.sizeBytes);
  }

  fill(addr: number, lengthBytes: number, _byte: number): void {
    checkBytes(addr, lengthBytes, this.sizeBytes);
  }

  copy(to: number, from: number, lengthBytes: number): void {
    checkBytes(to, lengthBytes, this.sizeBytes);
    checkBytes(from, lengthBytes, this.sizeBytes);
  }
}
