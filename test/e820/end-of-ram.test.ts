import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createE820Table, e820EndOfLowRamPfn, e820EndOfRamPfn } from '../../src/e820/index.ts';
import { capture, errorOf, naiveSanitise, table } from './support.ts';

const MAX = 2 ** 34;

function ends(notation: string, max = MAX): [number, number] {
  return [e820EndOfRamPfn(table(notation), max), e820EndOfLowRamPfn(table(notation), max)];
}

describe('ends of RAM', () => {
  it('prints what it found', () => {
    const { log, lines } = capture();
    expect(e820EndOfRamPfn(table('0+9fc00 1; 100000+7ee0000 1'), MAX, log)).toBe(0x7fe0);
    e820EndOfRamPfn(table('0+9fc00 2'), 2 ** 40, log);
    expect(lines).toEqual([
      { level: 6, text: 'last_pfn = 0x7fe0 max_arch_pfn = 0x400000000' },
      { level: 6, text: 'last_pfn = 0x0 max_arch_pfn = 0x10000000000' },
    ]);
  });

  it('cuts an entry that crosses 4 GiB (example L)', () => {
    expect(ends('0+9fc00 1; 100000+13ff00000 1')).toEqual([0x140000, 0x100000]);
  });

  it('5 GiB with a hole (example B)', () => {
    const hole = '0+9fc00 1; 100000+bfee0000 1; bffe0000+20000 2; 100000000+80000000 1';
    expect(ends(hole)).toEqual([0x180000, 0xbffe0]);
  });

  it('drops a partial last page', () => {
    expect(ends('0+1fff 1')).toEqual([1, 1]);
    expect(ends('0+fff 1')).toEqual([0, 0]);
  });

  it('counts only type 1 (example I)', () => {
    expect(
      ends('0+9fc00 1; 100000+3f00000 1; 4000000+10 80; 4000010+3fdeff0 1; 7fdf000+1000 80'),
    ).toEqual([0x7fdf, 0x7fdf]);
  });

  it('stays below the architecture limit', () => {
    expect(ends(`${(2n ** 46n - 4096n).toString(16)}+2000 1`)).toEqual([MAX, 0]);
    expect(ends(`${(2n ** 46n).toString(16)}+2000 1`)).toEqual([0, 0]);
    expect(ends('0+ffff0000 1', 0x1000)).toEqual([0x1000, 0x1000]);
  });

  it('an entry that reaches the limit ends the walk', () => {
    expect(ends('0+200000000 1; 0+1000 1')[1]).toBe(0x100000);
  });

  it('refuses a limit that is no number of pages', () => {
    expect(errorOf(() => e820EndOfRamPfn(table(''), Number.NaN)).code).toBe('BAD_NUMBER');
    expect(errorOf(() => e820EndOfLowRamPfn(table(''), -1)).code).toBe('BAD_NUMBER');
  });

  it('low is never above full, and no whole page of RAM lies above (E820-13)', () => {
    const entries = fc.array(
      fc.record({
        addr: fc.bigInt(0n, 0x1_8000_0000n),
        size: fc.bigInt(0n, 0x8000_0000n),
        type: fc.constantFrom(1, 2, 128),
      }),
      { minLength: 2, maxLength: 8 },
    );
    fc.assert(
      fc.property(entries, (list) => {
        const sorted = naiveSanitise(list, 320) ?? [];
        const made = createE820Table(sorted);
        const full = e820EndOfRamPfn(made, MAX);
        const low = e820EndOfLowRamPfn(made, MAX);
        expect(low).toBeLessThanOrEqual(full);
        expect(low).toBeLessThanOrEqual(0x100000);
        const last = sorted.filter((e) => e.type === 1).at(-1);
        expect(full).toBe(last === undefined ? 0 : Number((last.addr + last.size) / 4096n));
      }),
    );
  });
});
