import { describe, expect, it } from 'vitest';
import {
  EINVAL,
  e820GetEntryType,
  e820MappedAll,
  e820MappedAny,
  isIsaRange,
} from '../../src/e820/index.ts';
import { errorOf, table } from './support.ts';

const M = table('0+1000 1; 1000+1000 2');

describe('queries', () => {
  it('give the type of the last part, or -22 (example L)', () => {
    expect(e820GetEntryType(M, 0n, 0x2000n)).toBe(2);
    expect(e820GetEntryType(M, 0n, 0x1000n)).toBe(1);
    expect(e820GetEntryType(M, 0n, 0x3000n)).toBe(EINVAL);
    expect(EINVAL).toBe(-22);
  });

  it('tell any from all (example L)', () => {
    expect(e820MappedAny(M, 0n, 0x2000n, 1)).toBe(true);
    expect(e820MappedAll(M, 0n, 0x2000n, 1)).toBe(false);
    expect(e820MappedAll(M, 0n, 0x2000n, 0)).toBe(true);
    expect(e820MappedAll(M, 0x800n, 0x900n, 1)).toBe(true);
  });

  it('ends are exclusive', () => {
    expect(e820MappedAny(M, 0x2000n, 0x3000n, 0)).toBe(false);
    expect(e820MappedAny(M, 0n, 0x1000n, 2)).toBe(false);
    expect(e820MappedAny(M, 0n, 0x1001n, 2)).toBe(true);
  });

  it('a hole is not filled by anything above it', () => {
    expect(e820MappedAll(table('1000+2000 1'), 0n, 0x2000n, 1)).toBe(false);
    expect(e820MappedAll(table('0+1000 1; 2000+1000 1'), 0n, 0x3000n, 1)).toBe(false);
  });

  it('an empty range is covered only where it lies inside an entry', () => {
    expect(e820MappedAll(M, 0x800n, 0x800n, 1)).toBe(true);
    expect(e820MappedAll(table('0+1000 1'), 0x1000n, 0x1000n, 1)).toBe(false);
    expect(e820GetEntryType(M, 0x1000n, 0x1000n)).toBe(EINVAL);
  });

  it('types are signed when they come back', () => {
    expect(e820GetEntryType(table('0+1000 efffffff'), 0n, 1n)).toBe(-268435457);
  });

  it('an entry that ends at 2^64 never matches', () => {
    const top = table('fffffffffffff000+1000 1');
    expect(e820MappedAny(top, 0xfffffffffffff000n, 0xfffffffffffff001n, 1)).toBe(false);
    expect(e820GetEntryType(top, 0xfffffffffffff000n, 0xfffffffffffff001n)).toBe(EINVAL);
  });

  it('refuse what is no address or type', () => {
    expect(errorOf(() => e820MappedAny(M, -1n, 0n, 0)).code).toBe('BAD_ADDRESS');
    expect(errorOf(() => e820MappedAll(M, 0n, 2n ** 64n, 0)).code).toBe('BAD_ADDRESS');
    expect(errorOf(() => e820MappedAll(M, 0n, 1n, Number.NaN)).code).toBe('BAD_TYPE');
    expect(errorOf(() => e820GetEntryType(M, 0n, 1 as never)).code).toBe('BAD_ADDRESS');
  });

  it('the ISA range', () => {
    expect(isIsaRange(0xa0000n, 0x100000n)).toBe(true);
    expect(isIsaRange(0x9ffffn, 0x100000n)).toBe(false);
    expect(isIsaRange(0xa0000n, 0x100001n)).toBe(false);
  });
});
