import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ctz32,
  divTrunc,
  fls,
  ilog2,
  intSqrt,
  isPowerOfTwo,
  multFrac,
  roundDownPowerOfTwo,
  roundUpPowerOfTwo,
} from '../../src/lib/bits.ts';

const u32 = fc.oneof(fc.nat({ max: 0xffffffff }), powerAround(31));
const u53 = fc.oneof(fc.maxSafeNat(), fc.nat({ max: 2 ** 33 }), powerAround(52));

/** Powers of two and their neighbours: where logarithms go wrong. */
function powerAround(exponentMax: number): fc.Arbitrary<number> {
  return fc
    .tuple(fc.integer({ min: 0, max: exponentMax }), fc.integer({ min: -1, max: 1 }))
    .map(([exponent, offset]) => 2 ** exponent + offset);
}

/** Number of binary digits, counted on the text. */
function digits(value: number): number {
  return value === 0 ? 0 : value.toString(2).length;
}

test('fls is the number of binary digits', () => {
  fc.assert(fc.property(u32, (value) => fls(value) === digits(value)));
  expect(fls(0x8000_0000)).toBe(32);
});

test('ctz32 counts the zeros at the end', () => {
  fc.assert(
    fc.property(u32, (value) => {
      const zeros = /0*$/.exec(value.toString(2))?.[0].length;
      expect(ctz32(value)).toBe(value === 0 ? 32 : zeros);
    }),
  );
});

test('ilog2 is one less than the number of binary digits, up to 2^53', () => {
  fc.assert(fc.property(u53, (value) => ilog2(value) === digits(value) - 1));
  expect(ilog2(Number.MAX_SAFE_INTEGER)).toBe(52);
  expect(ilog2(0)).toBe(-1);
});

test('isPowerOfTwo finds a single one among the digits', () => {
  fc.assert(
    fc.property(u53, (value) => {
      const ones = value.toString(2).replaceAll('0', '').length;
      expect(isPowerOfTwo(value)).toBe(ones === 1);
    }),
  );
});

test('rounding to a power of two', () => {
  const below = fc
    .oneof(fc.integer({ min: 1, max: 2 ** 40 }), powerAround(40))
    .filter((n) => n > 0);
  fc.assert(
    fc.property(below, (value) => {
      const up = roundUpPowerOfTwo(value);
      const down = roundDownPowerOfTwo(value);
      expect(isPowerOfTwo(up) && isPowerOfTwo(down)).toBe(true);
      expect(up >= value && (up / 2 < value || value === 1)).toBe(true);
      expect(down <= value && down * 2 > value).toBe(true);
    }),
  );
  expect(roundUpPowerOfTwo(0)).toBe(1);
});

test('multFrac is exact where the product is not', () => {
  const small = fc.integer({ min: 1, max: 100_000 });
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 36 }), small, small, (value, numerator, denominator) => {
      const quotient = BigInt(value) / BigInt(denominator);
      const remainder = BigInt(value) % BigInt(denominator);
      const exact =
        quotient * BigInt(numerator) + (remainder * BigInt(numerator)) / BigInt(denominator);
      expect(BigInt(multFrac(value, numerator, denominator))).toBe(exact);
    }),
  );
  expect(multFrac(10, 3, 4)).toBe(7);
});

test('intSqrt is the floor of the root', () => {
  fc.assert(
    fc.property(u53, (value) => {
      const root = BigInt(intSqrt(value));
      expect(root * root <= BigInt(value)).toBe(true);
      expect((root + 1n) * (root + 1n) > BigInt(value)).toBe(true);
    }),
  );
});

test('intSqrt corrects a root that floating point rounded up', () => {
  const root = 94_906_265;
  expect(Math.sqrt(root * root - 1)).toBe(root);
  expect(intSqrt(root * root - 1)).toBe(root - 1);
  expect(intSqrt(root * root)).toBe(root);
});

test.each([
  [7, 2, 3],
  [-7, 2, -3],
  [7, -2, -3],
  [-8, 2, -4],
  [2 ** 40 + 1, 2, 2 ** 39],
])('divTrunc(%s, %s) = %s, as in C', (value, divisor, result) => {
  expect(divTrunc(value, divisor)).toBe(result);
});
