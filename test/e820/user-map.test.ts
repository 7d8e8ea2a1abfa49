import { describe, expect, it } from 'vitest';
import {
  createE820State,
  type E820State,
  e820EarlyParams,
  e820FinishEarlyParams,
  parseEarlyParams,
  parseMemmapOne,
  parseMemmapOpt,
  parseMemopt,
} from '../../src/e820/index.ts';
import { U64_MAX } from '../../src/e820/u64.ts';
import { capture, errorOf, map, text } from './support.ts';

const T = '0+9fc00 1; 100000+7ee0000 1; 7fe0000+20000 2';

function stateOf(notation = T): E820State {
  const state = createE820State();
  state.table.entries = map(notation);
  return state;
}

describe('mem=', () => {
  it('removes RAM at and above the number, and says so', () => {
    const state = stateOf('0+9fc00 1; 100000+fee0000 1; ffe0000+20000 2');
    const { log, texts } = capture();
    expect(parseMemopt(state, '200M', log)).toBe(0);
    expect(text(state.table)).toBe('0+9fc00 1; 100000+c700000 1; ffe0000+20000 2');
    expect(texts).toEqual(['e820: remove [mem 0x0c800000-0xfffffffffffffffe] usable']);
    expect(state).toMatchObject({ userdef: true, maxMemSize: 200n << 20n });
  });

  it.each(['64M@1M', '64Mfoo', '64M'])('%s: what follows the number is ignored', (value) => {
    const state = stateOf();
    expect(parseMemopt(state, value)).toBe(0);
    expect(text(state.table)).toBe('0+9fc00 1; 100000+3f00000 1; 7fe0000+20000 2');
  });

  it.each([
    ['0', true],
    ['x', true],
    ['', true],
    ['nopentium', false],
    [null, false],
  ])('%j changes nothing and is malformed', (value, userdef) => {
    const state = stateOf();
    const { log, lines } = capture();
    expect(parseMemopt(state, value, log)).toBe(-22);
    expect(text(state.table)).toBe(T);
    expect(state).toMatchObject({ userdef, maxMemSize: U64_MAX });
    const warning = 'mem=nopentium ignored! (only supported on x86_32)';
    expect(lines).toEqual(value === 'nopentium' ? [{ level: 4, text: warning }] : []);
  });

  it('without memory hotplug there is no limit for hot-add', () => {
    const state = stateOf();
    expect(parseMemopt(state, '64M', undefined, false)).toBe(0);
    expect(state.maxMemSize).toBe(U64_MAX);
  });
});

describe('memmap= parts', () => {
  it.each([
    ['1M@256M', `${T}; 10000000+100000 1`, 0],
    ['1M#256M', `${T}; 10000000+100000 3`, 0],
    ['1M$256M', `${T}; 10000000+100000 2`, 0],
    ['1M!256M', `${T}; 10000000+100000 c`, 0],
    ['1M@', `${T}; 0+100000 1`, 0],
    ['K@1M', `${T}; 100000+0 1`, 0],
    ['1M@256Mx', `${T}; 10000000+100000 1`, -22],
    ['64K$1024K', `${T}; 100000+10000 2`, 0],
    ['0x20000$0x0ffe0000', `${T}; ffe0000+20000 2`, 0],
    ['1M%1M', '0+9fc00 1; 200000+7de0000 1; 7fe0000+20000 2', 0],
    ['1M%1M-2', T, 0],
    ['1M%1M-1', '0+9fc00 1; 200000+7de0000 1; 7fe0000+20000 2', 0],
    ['1M%1M-0', '0+9fc00 1; 200000+7de0000 1; 7fe0000+20000 2', 0],
    ['1M%256M+7', `${T}; 10000000+100000 7`, 0],
    ['1M%256M-+2', `${T}; 10000000+100000 2`, 0],
    ['1M%1M-1+0x80', '0+9fc00 1; 200000+7de0000 1; 7fe0000+20000 2; 100000+100000 80', 0],
    [
      '1M%1M-1+4026531839',
      '0+9fc00 1; 200000+7de0000 1; 7fe0000+20000 2; 100000+100000 efffffff',
      0,
    ],
    ['1M%1M-0x100000001+2', '0+9fc00 1; 200000+7de0000 1; 7fe0000+20000 2; 100000+100000 2', 0],
    ['1M%1M+2-1', T, -22],
    ['1M%1M-1+2x', T, -22],
    ['1M%1M-1+2K', T, -22],
    ['1M%1Mx', T, -22],
    ['32M', '0+9fc00 1; 100000+1f00000 1; 7fe0000+20000 2', 0],
    ['32Mfoo', '0+9fc00 1; 100000+1f00000 1; 7fe0000+20000 2', 0],
    ['0', '0+0 0; 0+0 0; 7fe0000+20000 2', 0],
    ['exactmap', '', 0],
    ['exactmapfoo', '', 0],
  ])('%s', (part, expected, result) => {
    const state = stateOf();
    expect(parseMemmapOne(state, part)).toBe(result);
    expect(text(state.table)).toBe(expected);
    expect(state.userdef).toBe(true);
  });

  it.each(['@1M', 'nonsense', ''])('%j is an error and no change by the user', (part) => {
    const state = stateOf();
    expect(parseMemmapOne(state, part)).toBe(-22);
    expect(text(state.table)).toBe(T);
    expect(state.userdef).toBe(false);
  });

  it('F = T is a kernel BUG', () => {
    const state = stateOf();
    expect(errorOf(() => parseMemmapOne(state, '1M%1M-1+1')).code).toBe('SAME_TYPE');
    expect(text(state.table)).toBe(T);
  });

  it('prints what it does', () => {
    const { log, texts } = capture();
    const state = stateOf();
    for (const part of ['1M%1M', '1M%1M-1', '1M%1M-2+3', '32M']) parseMemmapOne(state, part, log);
    expect(texts).toEqual([
      'e820: remove [mem 0x00100000-0x001fffff] ',
      'e820: remove [mem 0x00100000-0x001fffff] usable',
      'e820: update [mem 0x00100000-0x001fffff] reserved ==> ACPI data',
      'e820: remove [mem 0x02000000-0xfffffffffffffffe] usable',
    ]);
  });
});

describe('memmap= as a whole', () => {
  it('takes its parts from left to right and never fails (example E)', () => {
    const state = stateOf();
    const handlers = e820EarlyParams(state);
    const { log, texts } = capture();
    parseEarlyParams(
      'memmap=exactmap memmap=639K@0 memmap=100M@1M,128K$0x7fe0000 memmap memmap=,oops',
      handlers,
      log,
    );
    expect(text(state.table)).toBe('0+9fc00 1; 100000+6400000 1; 7fe0000+20000 2');
    expect(texts).toEqual([]);
    expect(parseMemmapOpt(state, null)).toBe(0);
    expect(parseMemmapOpt(state, '')).toBe(0);
  });

  it('exactmap discards earlier additions, and touches no other table', () => {
    const state = stateOf();
    state.tableFirmware.entries = map(T);
    parseMemmapOpt(state, '1M@256M,exactmap,1M@1M');
    expect(text(state.table)).toBe('100000+100000 1');
    expect(text(state.tableFirmware)).toBe(T);
  });
});

describe('e820FinishEarlyParams', () => {
  it('does nothing when the user changed nothing', () => {
    const state = stateOf('5000+1000 1');
    const { log, texts } = capture();
    e820FinishEarlyParams(state, log);
    expect(texts).toEqual([]);
  });

  it('sanitises and prints', () => {
    const state = stateOf('1000+1000 1; 0+1000 1');
    state.userdef = true;
    const { log, lines } = capture();
    e820FinishEarlyParams(state, log);
    expect(lines).toEqual([
      { level: 6, text: 'user-defined physical RAM map:' },
      { level: 6, text: 'user: [mem 0x0000000000000000-0x0000000000001fff] usable' },
    ]);
  });

  it.each(['memmap=exactmap,64M@0', 'memmap=exactmap'])('%s panics (example J)', (cmdline) => {
    const state = stateOf();
    parseEarlyParams(cmdline, e820EarlyParams(state));
    const error = errorOf(() => e820FinishEarlyParams(state));
    expect(error.code).toBe('INVALID_USER_MAP');
    expect(error.message).toBe('Kernel panic - not syncing: Invalid user supplied memory map');
    expect(error.data.value).toEqual(state.table.entries);
  });
});
