import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createE820Table, e820RegisterNosaveRegions } from '../../src/e820/index.ts';
import { scaled } from '../support/seed.ts';
import { arbitraryEntries, capture, errorOf, naiveSanitise, table } from './support.ts';

/** The registered ranges, in bytes, as the lines show them. */
function ranges(notation: string, limit: number, earlyWalk = false): string[] {
  const { log, lines } = capture();
  e820RegisterNosaveRegions(table(notation), limit, log, { earlyWalk });
  return lines.map(({ level, text }) => {
    const match = /^PM: hibernation: Registered nosave memory: \[mem (.*)\]$/.exec(text);
    expect(level).toBe(6);
    return match?.[1] ?? text;
  });
}

const A = '0+1000 2; 1000+9ec00 1; 9fc00+400 2; f0000+10000 2; 100000+7ee0000 1; 7fe0000+20000 2';

describe('nosave regions', () => {
  it('example A', () => {
    expect(ranges(A, 0x7fe0)).toEqual(['0x00000000-0x00000fff', '0x0009f000-0x000fffff']);
  });

  it('example B: reserved, hole and reserved are one range', () => {
    const b =
      '0+1000 2; 1000+9ec00 1; 9fc00+400 2; f0000+10000 2; 100000+bfee0000 1; bffe0000+20000 2; ' +
      'fffc0000+40000 2; 100000000+80000000 1; fd00000000+300000000 2';
    expect(ranges(b, 0x180000)).toEqual([
      '0x00000000-0x00000fff',
      '0x0009f000-0x000fffff',
      '0xbffe0000-0xffffffff',
    ]);
  });

  it('example C', () => {
    const c =
      '0+1000 2; 1000+9c800 1; 9d800+2800 2; e0000+20000 2; 100000+1ff00000 1; 20000000+200000 2; ' +
      '20200000+1fe04000 1; 40004000+1000 2; 40005000+7a6eb000 1; ba6f0000+cd000 4; ' +
      'ba7bd000+42000 3; ba7ff000+1000 1; ba800000+5200000 2; 100000000+13f600000 1';
    expect(ranges(c, 0x23f600)).toEqual([
      '0x00000000-0x00000fff',
      '0x0009d000-0x000fffff',
      '0x20000000-0x201fffff',
      '0x40004000-0x40004fff',
      '0xba6f0000-0xba7fefff',
      '0xba800000-0xffffffff',
    ]);
  });

  it('a page that is partly RAM is one (example D)', () => {
    const d = '0+b000000 1; b000000+1000000 1; c000000+1000 80; c001000+800 2; c001800+1ffe800 1';
    expect(ranges(d, 0xe000)).toEqual(['0x0c001000-0x0c001fff']);
  });

  it('registers up to the limit above the last RAM', () => {
    expect(ranges('0+1000 1; 5000+1000 2', 8)).toEqual(['0x00001000-0x00007fff']);
    expect(ranges('', 2)).toEqual(['0x00000000-0x00001fff']);
  });

  it('joins adjacent registrations, asks for 32 bytes each, and prints each', () => {
    const allocs: [bigint, bigint][] = [];
    const { log, texts } = capture();
    const made = table('1000+10 1; 1020+1000 1; 4000+1000 1');
    const regions = e820RegisterNosaveRegions(made, 5, log, {
      alloc: (size, align) => allocs.push([size, align]),
    });
    // 0-1, then the hole within page 1 is 1-2, then 2-4 from the border inside page 2.
    expect(texts).toHaveLength(3);
    expect(regions).toEqual([{ startPfn: 0, endPfn: 4 }]);
    expect(allocs).toEqual([[32n, 64n]]);
  });

  it('two holes in one page register it twice', () => {
    const made = table('0+1000 1; 1010+10 1; 1030+fd0 1; 2000+1000 1');
    expect(e820RegisterNosaveRegions(made, 3)).toEqual([
      { startPfn: 1, endPfn: 2 },
      { startPfn: 1, endPfn: 2 },
    ]);
  });

  it('the walk of early 6.1.y prints more and smaller ranges', () => {
    expect(ranges(A, 0x7fe0, true)).toEqual([
      '0x00000000-0x00000fff',
      '0x0009f000-0x0009ffff',
      '0x000a0000-0x000effff',
      '0x000f0000-0x000fffff',
    ]);
    expect(ranges(A, 0x8000, true)).toHaveLength(5);
  });

  it('refuses a bad limit', () => {
    expect(errorOf(() => e820RegisterNosaveRegions(table(''), -1)).code).toBe('BAD_NUMBER');
  });

  it('ascend, and hold no page that lies wholly in RAM (E820-17); all other pages are in one', () => {
    fc.assert(
      fc.property(arbitraryEntries, (entries) => {
        const sorted = naiveSanitise(entries, 320) ?? [];
        const limit = 24;
        const regions = e820RegisterNosaveRegions(createE820Table(sorted), limit);
        for (let i = 1; i < regions.length; i++) {
          expect(regions[i].startPfn).toBeGreaterThanOrEqual(regions[i - 1].startPfn);
        }
        const ram = sorted.filter((e) => e.type === 1 || e.type === 128);
        for (let pfn = 0; pfn < limit; pfn++) {
          const [low, high] = [BigInt(pfn) * 4096n, BigInt(pfn + 1) * 4096n];
          // Bytes of the page that are RAM, of whatever entries.
          let bytes = 0n;
          for (const { addr, size } of ram) {
            const [from, to] = [addr > low ? addr : low, addr + size < high ? addr + size : high];
            if (from < to) bytes += to - from;
          }
          const isIn = regions.some((r) => r.startPfn <= pfn && pfn < r.endPfn);
          // Touching entries with a border inside a page leave no hole.
          expect(isIn).toBe(bytes < 4096n);
        }
      }),
      { numRuns: scaled(500) },
    );
  });
});
