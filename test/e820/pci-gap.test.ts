import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createE820State,
  createE820Table,
  e820SearchGap,
  e820SetupPciGap,
} from '../../src/e820/index.ts';
import { arbitraryEntries, capture, map, naiveSanitise, table } from './support.ts';

function gapLine(notation: string, maxPfn = 0): string[] {
  const state = createE820State();
  state.table.entries = map(notation);
  state.maxPfn = maxPfn;
  const { log, lines } = capture();
  const gap = e820SetupPciGap(state, log);
  expect(state.pciMemStart).toBe(gap.start);
  return lines.map(({ level, text }) => `${level} ${text}`);
}

describe('the PCI gap', () => {
  it('starts unset', () => {
    expect(createE820State().pciMemStart).toBe(0xaeedbaben);
  });

  it.each([
    [
      'A',
      '0+9fc00 1; 9fc00+400 2; f0000+10000 2; 100000+7ee0000 1; 7fe0000+20000 2; fffc0000+40000 2; fd00000000+300000000 2',
      '0x08000000-0xfffbffff',
    ],
    [
      'B',
      '100000+bfee0000 1; bffe0000+20000 2; fffc0000+40000 2; 100000000+80000000 1',
      '0xc0000000-0xfffbffff',
    ],
    [
      'B, q35',
      '100000+7fee0000 1; b0000000+10000000 2; fed1c000+4000 2; 100000000+c0000000 1',
      '0xc0000000-0xfed1bfff',
    ],
    ['E', '0+9fc00 1; 100000+6400000 1; 7fe0000+20000 2', '0x08000000-0xffffffff'],
    ['G', '0+9f000 1; 100000+fee0000 1', '0x0ffe0000-0xffffffff'],
    ['L: of equal gaps the lowest', '0+40000000 1; 80000000+40000000 2', '0x40000000-0x7fffffff'],
  ])('example %s', (_, notation, range) => {
    expect(gapLine(notation)).toEqual([`6 [mem ${range}] available for PCI devices`]);
  });

  it('is made up when none is large enough (example L)', () => {
    expect(gapLine('0+ffffffff 2; 100000000+80000000 1', 0x12345)).toEqual([
      '3 Cannot find an available gap in the 32-bit address range',
      '3 PCI devices with unassigned 32-bit BARs may not work!',
      '6 [mem 0x12445000-0x12844fff] available for PCI devices',
    ]);
  });

  it('takes 4 MiB, but not less', () => {
    expect(e820SearchGap(table('0+ffc00000 1'))).toMatchObject({
      start: 0xffc00000n,
      size: 0x400000n,
    });
    expect(e820SearchGap(table('0+ffc00001 1'))).toBeNull();
  });

  it('does not see the space below the first entry', () => {
    expect(e820SearchGap(table('f0000000+10000000 1'))).toBeNull();
    expect(e820SearchGap(table(''))).toBeNull();
  });

  it('is at least 4 MiB, ends at or below 4 GiB and overlaps nothing (E820-18)', () => {
    fc.assert(
      fc.property(arbitraryEntries, (entries) => {
        const sorted = naiveSanitise(entries, 320) ?? [];
        const gap = e820SearchGap(createE820Table(sorted));
        if (gap === null) return;
        const end = gap.start + gap.size;
        expect(gap.size).toBeGreaterThanOrEqual(0x400000n);
        expect(end).toBeLessThanOrEqual(0x1_0000_0000n);
        expect(sorted.filter((e) => e.addr < end && e.addr + e.size > gap.start)).toEqual([]);
      }),
    );
  });
});
