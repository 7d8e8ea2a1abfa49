import { describe, expect, it } from 'vitest';
import {
  acpiTableUpgrade,
  createE820State,
  type E820State,
  e820UpdateTablePrint,
  gartApertureCheck,
  mtrrTrimUncachedMemory,
  reserveStolenMemory,
} from '../../src/e820/index.ts';
import { capture, map, text } from './support.ts';

function stateOf(notation: string): E820State {
  const state = createE820State();
  state.table.entries = map(notation);
  return state;
}

describe('platform hooks', () => {
  it('e820UpdateTablePrint prints only what was done', () => {
    const { log, texts } = capture();
    e820UpdateTablePrint(stateOf('0+1000 1'), log);
    expect(texts).toEqual([]);
    e820UpdateTablePrint(stateOf('1000+1000 2; 0+1000 1'), log);
    expect(texts).toEqual([
      'modified physical RAM map:',
      'modified: [mem 0x0000000000000000-0x0000000000000fff] usable',
      'modified: [mem 0x0000000000001000-0x0000000000001fff] reserved',
    ]);
  });

  it('a GART aperture over RAM is reserved', () => {
    const state = stateOf('0+10000000 1; 10000000+1000 2');
    const { log, texts } = capture();
    expect(gartApertureCheck(state, { start: 0x8000000n, end: 0xc000000n }, log)).toBe(true);
    expect(texts[0]).toBe('AGP: e820: reserve [mem 0x08000000-0x0bffffff] for GART');
    expect(texts[1]).toBe('modified physical RAM map:');
    expect(text(state.table)).toBe(
      '0+8000000 1; 8000000+4000000 2; c000000+4000000 1; 10000000+1000 2',
    );
    expect(gartApertureCheck(state, { start: 0x20000000n, end: 0x24000000n })).toBe(false);
  });

  it('memory without MTRR is lost, with a warning', () => {
    const state = stateOf('0+40000000 1; 40000000+1000 2');
    state.maxPfn = 0x40000;
    const { log, lines } = capture();
    const holes = [{ start: 0x3e000000n, end: 0x40000000n }];
    expect(mtrrTrimUncachedMemory(state, holes, log)).toBe(0x2000000n);
    expect(lines.slice(0, 4)).toEqual([
      { level: 7, text: 'e820: update [mem 0x3e000000-0x3fffffff] usable ==> reserved' },
      {
        level: 4,
        text: "WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing 32MB of RAM.",
      },
      { level: 6, text: 'update e820 for mtrr' },
      { level: 6, text: 'modified physical RAM map:' },
    ]);
    expect(lines.at(-1)?.text).toBe('last_pfn = 0x3e000 max_arch_pfn = 0x400000000');
    expect(state.maxPfn).toBe(0x3e000);
    const nothing = capture();
    expect(mtrrTrimUncachedMemory(state, holes, nothing.log)).toBe(0n);
    expect(nothing.texts).toHaveLength(1);
  });

  it('copied ACPI tables become NVS, stolen memory reserved', () => {
    const state = stateOf('0+9000 1; 9000+1000 1');
    const { log, texts } = capture();
    acpiTableUpgrade(state, 0x8000n, 0x1000n, log);
    expect(texts[0]).toBe('modified physical RAM map:');
    reserveStolenMemory(state, 0x9800n, 0x800n, log);
    expect(texts).toHaveLength(4);
    expect(text(state.table)).toBe('0+8000 1; 8000+1000 4; 9000+800 1; 9800+800 2');
  });
});
