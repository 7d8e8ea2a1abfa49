import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addrToPfn,
  alignDown,
  alignUp,
  asPfn,
  asPhysAddr,
  GiB,
  hex,
  KiB,
  MAX_ORDER,
  MAX_ORDER_NR_PAGES,
  MiB,
  PAGE_SHIFT,
  PAGE_SIZE,
  pfnToAddr,
} from '../../src/lib/units.ts';

/** Physical addresses of x86-64. */
const address = fc.maxSafeInteger().map((n) => Math.abs(n) % 2 ** 52);
/** Powers of two from 1 byte to 64 GiB. */
const power = fc.integer({ min: 0, max: 36 }).map((exponent) => 2 ** exponent);

test('constants agree with each other', () => {
  expect(PAGE_SIZE).toBe(2 ** PAGE_SHIFT);
  expect(MAX_ORDER_NR_PAGES).toBe(2 ** (MAX_ORDER - 1));
  expect([KiB, MiB, GiB]).toEqual([2 ** 10, 2 ** 20, 2 ** 30]);
});

describe('against exact integers', () => {
  test('alignDown', () => {
    fc.assert(
      fc.property(address, power, (addr, alignment) => {
        expect(BigInt(alignDown(addr, alignment))).toBe(BigInt(addr) & ~(BigInt(alignment) - 1n));
      }),
    );
  });

  test('alignUp', () => {
    fc.assert(
      fc.property(address, power, (addr, alignment) => {
        const mask = BigInt(alignment) - 1n;
        expect(BigInt(alignUp(addr, alignment))).toBe((BigInt(addr) + mask) & ~mask);
      }),
    );
  });

  test('alignment need not be a power of two', () => {
    fc.assert(
      fc.property(address, fc.integer({ min: 1, max: 100_000 }), (addr, alignment) => {
        const remainder = addr % alignment;
        expect(alignDown(addr, alignment)).toBe(addr - remainder);
        expect(alignUp(addr, alignment)).toBe(
          remainder === 0 ? addr : addr - remainder + alignment,
        );
      }),
    );
  });

  test('addrToPfn and pfnToAddr', () => {
    fc.assert(
      fc.property(address, (addr) => {
        const pfn = addrToPfn(addr);
        expect(BigInt(pfn)).toBe(BigInt(addr) >> 12n);
        expect(pfnToAddr(pfn)).toBe(alignDown(addr, PAGE_SIZE));
      }),
    );
  });
});

test('brands change nothing', () => {
  expect(asPfn(7)).toBe(7);
  expect(asPhysAddr(0xf_ffff_ffff_f000)).toBe(0xf_ffff_ffff_f000);
});

test.each([
  [0, 1, '0x0'],
  [0xabc, 1, '0xabc'],
  [0xabc, 8, '0x00000abc'],
  [0x1_0000_0000, 4, '0x100000000'],
  [0xffff_ffff_ffff_ffffn, 16, '0xffffffffffffffff'],
  [0x9fbffn, 16, '0x000000000009fbff'],
])('hex(%s, %s)', (value, digits, text) => {
  expect(hex(value, digits)).toBe(text);
});

test('hex without digits pads nothing', () => {
  expect(hex(15)).toBe('0xf');
});
