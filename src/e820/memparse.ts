import { wrap64 } from './u64.ts';

/** A number at the start of a text and how much of the text it took. */
export interface ParsedNumber {
  /** The number modulo 2^64; 0 when there is no digit. */
  readonly value: bigint;
  /** Characters consumed. */
  readonly used: number;
}

/** Power of two of each size suffix. */
const SUFFIX_SHIFTS: Readonly<Record<string, bigint>> = {
  k: 10n,
  m: 20n,
  g: 30n,
  t: 40n,
  p: 50n,
  e: 60n,
};

/**
 * Parses digits in the radix that their prefix names: `0x` before a hex digit 16, a leading `0` 8,
 * otherwise 10. Stops at the first other character.
 * @param text where the number stands
 * @param from index of its first character
 * @kernel simple_strtoull, spec e820 4.10
 */
export function parseDigits(text: string, from = 0): ParsedNumber {
  const isHex = /^0x[0-9a-f]/i.test(text.slice(from, from + 3));
  const radix = isHex ? 16 : text[from] === '0' ? 8 : 10;
  const start = isHex ? from + 2 : from;
  let end = start;
  let value = 0n;
  while (end < text.length) {
    const digit = digitOf(text.charCodeAt(end), radix);
    if (digit < 0) break;
    value = wrap64(value * BigInt(radix) + BigInt(digit));
    end++;
  }
  return { value, used: end - from };
}

/** Value of a digit character, -1 for one that is none in this radix. */
function digitOf(code: number, radix: number): number {
  const lower = code | 0x20;
  let digit = -1;
  if (code >= 0x30 && code <= 0x39) digit = code - 0x30;
  else if (lower >= 0x61 && lower <= 0x66) digit = lower - 0x61 + 10;
  return digit < radix ? digit : -1;
}

/**
 * Parses a size as the kernel's command line has it: digits, then one optional suffix K, M, G, T, P
 * or E. The suffix is taken even without digits; bits beyond 2^64 are dropped.
 * @param text where the size stands
 * @param from index of its first character
 * @kernel memparse, spec e820 4.10
 */
export function memparse(text: string, from = 0): ParsedNumber {
  const { value, used } = parseDigits(text, from);
  const shift = SUFFIX_SHIFTS[(text[from + used] ?? '').toLowerCase()];
  if (shift === undefined) return { value, used };
  return { value: wrap64(value << shift), used: used + 1 };
}
