import { E820Error } from './errors.ts';
import { HEADER_BIOS, HEADER_EXTENDED, HEADER_MODIFIED, HEADER_USER } from './format.ts';
import { type E820Entry, E820Type } from './types.ts';
import { wrap64 } from './u64.ts';

/** What one line of a kernel log says about the E820 map. */
export type DmesgRecord =
  | { readonly kind: 'header' }
  | { readonly kind: 'entry'; readonly who: string; readonly entry: E820Entry }
  | {
      readonly kind: 'update';
      readonly start: bigint;
      readonly size: bigint;
      readonly oldType: number;
      readonly newType: number;
    }
  | {
      readonly kind: 'remove';
      readonly start: bigint;
      readonly size: bigint;
      readonly oldType: number | null;
    }
  | { readonly kind: 'kexec' }
  | { readonly kind: 'kernelRange' }
  | { readonly kind: 'lastPfn'; readonly lastPfn: number; readonly maxArchPfn: number }
  | { readonly kind: 'commandLine'; readonly text: string };

/** Labels of printed maps. */
const WHO = 'BIOS-e820|BIOS-e801|BIOS-88|Xen|extended|reserve setup_data|user|modified';
const HEADERS: readonly string[] = [HEADER_BIOS, HEADER_EXTENDED, HEADER_USER, HEADER_MODIFIED];

/** Cheap first look: a line without any of these says nothing about the map. */
const CANDIDATES: readonly string[] = [
  '[mem 0x',
  'e820',
  'RAM map',
  'BIOS-',
  'last_pfn',
  'ommand line: ',
  'E820',
  ' - 0',
  ': [mem',
  'usable',
  '] reserved',
  '] ACPI ',
];

const SYSLOG_PREFIX = /^(?:.*? )?kernel: /;
const LEVEL_PREFIX = /^(?:<\d+>|[a-z]+ *:[a-z]+ *: )/;
const TIME_PREFIX = /^\[(?: *\d+\.\d+|[A-Z][a-z]{2} [^\]]*)\](?:\[[^\]]*\])? ?/;

const ENTRY = new RegExp(`^(${WHO}): \\[mem 0x([0-9a-f]{1,16})-0x([0-9a-f]{1,16})\\] (.+)$`);
/** Before 3.5: no `0x`, and an exclusive end. */
const ENTRY_OLD = new RegExp(`^(${WHO}): ([0-9a-f]{16}) - ([0-9a-f]{16}) \\((.+)\\)$`);
const STARTS_AS_ENTRY = new RegExp(`^(?:${WHO}): (?:\\[|[0-9a-f]{4})`);
const EDIT = /^e820: (update|remove) \[mem 0x([0-9a-f]{8,16})-0x([0-9a-f]{8,16})\](?: (.+))?$/;
const LAST_PFN = /^last_pfn = 0x([0-9a-f]+) max_arch_pfn = 0x([0-9a-f]+)$/;
const COMMAND_LINE = /^(?:Kernel command|Command) line:(?: (.*))?$/;

/** A map line somewhere behind other text, or one that lost its beginning. */
const HIDDEN_ENTRY =
  /BIOS-(?:e820|e801|88): (?:\[mem|[0-9a-f]{16})|[0-9a-f]{4}\] (?:usable|reserved|ACPI (?:data|NVS)|unusable|soft reserved|persistent \(type \d+\)|type \d+)$/;

/**
 * Understands one line of a kernel log (spec e820 5.3): text of 6.1, and that of older kernels where
 * it only looks different.
 * @param line the line, with whatever syslog, level and time stamp in front
 * @param number number of the line, for errors
 * @returns null when the line says nothing about the map
 * @throws E820Error `TORN_LINE` or `UNKNOWN_TYPE`; `data.position` is the number of the line and
 * `data.value` its text
 */
export function parseDmesgLine(line: string, number: number): DmesgRecord | null {
  if (!isCandidate(line)) return null;
  const text = withoutPrefix(line);
  const plain = text.startsWith('e820: ') ? text.slice(6) : text;
  if (HEADERS.includes(plain)) return { kind: 'header' };
  const entry = ENTRY.exec(text);
  if (entry !== null) return readEntry(entry, line, number);
  const old = ENTRY_OLD.exec(text);
  if (old !== null) return readOldEntry(old, line, number);
  if (/^e820: (?:update|remove) /.test(text)) return readEdit(text, line, number);
  if (plain.startsWith('last_pfn = ')) return readLastPfn(plain, line, number);
  if (text === '.text .data .bss are not marked as E820_TYPE_RAM!') return { kind: 'kernelRange' };
  if (text.startsWith('update e820_table_kexec for ')) return { kind: 'kexec' };
  const commandLine = COMMAND_LINE.exec(text);
  if (commandLine !== null) return { kind: 'commandLine', text: commandLine[1] ?? '' };
  if (isTorn(text, plain)) throw torn(line, number);
  return null;
}

function isCandidate(line: string): boolean {
  for (const word of CANDIDATES) {
    if (line.includes(word)) return true;
  }
  return false;
}

/** The message itself: without syslog prefix, level, time stamp, and blanks around it. */
function withoutPrefix(line: string): string {
  return line
    .replace(SYSLOG_PREFIX, '')
    .trimStart()
    .replace(LEVEL_PREFIX, '')
    .replace(TIME_PREFIX, '')
    .trim();
}

function isTorn(text: string, plain: string): boolean {
  if (STARTS_AS_ENTRY.test(text) || HIDDEN_ENTRY.test(text)) return true;
  if (text.startsWith('e820: [mem') && !text.endsWith('available for PCI devices')) return true;
  if (text.length >= 5 && 'BIOS-e820: [mem 0x'.startsWith(text)) return true;
  return plain.length >= 8 && HEADERS.some((header) => header.startsWith(plain));
}

function torn(line: string, number: number): E820Error {
  const message = `line ${number} is torn: ${line.trim()}`;
  return new E820Error('TORN_LINE', message, { position: number, value: line });
}

function readEntry(match: RegExpExecArray, line: string, number: number): DmesgRecord {
  const [, who, first, last, typeText] = match;
  // The kernel prints both with 16 digits; if just one has them, the other has lost some.
  if ((first.length === 16) !== (last.length === 16)) throw torn(line, number);
  const addr = BigInt(`0x${first}`);
  const size = wrap64(BigInt(`0x${last}`) - addr + 1n);
  return { kind: 'entry', who, entry: { addr, size, type: readType(typeText, line, number) } };
}

function readOldEntry(match: RegExpExecArray, line: string, number: number): DmesgRecord {
  const [, who, first, end, typeText] = match;
  const addr = BigInt(`0x${first}`);
  const size = wrap64(BigInt(`0x${end}`) - addr);
  return { kind: 'entry', who, entry: { addr, size, type: readType(typeText, line, number) } };
}

function readEdit(text: string, line: string, number: number): DmesgRecord {
  const match = EDIT.exec(text);
  if (match === null) throw torn(line, number);
  const [, kind, first, last, types] = match;
  const start = BigInt(`0x${first}`);
  const size = wrap64(BigInt(`0x${last}`) - start + 1n);
  if (kind === 'remove') {
    const oldType = types === undefined ? null : readType(types, line, number);
    return { kind: 'remove', start, size, oldType };
  }
  const pair = (types ?? '').split(' ==> ');
  if (pair.length !== 2) throw torn(line, number);
  const oldType = readType(pair[0], line, number);
  const isToKernel = pair[0] === 'usable' && pair[1] === 'usable';
  const newType = isToKernel ? E820Type.RESERVED_KERN : readType(pair[1], line, number);
  return { kind: 'update', start, size, oldType, newType };
}

function readLastPfn(plain: string, line: string, number: number): DmesgRecord {
  const match = LAST_PFN.exec(plain);
  if (match === null) throw torn(line, number);
  const [lastPfn, maxArchPfn] = match.slice(1).map((digits) => Number.parseInt(digits, 16));
  return { kind: 'lastPfn', lastPfn, maxArchPfn };
}

const FIXED_TYPES: ReadonlyMap<string, number> = new Map([
  ['usable', E820Type.RAM],
  ['reserved', E820Type.RESERVED],
  ['ACPI data', E820Type.ACPI],
  ['ACPI NVS', E820Type.NVS],
  ['unusable', E820Type.UNUSABLE],
  ['soft reserved', E820Type.SOFT_RESERVED],
]);

/**
 * Number of a type as the kernel log names it; `usable` is 1, though it may have been 128.
 * @returns null for a text that is no type
 */
export function parseE820TypeText(text: string): number | null {
  const fixed = FIXED_TYPES.get(text);
  if (fixed !== undefined) return fixed;
  const digits = /^(?:type (\d{1,10})|persistent \(type (\d{1,10})\))$/.exec(text);
  if (digits === null) return null;
  const type = Number(digits[1] ?? digits[2]);
  return type <= 0xffffffff ? type : null;
}

function readType(text: string, line: string, number: number): number {
  const type = parseE820TypeText(text);
  if (type !== null) return type;
  if (isStartOfType(text)) throw torn(line, number);
  const message = `line ${number}: "${text}" is not a type of memory in a 6.1 log`;
  throw new E820Error('UNKNOWN_TYPE', message, { position: number, value: line });
}

function isStartOfType(text: string): boolean {
  if (/^(?:type ?|persistent \(type \d*)$/.test(text) || 'persistent (type '.startsWith(text)) {
    return true;
  }
  return [...FIXED_TYPES.keys()].some((known) => known.startsWith(text));
}
