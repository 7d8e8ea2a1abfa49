import { PAGE_SIZE } from '../lib/units.ts';
import { sparseMemory } from '../memory/sparse.ts';
import type { PhysicalMemory } from '../memory/types.ts';

/**
 * A memory that knows which of its bytes were ever written. What a page held before the recording
 * began is not in it, so only written bytes can be compared.
 */
export class WrittenMemory implements PhysicalMemory {
  readonly sizeBytes: number;
  readonly #memory: PhysicalMemory;
  readonly #written: Map<number, Uint8Array> = new Map();

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#memory = sparseMemory(sizeBytes);
  }

  /** Whether the byte was written. */
  isWritten(addr: number): boolean {
    return this.#written.get(Math.floor(addr / PAGE_SIZE))?.[addr % PAGE_SIZE] === 1;
  }

  readU8(addr: number): number {
    return this.#memory.readU8(addr);
  }

  writeU8(addr: number, value: number): void {
    this.#memory.writeU8(addr, value);
    this.#note(addr, 1);
  }

  readU32(addr: number): number {
    return this.#memory.readU32(addr);
  }

  writeU32(addr: number, value: number): void {
    this.#memory.writeU32(addr, value);
    this.#note(addr, 4);
  }

  fill(addr: number, lengthBytes: number, byte: number): void {
    this.#memory.fill(addr, lengthBytes, byte);
    this.#note(addr, lengthBytes);
  }

  copy(to: number, from: number, lengthBytes: number): void {
    this.#memory.copy(to, from, lengthBytes);
    this.#note(to, lengthBytes);
  }

  /** What stands in these bytes is no longer known. */
  forget(addr: number, lengthBytes: number): void {
    this.#note(addr, lengthBytes, 0);
  }

  #note(from: number, lengthBytes: number, isWritten = 1): void {
    for (let at = from; at < from + lengthBytes; ) {
      const pfn = Math.floor(at / PAGE_SIZE);
      const end = Math.min(from + lengthBytes, (pfn + 1) * PAGE_SIZE);
      let page = this.#written.get(pfn);
      if (page === undefined) {
        page = new Uint8Array(PAGE_SIZE);
        this.#written.set(pfn, page);
      }
      page.fill(isWritten, at - pfn * PAGE_SIZE, end - pfn * PAGE_SIZE);
      at = end;
    }
  }
}
