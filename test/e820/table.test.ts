// covers: src/e820/u64.ts src/e820/log.ts src/e820/errors.ts
import { describe, expect, it } from 'vitest';
import {
  createE820Table,
  E820_MAX_ENTRIES,
  E820Error,
  E820Type,
  e820MaxEntries,
  e820RangeAdd,
} from '../../src/e820/index.ts';
import { checkEditable, copyE820Table, freezeE820Table } from '../../src/e820/table.ts';
import { pfnDown, pfnUp, U64_MAX } from '../../src/e820/u64.ts';
import { PageframeError } from '../../src/lib/errors.ts';
import { capture, errorOf, map, table, text } from './support.ts';

describe('createE820Table', () => {
  it('keeps entries as they are, unsorted, with overlaps and empty ones', () => {
    const entries = map('5000+1000 2; 0+9fc00 1; 0+9fc00 1; 7+0 3');
    const made = createE820Table(entries);
    expect(made.entries).toEqual(entries);
    expect(made.capacity).toBe(320);
    expect(E820_MAX_ENTRIES).toBe(320);
  });

  it('is independent of the array and the objects it was made from', () => {
    const entry = { addr: 0n, size: 5n, type: 1, extra: 'x' };
    const entries = [entry];
    const made = createE820Table(entries);
    entries.push({ ...entry });
    entry.type = 2;
    expect(made.entries).toEqual([{ addr: 0n, size: 5n, type: 1 }]);
  });

  it.each([
    ['addr', { addr: -1n, size: 1n, type: 1 }, 'BAD_ADDRESS'],
    ['addr', { addr: 2n ** 64n, size: 1n, type: 1 }, 'BAD_ADDRESS'],
    ['addr', { addr: 4096 as unknown as bigint, size: 1n, type: 1 }, 'BAD_ADDRESS'],
    ['size', { addr: 0n, size: Number.NaN as unknown as bigint, type: 1 }, 'BAD_ADDRESS'],
    ['size', { addr: 0n, size: 2n ** 64n, type: 1 }, 'BAD_ADDRESS'],
    ['type', { addr: 0n, size: 1n, type: -1 }, 'BAD_TYPE'],
    ['type', { addr: 0n, size: 1n, type: 1.5 }, 'BAD_TYPE'],
    ['type', { addr: 0n, size: 1n, type: 2 ** 32 }, 'BAD_TYPE'],
    ['type', { addr: 0n, size: 1n, type: Number.POSITIVE_INFINITY }, 'BAD_TYPE'],
  ])('refuses a bad %s and says where it stands', (name, bad, code) => {
    const error = errorOf(() => createE820Table([{ addr: 0n, size: 0n, type: 1 }, bad]));
    expect(error).toBeInstanceOf(PageframeError);
    expect(error).toMatchObject({ name: 'E820Error', code, data: { position: 1, name } });
    expect(error.data).toHaveProperty('value', bad[name as keyof typeof bad]);
  });

  it('refuses more entries than fit', () => {
    const error = errorOf(() => table('0+1 1; 1+1 1; 2+1 1', 2));
    expect(error).toMatchObject({ code: 'TOO_MANY_ENTRIES', data: { position: 2, value: 3 } });
  });

  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses capacity %s', (capacity) => {
    expect(errorOf(() => createE820Table([], capacity)).code).toBe('BAD_NUMBER');
  });
});

describe('e820MaxEntries', () => {
  it('gives the capacities of the known configurations', () => {
    expect([64, 1024, 1].map(e820MaxEntries)).toEqual([320, 3200, 131]);
    expect(errorOf(() => e820MaxEntries(0)).code).toBe('BAD_NUMBER');
  });
});

describe('e820RangeAdd', () => {
  it('appends at the end, whatever is there', () => {
    const made = table('5000+1000 2');
    e820RangeAdd(made, 0n, 0n, E820Type.RAM);
    e820RangeAdd(made, 0x5000n, U64_MAX, 0);
    expect(text(made)).toBe('5000+1000 2; 0+0 1; 5000+ffffffffffffffff 0');
  });

  it('drops what a full table cannot take, with a line of level 3', () => {
    const made = table('0+1000 1; 1000+1000 2', 2);
    const { log, lines } = capture();
    e820RangeAdd(made, 0x3000n, 0x1000n, E820Type.RAM, log);
    e820RangeAdd(made, 0n, 0n, E820Type.RAM);
    expect(text(made)).toBe('0+1000 1; 1000+1000 2');
    expect(lines).toEqual([
      { level: 3, text: 'too many entries; ignoring [mem 0x00003000-0x00003fff]' },
    ]);
  });

  it('refuses bad arguments before anything changed', () => {
    const made = table('0+1000 1');
    expect(errorOf(() => e820RangeAdd(made, -1n, 1n, 1)).data).toMatchObject({ name: 'start' });
    expect(errorOf(() => e820RangeAdd(made, 0n, -1n, 1)).data).toMatchObject({ name: 'size' });
    expect(errorOf(() => e820RangeAdd(made, 0n, 0n, Number.NaN)).code).toBe('BAD_TYPE');
    expect(text(made)).toBe('0+1000 1');
  });
});

describe('copying and freezing', () => {
  it('copies as a whole, and edits of one table do not show in the other', () => {
    const [from, to] = [table('0+1000 1'), table('5+5 5; 6+6 6')];
    copyE820Table(to, from);
    e820RangeAdd(from, 1n, 1n, 1);
    expect(text(to)).toBe('0+1000 1');
  });

  it('a frozen table has its exact size and takes no edit', () => {
    const made = table('0+1000 1; 5+5 5');
    freezeE820Table(made);
    expect(made).toMatchObject({ capacity: 2, frozen: true });
    expect(errorOf(() => e820RangeAdd(made, 0n, 0n, 1)).code).toBe('FROZEN');
    expect(errorOf(() => copyE820Table(made, made)).code).toBe('FROZEN');
    expect(() => checkEditable(made)).toThrow(E820Error);
  });
});

describe('page frames of addresses', () => {
  it('rounds down and up', () => {
    expect([0n, 4095n, 4096n, U64_MAX].map(pfnDown)).toEqual([0, 0, 1, 2 ** 52 - 1]);
    expect([0n, 1n, 4096n, 4097n].map(pfnUp)).toEqual([0, 1, 1, 2]);
  });
});
