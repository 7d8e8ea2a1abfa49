import { type DmesgRecord, parseDmesgLine } from './dmesg-line.ts';
import { E820Error } from './errors.ts';
import { e820RangeRemove, e820RangeUpdate } from './range.ts';
import { createE820Table, e820RangeAdd } from './table.ts';
import { type E820Entry, type E820Firmware, E820Type } from './types.ts';
import { sanitisedEntries } from './update-table.ts';

/** One printed map. */
export interface DmesgMap {
  /** Label in front of its lines, e.g. `BIOS-e820`. */
  readonly who: string;
  /** Number of its first line, from 1. */
  readonly line: number;
  /** The ranges, in the order of the lines. */
  readonly entries: E820Entry[];
}

/** One `e820: update` or `e820: remove` line. */
export interface DmesgEdit {
  /** Number of the line, from 1. */
  readonly line: number;
  /** What was done. */
  readonly kind: 'update' | 'remove';
  /** First byte. */
  readonly start: bigint;
  /** Length in bytes. */
  readonly size: bigint;
  /** The type looked for, null for any. */
  readonly oldType: number | null;
  /** The type given; null for a removal. */
  readonly newType: number | null;
  /** Whether it concerns the map for kexec, not the working map. */
  readonly kexec: boolean;
  /** Whether the range became RAM afterwards: it holds the kernel. */
  readonly kernelRange: boolean;
}

/** What a kernel log says about memory. */
export interface DmesgLog {
  /** The printed maps, in order. */
  readonly maps: readonly DmesgMap[];
  /** The edits, in order. */
  readonly edits: readonly DmesgEdit[];
  /** The `last_pfn` lines: line number and both numbers, in pages. */
  readonly lastPfns: readonly {
    /** Number of the line, from 1. */
    readonly line: number;
    /** End of RAM. */
    readonly lastPfn: number;
    /** First page frame that can never exist. */
    readonly maxArchPfn: number;
  }[];
  /** The kernel command line, null if the log does not show it. */
  readonly commandLine: string | null;
}

/** State of {@link parseDmesg} while it reads. */
interface Reader {
  readonly maps: DmesgMap[];
  readonly edits: DmesgEdit[];
  readonly lastPfns: { line: number; lastPfn: number; maxArchPfn: number }[];
  commandLine: string | null;
  /** The map whose lines are being read, null after a header. */
  open: DmesgMap | null;
  /** Number of the last map line. */
  lastLine: number;
  /** Whether the next removal takes the kernel's range. */
  kernelRange: boolean;
}

/**
 * Reads a kernel log. Lines that say nothing about the E820 map are skipped.
 * @param text the log as `dmesg`, `journalctl -k` or a console shows it
 * @throws E820Error `TORN_LINE` or `UNKNOWN_TYPE`; `data.position` is the number of the line and
 * `data.value` its text
 * @kernel e820__print_table, spec e820 5.3
 */
export function parseDmesg(text: string): DmesgLog {
  const reader: Reader = {
    maps: [],
    edits: [],
    lastPfns: [],
    commandLine: null,
    open: null,
    lastLine: 0,
    kernelRange: false,
  };
  let number = 0;
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const end = newline < 0 ? text.length : newline;
    number++;
    const record = parseDmesgLine(text.slice(at, end), number);
    if (record !== null) takeRecord(reader, record, number);
    at = end + 1;
  }
  const { maps, edits, lastPfns, commandLine } = reader;
  return { maps, edits, lastPfns, commandLine };
}

function takeRecord(reader: Reader, record: DmesgRecord, line: number): void {
  switch (record.kind) {
    case 'header':
      reader.open = null;
      return;
    case 'entry':
      takeEntry(reader, record.who, record.entry, line);
      return;
    case 'update':
    case 'remove':
      takeEdit(reader, record, line);
      return;
    case 'kernelRange':
      reader.kernelRange = true;
      return;
    case 'kexec': {
      const last = reader.edits.at(-1);
      if (last !== undefined) reader.edits[reader.edits.length - 1] = { ...last, kexec: true };
      return;
    }
    case 'lastPfn':
      reader.lastPfns.push({ line, lastPfn: record.lastPfn, maxArchPfn: record.maxArchPfn });
      return;
    case 'commandLine':
      reader.commandLine = record.text;
      return;
  }
}

/**
 * Lines of one label make one map, also when a line of another driver slipped in between. Without
 * a header (`dmesg | grep`), a map that begins again is another one.
 */
function takeEntry(reader: Reader, who: string, entry: E820Entry, line: number): void {
  const { open } = reader;
  if (open !== null && open.who === who) {
    const isConsecutive = reader.lastLine === line - 1;
    const last = open.entries[open.entries.length - 1];
    const beginsAgain = isConsecutive ? isEqual(entry, open.entries[0]) : entry.addr < last.addr;
    if (!beginsAgain) {
      open.entries.push(entry);
      reader.lastLine = line;
      return;
    }
  }
  const map = { who, line, entries: [entry] };
  reader.maps.push(map);
  reader.open = map;
  reader.lastLine = line;
}

function isEqual(a: E820Entry, b: E820Entry): boolean {
  return a.addr === b.addr && a.size === b.size && a.type === b.type;
}

function takeEdit(
  reader: Reader,
  record: Extract<DmesgRecord, { kind: 'update' | 'remove' }>,
  line: number,
): void {
  const { kind, start, size, oldType } = record;
  const newType = record.kind === 'update' ? record.newType : null;
  const kernelRange = reader.kernelRange && kind === 'remove' && oldType === null;
  reader.kernelRange = false;
  const edit: DmesgEdit = { line, kind, start, size, oldType, newType, kexec: false, kernelRange };
  reader.edits.push({ ...edit, kexec: repeatsForKexec(reader.edits.at(-1), edit) });
}

/** Setup data is carved out of both maps, one after the other: the second line is for kexec. */
function repeatsForKexec(last: DmesgEdit | undefined, edit: DmesgEdit): boolean {
  if (edit.newType !== E820Type.RESERVED_KERN || last === undefined || last.kexec) return false;
  if (last.newType !== E820Type.RESERVED_KERN) return false;
  return last.start === edit.start && last.size === edit.size;
}

function isFirmwareLabel(who: string): boolean {
  return who.startsWith('BIOS-') || who === 'Xen';
}

/** The maps of the last boot in the log: from the last map of the firmware on. */
function lastBoot(log: DmesgLog): readonly DmesgMap[] {
  const start = log.maps.findLastIndex((map) => isFirmwareLabel(map.who));
  if (start < 0) throw new E820Error('NO_MAP', 'the log shows no map of the firmware');
  return log.maps.slice(start);
}

/**
 * The map of the firmware, in a form that sets up a kernel with the same map and label. When the
 * log holds several boots, the last one counts; an `extended` map replaces that of the BIOS. The
 * raw order and overlaps are lost.
 * @param log what {@link parseDmesg} read
 * @throws E820Error `NO_MAP`
 */
export function dmesgFirmware(log: DmesgLog): E820Firmware {
  const maps = lastBoot(log);
  const extended = maps.find((map) => map.who === 'extended');
  const { who, entries } = extended ?? maps[0];
  // These two labels say that there was no E820 map, only the size of memory above 1 MiB.
  const sizeK = Number((entries[1]?.size ?? 0n) / 1024n);
  if (who === 'BIOS-e801') return { entries: [], altMemK: sizeK };
  if (who === 'BIOS-88') return { entries: [], extMemK: sizeK };
  if (who === 'Xen') return { entries, who };
  return sanitisedFirmware(entries);
}

/**
 * A map that a kernel sanitised, as input for another one. A single entry came from several: the
 * kernel's rule of at least 2 was for the raw map.
 */
export function sanitisedFirmware(entries: readonly E820Entry[]): E820Firmware {
  return entries.length < 2 ? { entries, who: 'BIOS-e820' } : { entries };
}

/**
 * The working map at the end of the log: the last printed one, with the edits after it. Type 128
 * that a printed map holds is not recoverable and reads as 1.
 * @param log what {@link parseDmesg} read
 * @throws E820Error `NO_MAP`
 */
export function dmesgWorkingMap(log: DmesgLog): E820Entry[] {
  const map = lastBoot(log).at(-1);
  if (map === undefined) return [];
  const table = createE820Table(map.entries, 0xffff_ffff);
  for (const { line, start, size, oldType, newType, kexec, kernelRange } of log.edits) {
    if (line < map.line || kexec) continue;
    if (newType !== null && oldType !== null && newType !== oldType) {
      e820RangeUpdate(table, start, size, oldType, newType);
    } else if (newType === null) {
      e820RangeRemove(table, start, size, oldType ?? 0, oldType !== null);
      if (kernelRange) e820RangeAdd(table, start, size, E820Type.RAM);
    }
  }
  return sanitisedEntries(table.entries, table.capacity) ?? table.entries;
}
