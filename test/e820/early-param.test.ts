import { describe, expect, it } from 'vitest';
import { parseEarlyParams, splitCommandLine } from '../../src/e820/index.ts';
import { capture } from './support.ts';

function split(cmdline: string): string[] {
  return splitCommandLine(cmdline).map(({ name, value }) =>
    value === null ? name : `${name} <- ${value}`,
  );
}

describe('splitCommandLine', () => {
  it.each([
    ['', []],
    ['  \t quiet\n mem=64M ', ['quiet', 'mem <- 64M']],
    ['mem= mem', ['mem <- ', 'mem']],
    ['a=b=c', ['a <- b=c']],
    ['a="b c" d', ['a <- b c', 'd']],
    ['"a=b c" d', ['a <- b c', 'd']],
    ['a="b', ['a <- b']],
    ['a=b"c d"e f', ['a <- b"c d"e', 'f']],
    ['a -- mem=64M', ['a']],
    ['a --x=1 --=2 b', ['a', '--x <- 1', '-- <- 2', 'b']],
  ])('%j', (cmdline, expected) => {
    expect(split(cmdline)).toEqual(expected);
  });

  it('sees 2047 characters', () => {
    const pad = `x=${'y'.repeat(2039)}`;
    expect(split(`${pad} mem=64M`)).toEqual([`x <- ${'y'.repeat(2039)}`, 'mem <- 6']);
    expect(split(`${'z'.repeat(2047)} b`)).toHaveLength(1);
  });
});

describe('parseEarlyParams', () => {
  it('calls handlers from left to right, each time, with - and _ alike', () => {
    const calls: string[] = [];
    const { log, lines } = capture();
    const handlers = {
      'efi-x': (value: string | null): number => {
        calls.push(`efi ${value}`);
        return 0;
      },
      mem: (value: string | null): number => {
        calls.push(`mem ${value}`);
        return value === null ? -22 : 1;
      },
    };
    parseEarlyParams('mem efi_x=1 other efi-x=2 mem=', handlers, log);
    expect(calls).toEqual(['mem null', 'efi 1', 'efi 2', 'mem ']);
    expect(lines).toEqual([
      { level: 4, text: "Malformed early option 'mem'" },
      { level: 4, text: "Malformed early option 'mem'" },
    ]);
  });

  it('does not mistake names of Object for handlers', () => {
    expect(() => parseEarlyParams('constructor=1 toString', {})).not.toThrow();
  });
});
