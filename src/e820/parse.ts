import { ArgumentError } from '../lib/errors.ts';
import { type DmesgLog, dmesgFirmware, parseDmesg, sanitisedFirmware } from './dmesg.ts';
import { E820Error } from './errors.ts';
import { parseFirmwareMapListing } from './firmware-map.ts';
import { parseE820Json } from './json.ts';
import type { E820Firmware } from './types.ts';

/** A map that was read from text. */
export interface ParsedE820 {
  /** Which form the text had. */
  readonly format: 'dmesg' | 'memmap' | 'json';
  /** The map, ready for `setupE820`. */
  readonly firmware: E820Firmware;
  /** What else the kernel log says; null for the other forms. */
  readonly log: DmesgLog | null;
}

/**
 * Reads a firmware map from text in any of its forms: a kernel log, a listing of
 * `/sys/firmware/memmap`, or JSON. The form is found from the text.
 * @param text the text
 * @throws E820Error `TORN_LINE`, `UNKNOWN_TYPE`, `BAD_LISTING` or `BAD_JSON` with `data.position`,
 * or `NO_MAP` when the text holds no map
 * @example
 * ```ts
 * const { firmware } = parseE820('BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff] usable');
 * ```
 */
export function parseE820(text: string): ParsedE820 {
  if (typeof text !== 'string') throw new ArgumentError('text must be a string', { text });
  if (isJson(text)) {
    const entries = parseE820Json(text);
    if (entries.length === 0) throw new E820Error('NO_MAP', 'the JSON text holds no entry');
    return { format: 'json', firmware: { entries }, log: null };
  }
  if (isListing(text)) {
    const firmware = sanitisedFirmware(parseFirmwareMapListing(text));
    return { format: 'memmap', firmware, log: null };
  }
  const log = parseDmesg(text);
  return { format: 'dmesg', firmware: dmesgFirmware(log), log };
}

/** JSON begins with a brace, or with a bracket that is not that of a time stamp or a range. */
function isJson(text: string): boolean {
  return /^\s*(?:\{|\[\s*(?:[[{\]]|$))/.test(text);
}

/** A listing names its files: one of them is on its first line. */
function isListing(text: string): boolean {
  const first = /^\s*(\S[^\n]*)/.exec(text.slice(0, 600))?.[1] ?? '';
  return text.startsWith('ustar', 257) || /(?:^|[/ ])\d+\/(?:start|end|type)\b/.test(first);
}
