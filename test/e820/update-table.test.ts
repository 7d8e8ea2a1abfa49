import { describe, expect, it } from 'vitest';
import { createE820Table, e820UpdateTable, sanitisedEntries } from '../../src/e820/index.ts';
import { freezeE820Table } from '../../src/e820/table.ts';
import { isNoMergeType } from '../../src/e820/update-table.ts';
import { errorOf, map, table, text } from './support.ts';

function sanitise(notation: string, capacity?: number): string {
  const made = table(notation, capacity);
  return `${e820UpdateTable(made)}: ${text(made)}`;
}

describe('e820UpdateTable', () => {
  it('leaves a sorted firmware map as it is (example A)', () => {
    const sorted =
      '0+9fc00 1; 9fc00+400 2; f0000+10000 2; 100000+7ee0000 1; 7fe0000+20000 2; ' +
      'fffc0000+40000 2; fd00000000+300000000 2';
    expect(sanitise(sorted)).toBe(`0: ${sorted}`);
  });

  it('sorts a laptop map with overlaps, a duplicate and an empty entry (example C)', () => {
    const result = sanitise(
      '0+9d800 1; 9d800+2800 2; e0000+20000 2; 100000+baf00000 1; 20000000+200000 2; ' +
        '40004000+1000 2; ba7b0000+4f000 3; ba6f0000+cd000 4; ba800000+5200000 2; ' +
        'f8000000+4000000 2; fec00000+1000 2; fed08000+1000 2; fed10000+a000 2; ' +
        'fed1c000+4000 2; fee00000+1000 2; fee01000+0 2; ffd80000+280000 2; ' +
        '100000000+13f600000 1; 100000000+100000000 1',
    );
    expect(result).toBe(
      '0: 0+9d800 1; 9d800+2800 2; e0000+20000 2; 100000+1ff00000 1; 20000000+200000 2; ' +
        '20200000+1fe04000 1; 40004000+1000 2; 40005000+7a6eb000 1; ba6f0000+cd000 4; ' +
        'ba7bd000+42000 3; ba7ff000+1000 1; ba800000+5200000 2; f8000000+4000000 2; ' +
        'fec00000+1000 2; fed08000+1000 2; fed10000+a000 2; fed1c000+4000 2; ' +
        'fee00000+1000 2; ffd80000+280000 2; 100000000+13f600000 1',
    );
  });

  it('cuts types that are never merged at every border (example D)', () => {
    const result = sanitise(
      '8000000+1000000 c; 9000000+1000000 c; 8400000+400000 1; 100000+fee0000 1; ' +
        'a000000+1000000 efffffff; a800000+800000 efffffff; c000000+1000 80; c000800+1000 2; ' +
        'd000000+1000 0; e000000+1000 14; e000000+800 7; 0+9fc00 1; 9fc00+400 2; ' +
        'f0000+10000 2; ffe0000+20000 2; fffc0000+40000 2',
    );
    expect(result).toBe(
      '0: 0+9fc00 1; 9fc00+400 2; f0000+10000 2; 100000+7f00000 1; 8000000+400000 c; ' +
        '8400000+400000 c; 8800000+800000 c; 9000000+1000000 c; a000000+800000 efffffff; ' +
        'a800000+800000 efffffff; b000000+1000000 1; c000000+1000 80; c001000+800 2; ' +
        'c001800+1ffe800 1; e000000+1000 14; e001000+1fdf000 1; ffe0000+20000 2; ' +
        'fffc0000+40000 2',
    );
  });

  it('loses everything above its capacity (example L)', () => {
    expect(sanitise('0+10000 1; 1000+1000 2; 3000+1000 2; 5000+1000 2; 7000+1000 2', 5)).toBe(
      '0: 0+1000 1; 1000+1000 2; 2000+1000 1; 3000+1000 2; 4000+1000 1',
    );
  });

  it('merges touching entries of one type, but not over a gap', () => {
    expect(sanitise('1000+1000 1; 0+1000 1; 3000+1000 1')).toBe('0: 0+2000 1; 3000+1000 1');
  });

  it('drops type 0 and empty entries, down to an empty table', () => {
    expect(sanitise('0+0 1; 5000+1000 0')).toBe('0: ');
    expect(sanitise('0+1000 1; 0+2000 0; 500+0 2')).toBe('0: 0+1000 1');
  });

  it('compares types as unsigned numbers', () => {
    const order = ['1', '2', '3', '4', '5', '6', '7', 'c', '14', '80', 'efffffff', 'ffffffff'];
    for (let i = 0; i + 1 < order.length; i++) {
      expect(sanitise(`0+1000 ${order[i]}; 0+1000 ${order[i + 1]}`)).toBe(
        `0: 0+1000 ${order[i + 1]}`,
      );
    }
  });

  it.each([
    ['fewer than 2 entries', '5000+1000 1'],
    ['no entry', ''],
    ['an entry that wraps', '1000+1000 1; fffffffffffff000+2000 2; 0+1000 1'],
    ['an entry that ends exactly at 2^64', '1000+1000 1; fffffffffffff000+1000 2; 0+2000 1'],
  ])('does nothing for %s', (_, notation) => {
    expect(sanitise(notation)).toBe(`-1: ${notation}`);
    expect(sanitisedEntries(map(notation), 320)).toBeNull();
  });

  it('an empty entry at the top does not wrap', () => {
    expect(sanitise('ffffffffffffffff+0 1; 0+ffffffffffffffff 2')).toBe('0: 0+ffffffffffffffff 2');
  });

  it('throws where the kernel stops with a BUG', () => {
    const full = createE820Table(map('0+1 1; 1+1 2; 2+1 1'), 3);
    full.capacity = 2;
    expect(errorOf(() => e820UpdateTable(full))).toMatchObject({
      code: 'TOO_MANY_ENTRIES',
      data: { value: 3, capacity: 2 },
    });
  });

  it('does not touch a frozen table', () => {
    const made = table('1000+1000 1; 0+1000 1');
    freezeE820Table(made);
    expect(errorOf(() => e820UpdateTable(made)).code).toBe('FROZEN');
  });

  it('knows the types that are never merged', () => {
    expect([1, 2, 7, 12, 128, 0xefffffff].filter(isNoMergeType)).toEqual([12, 0xefffffff]);
  });

  it('sanitises 3200 entries quickly', () => {
    const entries = Array.from({ length: 3200 }, (_, i) => ({
      addr: BigInt((i * 7919) % 3200) * 0x1000n,
      size: 0x3000n,
      type: (i % 300) + 1,
    }));
    expect(sanitisedEntries(entries, 3200)?.length).toBeGreaterThan(1000);
  });
});
