import { ArgumentError } from '../lib/errors.ts';
import { checkByte, checkBytes, checkWord } from './errors.ts';
import type { PhysicalMemory } from './types.ts';

/**
 * A memory over an ArrayBuffer, a SharedArrayBuffer or the buffer of a WebAssembly.Memory: physical
 * address 0 is its byte 0. The buffer's content is kept as it is.
 *
 * When a WebAssembly.Memory grows it detaches its old buffer; make a new memory over the new one.
 *
 * @param buffer the storage; its length now is the size of the memory
 * @throws ArgumentError for anything else, a typed array too; MemoryError from every access that is
 * not inside the buffer
 */
export function arrayBufferMemory(buffer: ArrayBufferLike): PhysicalMemory {
  if (!/^\[object (Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(buffer))) {
    throw new ArgumentError('buffer must be an ArrayBuffer or a SharedArrayBuffer', { buffer });
  }
  return new ArrayBufferMemory(buffer);
}

/** Whether typed arrays of this host have the byte order of the memory. */
const LITTLE_ENDIAN_HOST = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Words go through a DataView: it states the byte order, and costs no more than a typed array. */
class ArrayBufferMemory implements PhysicalMemory {
  readonly sizeBytes: number;
  readonly words: Uint32Array | undefined;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(buffer: ArrayBufferLike) {
    this.sizeBytes = buffer.byteLength;
    const wordCount = Math.floor(buffer.byteLength / 4);
    this.words = LITTLE_ENDIAN_HOST ? new Uint32Array(buffer, 0, wordCount) : undefined;
    this.#bytes = new Uint8Array(buffer, 0, buffer.byteLength);
    this.#view = new DataView(buffer, 0, buffer.byteLength);
  }

  readU8(addr: number): number {
    checkByte(addr, this.sizeBytes);
    return this.#bytes[addr];
  }

  writeU8(addr: number, value: number): void {
    checkByte(addr, this.sizeBytes);
    this.#bytes[addr] = value;
  }

  readU32(addr: number): number {
    checkWord(addr, this.sizeBytes);
    return this.#view.getUint32(addr, true);
  }

  writeU32(addr: number, value: number): void {
    checkWord(addr, this.sizeBytes);
    this.#view.setUint32(addr, value, true);
  }

  fill(addr: number, lengthBytes: number, byte: number): void {
    checkBytes(addr, lengthBytes, this.sizeBytes);
    this.#bytes.fill(byte, addr, addr + lengthBytes);
  }

  copy(to: number, from: number, lengthBytes: number): void {
    checkBytes(to, lengthBytes, this.sizeBytes);
    checkBytes(from, lengthBytes, this.sizeBytes);
    this.#bytes.copyWithin(to, from, from + lengthBytes);
  }
}
