import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  capSize,
  max64,
  min64,
  pageAlign,
  pfnDown,
  pfnUp,
  roundDown,
  roundUp,
  wrap64,
} from '../../src/memblock/u64.ts';

const TWO_64 = 2n ** 64n;
const u64 = fc.oneof(
  fc.bigInt({ min: 0n, max: TWO_64 - 1n }),
  fc.bigInt({ min: TWO_64 - 0x3000n, max: TWO_64 - 1n }),
  fc.bigInt({ min: 0n, max: 0x3000n }),
);
const power = fc.integer({ min: 0, max: 63 }).map((bit) => 2n ** BigInt(bit));

test('rounding agrees with division, modulo 2^64', () => {
  fc.assert(
    fc.property(u64, power, (value, align) => {
      expect(roundDown(value, align)).toBe((value / align) * align);
      expect(roundUp(value, align)).toBe((((value + align - 1n) / align) * align) % TWO_64);
    }),
  );
});

test('rounding to 0 and to no power of two follows the bit formula', () => {
  expect([roundUp(0x1234n, 0n), roundDown(0x1234n, 0n)]).toEqual([0n, 0n]);
  expect([roundUp(0x1234n, 3n), roundDown(0x1234n, 3n)]).toEqual([0x1234n, 0x1234n]);
  expect(roundUp(0x1235n, 3n)).toBe(0x1237n);
});

test('the cap keeps an end at or below 2^64 - 1', () => {
  fc.assert(
    fc.property(u64, u64, (base, size) => {
      const capped = capSize(base, size);
      expect(capped <= size && base + capped <= TWO_64 - 1n).toBe(true);
      expect(capped === size || base + capped === TWO_64 - 1n).toBe(true);
    }),
  );
});

test('page frames', () => {
  fc.assert(
    fc.property(u64, (addr) => {
      expect(BigInt(pfnDown(addr))).toBe(addr / 4096n);
      expect(BigInt(pfnUp(addr))).toBe(((addr + 4095n) % TWO_64) / 4096n);
    }),
  );
  expect(pfnUp(TWO_64 - 1n)).toBe(0);
  expect(pageAlign(0x1800n)).toBe(0x2000n);
});

test('the rest', () => {
  expect(wrap64(TWO_64 + 5n)).toBe(5n);
  expect(wrap64(-1n)).toBe(TWO_64 - 1n);
  expect([min64(1n, 2n), min64(2n, 1n), max64(1n, 2n), max64(2n, 1n)]).toEqual([1n, 1n, 2n, 2n]);
});
