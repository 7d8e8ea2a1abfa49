// covers: src/mm/page-flags-text.ts src/mm/page-flags.ts
import { describe, expect, test } from 'vitest';
import { ArgumentError } from '../../src/lib/errors.ts';
import { PAGE_FLAGS_CHECK_AT_FREE, PAGE_FLAGS_MASK, PageFlag } from '../../src/mm/page-flags.ts';
import { formatPage, formatPageFlags } from '../../src/mm/page-flags-text.ts';
import { initialised } from './support.ts';

test('example of spec memory-model 5.4', () => {
  const { model } = initialised('1-9f 100-4000');
  expect(formatPage(model, 0x4000)).toBe('0x100000000001000(reserved|node=0|zone=1)');
  expect(formatPage(model, 0x200)).toBe('0x0(node=0|zone=0)');
});

describe('layout of the links (spec memory-model 2.3)', () => {
  test('node at bit 58, zone at 56', () => {
    const fields = { flags: 0, node: 63, zone: 3 };
    expect(formatPageFlags(fields)).toBe('0xff00000000000000(node=63|zone=3)');
  });

  test('with five zones: zone at bit 55; with MAXSMP: node at bit 54', () => {
    const fields = { flags: 0x10, node: 1, zone: 4 };
    expect(formatPageFlags(fields, { zonesShift: 3 })).toBe('0x600000000000010(lru|node=1|zone=4)');
    const large = { flags: 0, node: 1023, zone: 2 };
    expect(formatPageFlags(large, { nodesShift: 10 })).toBe('0xffe0000000000000(node=1023|zone=2)');
  });

  test('fields that do not fit are refused', () => {
    expect(() => formatPageFlags({ flags: 0, node: 64, zone: 0 })).toThrowError(ArgumentError);
    expect(() => formatPageFlags({ flags: 0, node: 0, zone: 4 })).toThrowError(ArgumentError);
  });
});

test('names come in the order of the text, not of the bits; the own bits of the model do not show', () => {
  const flags = PageFlag.PG_referenced | PageFlag.PG_locked | PageFlag.PG_waiters | 0x3000000;
  expect(formatPageFlags({ flags, node: 0, zone: 0 })).toBe(
    '0x83(locked|waiters|referenced|node=0|zone=0)',
  );
  const all = formatPageFlags({ flags: PAGE_FLAGS_MASK, node: 0, zone: 0 });
  expect(all.split('|').length).toBe(24 + 2);
  expect(all).toMatch(/^0xffffff\(locked\|waiters\|error\|.*\|mlocked\|uncached\|hwpoison\|node/);
});

test('flags checked at free', () => {
  const { PG_locked, PG_lru, PG_active, PG_slab, PG_reserved, PG_private } = PageFlag;
  const { PG_private_2, PG_writeback, PG_unevictable, PG_mlocked } = PageFlag;
  const low = PG_locked | PG_lru | PG_active | PG_slab | PG_reserved | PG_private;
  expect(low | PG_private_2 | PG_writeback | PG_unevictable | PG_mlocked).toBe(
    PAGE_FLAGS_CHECK_AT_FREE,
  );
});
