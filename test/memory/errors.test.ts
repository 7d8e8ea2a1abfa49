import { describe, expect, test } from 'vitest';
import { ArgumentError } from '../../src/lib/errors.ts';
import { GiB } from '../../src/lib/units.ts';
import { MemoryError } from '../../src/memory/errors.ts';
import {
  arrayBufferMemory,
  MEMORY_SIZE_MAX,
  noMemory,
  sparseMemory,
} from '../../src/memory/index.ts';

function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return null;
}

describe.each([
  ['ArrayBuffer', arrayBufferMemory(new ArrayBuffer(4096))],
  ['sparse', sparseMemory(4096)],
  ['none', noMemory(4096)],
])('%s', (_, memory) => {
  test.each([
    ['readU8', () => memory.readU8(4096), 4096, 1],
    ['writeU8', () => memory.writeU8(-1, 0), -1, 1],
    ['readU32', () => memory.readU32(4094), 4094, 4],
    ['writeU32', () => memory.writeU32(2 ** 40, 0), 2 ** 40, 4],
    ['fill', () => memory.fill(4000, 97, 0), 4000, 97],
    ['copy to', () => memory.copy(4000, 0, 97), 4000, 97],
    ['copy from', () => memory.copy(0, 4000, 97), 4000, 97],
  ])('%s outside is OUT_OF_RANGE and says where', (_, run, addr, lengthBytes) => {
    const error = errorOf(run);
    expect(error).toBeInstanceOf(MemoryError);
    expect(error).toMatchObject({
      code: 'OUT_OF_RANGE',
      data: { addr, lengthBytes, sizeBytes: 4096 },
    });
  });

  test('a word at an odd address is MISALIGNED', () => {
    for (const run of [() => memory.readU32(6), () => memory.writeU32(6, 1)]) {
      expect(errorOf(run)).toMatchObject({ code: 'MISALIGNED', data: { addr: 6 } });
    }
    expect(memory.readU32(4)).toBe(0);
    expect(memory.readU32(8)).toBe(0);
  });
});

test.each([
  ['ArrayBuffer', arrayBufferMemory(new ArrayBuffer(4098))],
  ['sparse', sparseMemory(4098)],
  ['none', noMemory(4098)],
])('a word that begins inside but ends outside is OUT_OF_RANGE: %s', (_, memory) => {
  expect(errorOf(() => memory.readU32(4096))).toMatchObject({ code: 'OUT_OF_RANGE' });
  expect(errorOf(() => memory.writeU32(4096, 1))).toMatchObject({ code: 'OUT_OF_RANGE' });
  expect(memory.readU8(4097)).toBe(0);
});

test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, MEMORY_SIZE_MAX + 1])(
  'a size of %s is refused',
  (size) => {
    expect(errorOf(() => sparseMemory(size))).toBeInstanceOf(ArgumentError);
    expect(errorOf(() => noMemory(size))).toBeInstanceOf(ArgumentError);
  },
);

test('a sparse memory serves addresses beyond 32 bits and holds only what was written', () => {
  const memory = sparseMemory(MEMORY_SIZE_MAX);
  const top = MEMORY_SIZE_MAX - 4;
  memory.writeU32(top, 0xcafe);
  memory.writeU32(5 * GiB, 0xbeef);
  memory.fill(0, 512 * GiB, 0);
  expect(memory.readU32(top)).toBe(0xcafe);
  expect(memory.readU32(5 * GiB)).toBe(0);
  expect(memory.readU32(GiB)).toBe(0);
}, 20_000);

test('an ArrayBuffer keeps what it held', () => {
  const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(arrayBufferMemory(buffer.buffer).readU32(4)).toBe(0x08070605);
});
