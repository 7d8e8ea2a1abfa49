import { describe, expect, it } from 'vitest';
import { memparse, parseDigits } from '../../src/e820/index.ts';

describe('memparse', () => {
  it.each([
    ['64M', 64n << 20n, 3],
    ['64m', 64n << 20n, 3],
    ['1K', 1024n, 2],
    ['2g', 2n << 30n, 2],
    ['1T', 1n << 40n, 2],
    ['1P', 1n << 50n, 2],
    ['1E', 1n << 60n, 2],
    ['0x1E', 30n, 4],
    ['0X1eK', 30n << 10n, 5],
    ['017', 15n, 3],
    ['08', 0n, 1],
    ['0x@', 0n, 1],
    ['0x', 0n, 1],
    ['K', 0n, 1],
    ['', 0n, 0],
    ['@1M', 0n, 0],
    ['nonsense', 0n, 0],
    ['12MM', 12n << 20n, 3],
    ['16E', 0n, 3],
    ['17E', 1n << 60n, 3],
    ['18446744073709551617', 1n, 20],
    ['0xfffffffffffffffff', 0xffff_ffff_ffff_ffffn, 19],
    ['-5', 0n, 0],
    ['1 M', 1n, 1],
    ['0K', 0n, 2],
    ['9a', 9n, 1],
  ])('%s', (text, value, used) => {
    expect(memparse(text)).toEqual({ value, used });
  });

  it('starts where it is told', () => {
    expect(memparse('100M@1M', 5)).toEqual({ value: 1n << 20n, used: 2 });
    expect(memparse('100M', 9)).toEqual({ value: 0n, used: 0 });
  });
});

describe('parseDigits', () => {
  it('takes no suffix', () => {
    expect(parseDigits('10K')).toEqual({ value: 10n, used: 2 });
    expect(parseDigits('-0x1fG', 1)).toEqual({ value: 31n, used: 4 });
  });
});
