import { describe, expect, it } from 'vitest';
import { e820RangeRemove, e820RangeUpdate, e820UpdateTable } from '../../src/e820/index.ts';
import { freezeE820Table } from '../../src/e820/table.ts';
import { U64_MAX } from '../../src/e820/u64.ts';
import { capture, errorOf, table, text } from './support.ts';

const T = '0+9fc00 1; 100000+7ee0000 1; 7fe0000+20000 2';

describe('e820RangeUpdate', () => {
  it('splits an entry and appends the pieces (example K)', () => {
    const made = table(T);
    const { log, lines } = capture();
    expect(e820RangeUpdate(made, 0x200000n, 0x100000n, 1, 2, log)).toBe(0x100000n);
    expect(text(made)).toBe(
      '0+9fc00 1; 100000+100000 1; 7fe0000+20000 2; 200000+100000 2; 300000+7ce0000 1',
    );
    expect(lines).toEqual([
      { level: 7, text: 'e820: update [mem 0x00200000-0x002fffff] usable ==> reserved' },
    ]);
  });

  it('cuts what overlaps at the upper border (example K)', () => {
    const made = table(T);
    expect(e820RangeUpdate(made, 0x7f00000n, 0x200000n, 1, 2)).toBe(0xe0000n);
    expect(text(made)).toBe('0+9fc00 1; 100000+7e00000 1; 7fe0000+20000 2; 7f00000+e0000 2');
    e820UpdateTable(made);
    expect(text(made)).toBe('0+9fc00 1; 100000+7e00000 1; 7f00000+100000 2');
  });

  it('cuts what overlaps at the lower border, and moves the start', () => {
    const made = table('1000+3000 1');
    expect(e820RangeUpdate(made, 0n, 0x2000n, 1, 7)).toBe(0x1000n);
    expect(text(made)).toBe('2000+2000 1; 1000+1000 7');
  });

  it('a range from the start of an entry moves the start too', () => {
    const made = table('1000+3000 1');
    expect(e820RangeUpdate(made, 0x1000n, 0x1000n, 1, 7)).toBe(0x1000n);
    expect(text(made)).toBe('2000+2000 1; 1000+1000 7');
  });

  it('changes whole entries in place, also of several', () => {
    const made = table('0+1000 1; 1000+1000 2; 2000+1000 1; 5000+0 1');
    expect(e820RangeUpdate(made, 0n, 0x6000n, 1, 128)).toBe(0x2000n);
    expect(text(made)).toBe('0+1000 80; 1000+1000 2; 2000+1000 80; 5000+0 80');
  });

  it('prints its line even if nothing matches', () => {
    const made = table(T);
    const { log, texts } = capture();
    expect(e820RangeUpdate(made, 0x20_0000_0000n, 0x1000n, 3, 0xefffffff, log)).toBe(0n);
    expect(text(made)).toBe(T);
    expect(texts).toEqual([
      'e820: update [mem 0x2000000000-0x2000000fff] ACPI data ==> soft reserved',
    ]);
  });

  it('visits appended pieces: overlapping entries of the old type all change', () => {
    const made = table('0+4000 1; 0+4000 1');
    expect(e820RangeUpdate(made, 0x1000n, 0x1000n, 1, 2)).toBe(0x2000n);
    expect(text(made)).toBe(
      '0+1000 1; 0+1000 1; 1000+1000 2; 2000+2000 1; 1000+1000 2; 2000+2000 1',
    );
  });

  it('cuts a size that goes beyond 2^64 - 1', () => {
    const made = table('0+ffffffffffffffff 1');
    const { log, texts } = capture();
    expect(e820RangeUpdate(made, 0x1000n, U64_MAX, 1, 2, log)).toBe(U64_MAX - 0x1000n);
    expect(texts).toEqual(['e820: update [mem 0x00001000-0xfffffffffffffffe] usable ==> reserved']);
    expect(text(made)).toBe('0+1000 1; 1000+ffffffffffffefff 2');
  });

  it('an empty range strictly inside splits with an empty piece, harmless after sanitising', () => {
    const made = table('0+2000 1; 5000+1000 2');
    const { log, texts } = capture();
    expect(e820RangeUpdate(made, 0x1000n, 0n, 1, 2, log)).toBe(0n);
    expect(texts).toEqual(['e820: update [mem 0x00001000-0x00000fff] usable ==> reserved']);
    expect(text(made)).toBe('0+1000 1; 5000+1000 2; 1000+0 2; 1000+1000 1');
    e820UpdateTable(made);
    expect(text(made)).toBe('0+2000 1; 5000+1000 2');
  });

  it('a full table drops pieces, though the entry is cut and the bytes count', () => {
    const made = table('0+9000 1; a000+1000 2', 3);
    const { log, texts } = capture();
    expect(e820RangeUpdate(made, 0x3000n, 0x1000n, 1, 2, log)).toBe(0x1000n);
    expect(text(made)).toBe('0+3000 1; a000+1000 2; 3000+1000 2');
    expect(texts.slice(1)).toEqual(['too many entries; ignoring [mem 0x00004000-0x00008fff]']);
  });

  it('an entry that ends at 2^64 counts with end 0, as in the kernel', () => {
    const made = table('fffffffffffff000+1000 1');
    expect(e820RangeUpdate(made, 0x1000n, 0x1000n, 1, 2)).toBe(0x1000n);
    expect(text(made)).toBe('fffffffffffff000+1000 2');
  });

  it('refuses misuse before anything changed', () => {
    const made = table(T);
    const same = errorOf(() => e820RangeUpdate(made, 0n, 1n, 2, 2));
    expect(same).toMatchObject({ code: 'SAME_TYPE', data: { value: 2 } });
    expect(errorOf(() => e820RangeUpdate(made, 1 as never, 1n, 1, 2)).code).toBe('BAD_ADDRESS');
    expect(errorOf(() => e820RangeUpdate(made, 1n, -1n, 1, 2)).code).toBe('BAD_ADDRESS');
    expect(errorOf(() => e820RangeUpdate(made, 1n, 1n, -1, 2)).data.name).toBe('oldType');
    expect(errorOf(() => e820RangeUpdate(made, 1n, 1n, 1, 0.5)).data.name).toBe('newType');
    expect(text(made)).toBe(T);
    freezeE820Table(made);
    expect(errorOf(() => e820RangeUpdate(made, 0n, 1n, 1, 2)).code).toBe('FROZEN');
    expect(errorOf(() => e820RangeRemove(made, 0n, 1n, 1, true)).code).toBe('FROZEN');
  });
});

describe('e820RangeRemove', () => {
  it('zeroes whole entries in place and cuts others (example K)', () => {
    const made = table(T);
    const { log, lines } = capture();
    expect(e820RangeRemove(made, 0x7f00000n, 0x200000n, 1, false, log)).toBe(0x100000n);
    expect(text(made)).toBe('0+9fc00 1; 100000+7e00000 1; 0+0 0');
    expect(lines).toEqual([{ level: 7, text: 'e820: remove [mem 0x07f00000-0x080fffff] ' }]);
  });

  it('with a type check only that type goes, and the line names it', () => {
    const made = table(T);
    const { log, texts } = capture();
    expect(e820RangeRemove(made, 0x7f00000n, 0x200000n, 1, true, log)).toBe(0xe0000n);
    expect(text(made)).toBe('0+9fc00 1; 100000+7e00000 1; 7fe0000+20000 2');
    expect(texts).toEqual(['e820: remove [mem 0x07f00000-0x080fffff] usable']);
  });

  it('splits an entry without a middle piece', () => {
    const made = table('0+5000 1');
    expect(e820RangeRemove(made, 0x1000n, 0x1000n, 1, true)).toBe(0x1000n);
    expect(text(made)).toBe('0+1000 1; 2000+3000 1');
  });
});
