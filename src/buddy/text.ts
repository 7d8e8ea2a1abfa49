import { BuddyError } from './errors.ts';

// What the formats of this folder share. Widths are those of the kernel's format strings.

/** A number or name right-aligned, `%<width>lu` or `%<width>s`. */
export function right(value: number | string, width: number): string {
  return String(value).padStart(width);
}

/** Lines of a text; the last newline ends the last line. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines[lines.length - 1] === '') lines.pop();
  return lines;
}

/** The error for a line that is not of a format. */
export function badText(format: string, line: string): BuddyError {
  return new BuddyError('BAD_TEXT', `not a line of ${format}: ${JSON.stringify(line)}`, {
    format,
    line,
  });
}

/** What a pattern's groups hold in a line. @throws BuddyError `BAD_TEXT` when it does not match */
export function matchLine(format: string, line: string, pattern: RegExp): string[] {
  const match = pattern.exec(line);
  if (match === null) throw badText(format, line);
  return match.slice(1);
}

/** Whole numbers separated by blanks. @throws BuddyError `BAD_TEXT` unless there are `count` of them */
export function readNumbers(format: string, text: string, count: number): number[] {
  const words = text.trim().split(/ +/);
  if (words.length !== count || words.some((word) => !/^>?-?\d+$/.test(word))) {
    throw badText(format, text);
  }
  return words.map((word) => Number(word.replace('>', '')));
}
