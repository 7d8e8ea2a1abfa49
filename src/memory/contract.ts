import { PageframeError } from '../lib/errors.ts';
import { seededRandom } from '../lib/random.ts';
import { PAGE_SIZE } from '../lib/units.ts';
import type { PhysicalMemory } from './types.ts';

/** One requirement on an implementation, as a test that needs no test framework. */
export interface ContractCase {
  /** What is required. */
  readonly name: string;
  /**
   * Tries it.
   * @throws ContractError when the implementation does not fulfil it
   */
  run(): void;
}

/** An implementation does not keep a contract of this package. `code` is `CONTRACT`. */
export class ContractError extends PageframeError {
  constructor(message: string) {
    super('CONTRACT', message);
  }
}

/** Size of the memories that the cases ask for: some page borders, one page of WebAssembly. */
const SIZE_BYTES = 16 * PAGE_SIZE;
const RANDOM_STEPS = 2000;

/** Creates an all-zero memory of that many bytes. */
type Make = (sizeBytes: number) => PhysicalMemory;

/**
 * Everything the allocators expect of a `PhysicalMemory`, for any test framework:
 *
 * ```ts
 * for (const { name, run } of physicalMemoryContract((size) => new MyMemory(size))) test(name, run);
 * ```
 *
 * A memory that says it is `contentless` must read as zero; all else holds for it too.
 *
 * @param make creates a memory of that many bytes (64 KiB), all zero; called afresh for every case
 */
export function physicalMemoryContract(
  make: (sizeBytes: number) => PhysicalMemory,
): ContractCase[] {
  return [...contentCases(make), ...blockCases(make), ...rangeCases(make)];
}

function contentCases(make: Make): ContractCase[] {
  return [
    onMemory('has the size that was asked for', make, (memory) => {
      expectEqual('sizeBytes', memory.sizeBytes, SIZE_BYTES);
    }),
    onMemory('starts as zeros', make, (memory) => {
      for (let addr = 0; addr < SIZE_BYTES; addr += 4) {
        expectEqual(`word ${addr}`, memory.readU32(addr), 0);
      }
    }),
    onMemory('has the same content as words, if it has words', make, (memory) => {
      const { words } = memory;
      if (words === undefined) return;
      expectEqual('number of words', words.length, Math.floor(SIZE_BYTES / 4));
      memory.writeU32(8, 0x89abcdef);
      expectEqual('words[2]', words[2], memory.readU32(8));
      words[SIZE_BYTES / 4 - 1] = 0x01020304;
      expectEqual('last word', memory.readU32(SIZE_BYTES - 4), 0x01020304);
      expectEqual('last byte', memory.readU8(SIZE_BYTES - 1), 1);
    }),
    onMemory('keeps the low 8 bits of a byte', make, (memory) => {
      memory.writeU8(5, 0x1ab);
      memory.writeU8(6, -1);
      expectByte(memory, 4, 0);
      expectByte(memory, 5, 0xab);
      expectByte(memory, 6, 0xff);
      expectByte(memory, 7, 0);
    }),
    onMemory('keeps words little-endian and unsigned', make, (memory) => {
      memory.writeU32(8, 0x89abcdef);
      expectWord(memory, 8, 0x89abcdef);
      expectByte(memory, 8, 0xef);
      expectByte(memory, 11, 0x89);
      memory.writeU8(9, 0x12);
      expectWord(memory, 8, 0x89ab12ef);
      expectWord(memory, 4, 0);
      expectWord(memory, 12, 0);
    }),
    onMemory('keeps the low 32 bits of a word', make, (memory) => {
      memory.writeU32(0, 0x1_0000_0007);
      memory.writeU32(4, -2);
      expectWord(memory, 0, 7);
      expectWord(memory, 4, 0xfffffffe);
    }),
    onMemory('reaches its last byte and word', make, (memory) => {
      memory.writeU8(SIZE_BYTES - 1, 0x5a);
      expectByte(memory, SIZE_BYTES - 1, 0x5a);
      memory.writeU32(SIZE_BYTES - 4, 0x01020304);
      expectWord(memory, SIZE_BYTES - 4, 0x01020304);
    }),
    onMemory('shares nothing with another memory', make, (memory) => {
      const other = make(SIZE_BYTES);
      memory.writeU32(0, 1);
      other.writeU32(4, 2);
      expectWord(memory, 4, 0);
      expectEqual('word 0 of the other memory', other.readU32(0), 0);
    }),
  ];
}

function blockCases(make: Make): ContractCase[] {
  return [
    onMemory('fills exactly the bytes asked for, over a page border', make, (memory) => {
      memory.fill(PAGE_SIZE - 3, 7, 0x16b);
      expectByte(memory, PAGE_SIZE - 4, 0);
      for (let i = -3; i < 4; i++) expectByte(memory, PAGE_SIZE + i, 0x6b);
      expectByte(memory, PAGE_SIZE + 4, 0);
    }),
    onMemory('fills with zeros what was written', make, (memory) => {
      memory.fill(0, SIZE_BYTES, 0xff);
      memory.fill(PAGE_SIZE, PAGE_SIZE, 0);
      expectByte(memory, PAGE_SIZE + 9, 0);
      expectByte(memory, PAGE_SIZE - 1, 0xff);
      expectByte(memory, PAGE_SIZE, 0);
      expectByte(memory, 2 * PAGE_SIZE - 1, 0);
      expectByte(memory, 2 * PAGE_SIZE, 0xff);
    }),
    onMemory('accepts a length of zero, even at the end', make, (memory) => {
      memory.fill(SIZE_BYTES, 0, 1);
      memory.copy(SIZE_BYTES, 0, 0);
      memory.copy(0, SIZE_BYTES, 0);
      expectWord(memory, SIZE_BYTES - 4, 0);
    }),
    onMemory('copies between pages', make, (memory) => {
      writeCounting(memory, 10, 6000);
      memory.copy(2 * PAGE_SIZE + 1, 10, 6000);
      expectCounting(memory, 2 * PAGE_SIZE + 1, 6000);
      expectCounting(memory, 10, 6000);
    }),
    onMemory('copies onto a lower overlapping range', make, (memory) => {
      writeCounting(memory, 100, 9000);
      memory.copy(37, 100, 9000);
      expectCounting(memory, 37, 9000);
    }),
    onMemory('copies onto a higher overlapping range', make, (memory) => {
      writeCounting(memory, 100, 9000);
      memory.copy(4133, 100, 9000);
      expectCounting(memory, 4133, 9000);
    }),
    onMemory('copies zeros over what was written', make, (memory) => {
      memory.fill(0, 2 * PAGE_SIZE, 0xee);
      memory.copy(8, 3 * PAGE_SIZE, PAGE_SIZE);
      expectByte(memory, 7, 0xee);
      expectByte(memory, 8, 0);
      expectByte(memory, PAGE_SIZE + 7, 0);
      expectByte(memory, PAGE_SIZE + 8, 0xee);
    }),
    onMemory('agrees with an array of bytes over 2,000 random steps', make, agreesWithModel),
  ];
}

function rangeCases(make: Make): ContractCase[] {
  const beyond = [-1, SIZE_BYTES, 2 ** 32, 2 ** 52, Number.NaN, Number.POSITIVE_INFINITY, 0.5];
  return [
    onMemory('throws for a byte that is not there', make, (memory) => {
      for (const addr of beyond) {
        expectThrow(`readU8(${addr})`, () => memory.readU8(addr));
        expectThrow(`writeU8(${addr})`, () => memory.writeU8(addr, 1));
      }
    }),
    onMemory('throws for a word that is not all there', make, (memory) => {
      for (const addr of [...beyond, -4]) {
        expectThrow(`readU32(${addr})`, () => memory.readU32(addr));
        expectThrow(`writeU32(${addr})`, () => memory.writeU32(addr, 1));
      }
    }),
    onMemory('throws for a block that is not all there, and changes nothing', make, (memory) => {
      memory.writeU32(SIZE_BYTES - 4, 77);
      for (const [addr, length] of [
        [SIZE_BYTES - 4, 5],
        [-1, 2],
        [0, -1],
        [Number.NaN, 4],
        [0, Number.NaN],
      ] as const) {
        expectThrow(`fill(${addr}, ${length})`, () => memory.fill(addr, length, 0xff));
        expectThrow(`copy(${addr}, 0, ${length})`, () => memory.copy(addr, 0, length));
        expectThrow(`copy(0, ${addr}, ${length})`, () => memory.copy(0, addr, length));
      }
      expectWord(memory, SIZE_BYTES - 4, 77);
      expectWord(memory, 0, 0);
    }),
  ];
}

function onMemory(name: string, make: Make, run: (memory: PhysicalMemory) => void): ContractCase {
  return { name, run: () => run(make(SIZE_BYTES)) };
}

/** Random single accesses and blocks, checked against a plain byte array. */
function agreesWithModel(memory: PhysicalMemory): void {
  const random = seededRandom(61);
  const below = (bound: number): number => random.nextU32() % bound;
  const model = new Uint8Array(SIZE_BYTES);
  for (let step = 0; step < RANDOM_STEPS; step++) {
    const addr = below(SIZE_BYTES);
    const other = below(SIZE_BYTES);
    const length = below(SIZE_BYTES - Math.max(addr, other) + 1);
    const byte = below(2) * below(256);
    const kind = below(4);
    if (kind === 0) {
      memory.writeU8(addr, byte);
      model[addr] = byte;
    } else if (kind === 1) {
      memory.fill(addr, length, byte);
      model.fill(byte, addr, addr + length);
    } else if (kind === 2) {
      memory.copy(other, addr, length);
      model.copyWithin(other, addr, addr + length);
    }
    for (let i = 0; i < 8; i++) {
      const probe = below(SIZE_BYTES);
      expectByte(memory, probe, model[probe]);
    }
  }
}

function writeCounting(memory: PhysicalMemory, addr: number, lengthBytes: number): void {
  for (let i = 0; i < lengthBytes; i++) memory.writeU8(addr + i, i % 251);
}

function expectCounting(memory: PhysicalMemory, addr: number, lengthBytes: number): void {
  for (let i = 0; i < lengthBytes; i++) expectByte(memory, addr + i, i % 251);
}

function expectByte(memory: PhysicalMemory, addr: number, value: number): void {
  const expected = memory.contentless === true ? 0 : value;
  expectEqual(`byte ${addr}`, memory.readU8(addr), expected);
}

function expectWord(memory: PhysicalMemory, addr: number, value: number): void {
  const expected = memory.contentless === true ? 0 : value;
  expectEqual(`word ${addr}`, memory.readU32(addr), expected);
}

function expectEqual(what: string, got: number, expected: number): void {
  if (got === expected) return;
  throw new ContractError(`${what}: expected ${expected}, got ${got}`);
}

function expectThrow(what: string, run: () => unknown): void {
  try {
    run();
  } catch {
    return;
  }
  throw new ContractError(`${what} must throw`);
}
