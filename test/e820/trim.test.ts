import { describe, expect, it } from 'vitest';
import {
  createE820State,
  type E820State,
  e820AddKernelRange,
  trimBiosRange,
} from '../../src/e820/index.ts';
import { capture, map, text } from './support.ts';

const KERNEL = { start: 0x1000000n, end: 0x4430000n };

function stateOf(notation: string): E820State {
  const state = createE820State();
  state.table.entries = map(notation);
  return state;
}

describe('e820AddKernelRange', () => {
  it('does nothing where the kernel lies in RAM', () => {
    const state = stateOf('0+9fc00 1; 100000+7ee0000 1');
    const { log, texts } = capture();
    e820AddKernelRange(state, KERNEL, log);
    expect(texts).toEqual([]);
  });

  it('makes the range RAM, whatever it was (example H)', () => {
    const state = stateOf('0+a0000 1; 110000+7f0000 1; 8000000+8000000 1; 1000000+100000 4');
    const { log, lines } = capture();
    e820AddKernelRange(state, KERNEL, log);
    trimBiosRange(state);
    expect(lines).toEqual([
      { level: 4, text: '.text .data .bss are not marked as E820_TYPE_RAM!' },
      { level: 7, text: 'e820: remove [mem 0x01000000-0x0442ffff] ' },
    ]);
    expect(text(state.table)).toBe(
      '0+1000 2; 1000+9f000 1; 110000+7f0000 1; 1000000+3430000 1; 8000000+8000000 1',
    );
  });

  it('RESERVED_KERN inside the kernel is not RAM', () => {
    const state = stateOf('100000+1f00000 1; 2000000+10 80; 2000010+7fffff0 1');
    const { log, texts } = capture();
    e820AddKernelRange(state, KERNEL, log);
    expect(texts).toHaveLength(2);
  });
});

describe('trimBiosRange', () => {
  it('always prints both lines', () => {
    const state = stateOf('100000+1000 1; 200000+1000 2');
    const { log, lines } = capture();
    trimBiosRange(state, log);
    expect(lines).toEqual([
      { level: 7, text: 'e820: update [mem 0x00000000-0x00000fff] usable ==> reserved' },
      { level: 7, text: 'e820: remove [mem 0x000a0000-0x000fffff] usable' },
    ]);
    expect(text(state.table)).toBe('100000+1000 1; 200000+1000 2');
  });

  it('takes RAM out of the BIOS area, not other types', () => {
    const state = stateOf('0+200000 1; b0000+1000 3');
    trimBiosRange(state);
    expect(text(state.table)).toBe('0+1000 2; 1000+9f000 1; b0000+1000 3; 100000+100000 1');
  });
});
