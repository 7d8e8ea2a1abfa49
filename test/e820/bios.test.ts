import { describe, expect, it } from 'vitest';
import { detectMemory, type E820Answer, encodeE820Records } from '../../src/e820/index.ts';
import { errorOf, map, text } from './support.ts';

function answers(notation: string): E820Answer[] {
  const entries = map(notation);
  return entries.map((entry, i) => ({
    ebx: i + 1 < entries.length ? i + 1 : 0,
    bytes: encodeE820Records([entry]),
  }));
}

const TWO = '0+9fc00 1; 100000+7ee0000 1';

describe('E820', () => {
  it('stores entries as they are until EBX is 0', () => {
    expect(text(detectMemory({ e820: answers('5+0 9; 0+9fc00 1; 0+9fc00 1') }).entries)).toBe(
      '5+0 9; 0+9fc00 1; 0+9fc00 1',
    );
    expect(detectMemory({ e820: [] }).entries).toEqual([]);
  });

  it('a carry ends it, what was stored stays; the signature is not looked at', () => {
    const list = answers(`${TWO}; 5+5 5`);
    list[2] = { ebx: 0, carry: true, eax: 0 };
    expect(text(detectMemory({ e820: list }).entries)).toBe(TWO);
  });

  it('a wrong signature discards everything', () => {
    const list = answers(TWO);
    list[1] = { ...list[1], eax: 0x12345678 };
    expect(detectMemory({ e820: list }).entries).toEqual([]);
  });

  it('bytes that the BIOS leaves out keep their value, extra ones are cut', () => {
    const list: E820Answer[] = [
      { ebx: 1, bytes: encodeE820Records(map('1000+2000 7')) },
      { ebx: 2, bytes: encodeE820Records(map('5000+0 0')).subarray(0, 8) },
      { ebx: 3 },
      { ebx: 0, bytes: new Uint8Array(24).fill(1) },
    ];
    expect(text(detectMemory({ e820: list }).entries)).toBe(
      '1000+2000 7; 5000+2000 7; 5000+2000 7; 101010101010101+101010101010101 1010101',
    );
    const short: E820Answer[] = [{ ebx: 0, bytes: new Uint8Array([5]) }];
    expect(text(detectMemory({ e820: short }).entries)).toBe('5+0 0');
  });

  it('stops at 128 entries', () => {
    const endless = Array.from({ length: 200 }, () => ({ ebx: 7, bytes: new Uint8Array([1]) }));
    expect(detectMemory({ e820: endless }).entries).toHaveLength(128);
  });

  it('says when answers are missing', () => {
    const error = errorOf(() => detectMemory({ e820: [{ ebx: 3 }] }));
    expect(error).toMatchObject({ code: 'BAD_BIOS_ANSWER', data: { position: 1, value: 3 } });
  });
});

describe('E801 and 88', () => {
  const probe = (ax: number, bx: number, cx = 0, dx = 0, carry = false): number | undefined =>
    detectMemory({ e820: [], e801: { ax, bx, cx, dx, carry } }).altMemK;

  it('counts in KiB up to 16 MiB and in 64 KiB above', () => {
    expect(probe(15360, 3838)).toBe(3838 * 64 + 15360);
    expect(probe(8192, 100)).toBe(8192);
    expect(probe(15361, 100)).toBe(0);
  });

  it('prefers CX and DX if one of them is set', () => {
    expect(probe(1, 2, 15360, 2)).toBe(128 + 15360);
    expect(probe(15360, 2, 0, 5)).toBe(0);
  });

  it('a carry leaves nothing', () => {
    expect(probe(15360, 3838, 0, 0, true)).toBe(0);
    expect(detectMemory({ e820: [] })).toEqual({ entries: [], altMemK: 0, extMemK: 0 });
  });

  it('88 gives 16 bits', () => {
    expect(detectMemory({ e820: [], ax88: 0x1fc00 }).extMemK).toBe(0xfc00);
  });
});
