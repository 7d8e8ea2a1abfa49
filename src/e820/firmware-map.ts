import { E820Error } from './errors.ts';
import { formatIomemType } from './format.ts';
import type { BootAlloc } from './nosave.ts';
import { type E820Entry, type E820Table, E820Type } from './types.ts';
import { entryEnd, entryLast, U64_MAX, wrap64 } from './u64.ts';

/** One directory of `/sys/firmware/memmap`. */
export interface FirmwareMapEntry {
  /** First byte. */
  readonly start: bigint;
  /** Last byte, inclusive. */
  readonly end: bigint;
  /** The text of the type. */
  readonly type: string;
}

/** Type given to `Unknown E820 type`, whose number the listing does not show: not RAM. */
export const UNKNOWN_TYPE_PLACEHOLDER = 6;

const FIRMWARE_MAP_ENTRY_BYTES = 104n;
const SMP_CACHE_BYTES = 64n;

/** Type of each text; older kernels print `reserved`. */
const TYPES_BY_TEXT: ReadonlyMap<string, number> = new Map([
  ...Object.values(E820Type)
    .filter((type) => type !== E820Type.RESERVED_KERN)
    .map((type) => [formatIomemType(type), type] as const),
  ['reserved', E820Type.RESERVED],
  [formatIomemType(0), UNKNOWN_TYPE_PLACEHOLDER],
]);

/**
 * The firmware map: what `/sys/firmware/memmap` shows.
 * @param tableFirmware the firmware's table
 * @param alloc called for the 104 bytes of each entry
 * @throws E820Error `ENDS_AT_2_64` for an entry that ends at 2^64, a kernel BUG; `data.position` is
 * its index
 * @kernel firmware_map_add_early, spec e820 4.19
 */
export function e820FirmwareMap(tableFirmware: E820Table, alloc?: BootAlloc): FirmwareMapEntry[] {
  const { entries } = tableFirmware;
  const position = entries.findIndex((entry) => entryEnd(entry) < entry.addr);
  if (position >= 0) {
    const message = `entry ${position} of the firmware map reaches 2^64`;
    throw new E820Error('ENDS_AT_2_64', message, { position, value: entries[position] });
  }
  return entries.map((entry) => {
    alloc?.(FIRMWARE_MAP_ENTRY_BYTES, SMP_CACHE_BYTES);
    return { start: entry.addr, end: entryLast(entry), type: formatIomemType(entry.type) };
  });
}

/**
 * The files of `/sys/firmware/memmap`: path (`0/start`) to text.
 * @param map the firmware map, in order
 * @kernel memmap_attr_show, spec e820 5.5
 */
export function formatFirmwareMap(map: readonly FirmwareMapEntry[]): Record<string, string> {
  const files: Record<string, string> = {};
  map.forEach(({ start, end, type }, i) => {
    files[`${i}/start`] = `0x${start.toString(16)}\n`;
    files[`${i}/end`] = `0x${end.toString(16)}\n`;
    files[`${i}/type`] = `${type}\n`;
  });
  return files;
}

/** What was read of one directory. */
interface Directory {
  start?: bigint;
  end?: bigint;
  type?: number;
}

/**
 * Reads the files of `/sys/firmware/memmap`. Directories count by their number, not by their order.
 * @param files path to text; a path ends in `N/start`, `N/end` or `N/type`
 * @returns the map in the order of the directory numbers
 * @throws E820Error `BAD_LISTING`, `UNKNOWN_TYPE` (`data.position` is the path), or `NO_MAP`
 */
export function parseFirmwareMapFiles(files: Readonly<Record<string, string>>): E820Entry[] {
  const directories = new Map<number, Directory>();
  for (const [path, text] of Object.entries(files)) {
    addFile(directories, path, text.trim(), path);
  }
  return entriesOf(directories);
}

/**
 * Reads a listing of `/sys/firmware/memmap` as text: the output of `grep -r . /sys/firmware/memmap`
 * (path, a colon, blank or equals sign, the text), that of `tail -n +1` or `head` (`==> path <==`
 * above the text), or a tar archive read as text.
 * @param text the listing
 * @returns the map in the order of the directory numbers
 * @throws E820Error `BAD_LISTING`, `UNKNOWN_TYPE` (`data.position` is the line, or the path in an
 * archive), or `NO_MAP`
 */
export function parseFirmwareMapListing(text: string): E820Entry[] {
  if (isTar(text)) return parseFirmwareMapFiles(untar(text));
  const directories = new Map<number, Directory>();
  const lines = text.split('\n');
  let header: string | null = null;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i].trim();
    if (line === '') continue;
    const named = /^==> (\S+) <==$/.exec(line);
    if (named !== null) {
      header = named[1];
    } else if (header !== null) {
      addFile(directories, header, line, i + 1);
      header = null;
    } else {
      const pair = /^(\S*?\/?\d+\/(?:start|end|type))(?:\s*[:=]\s*|\s+)(.*)$/.exec(line);
      if (pair === null) throw badListing(i + 1, line, 'is not a file of the listing');
      addFile(directories, pair[1], pair[2], i + 1);
    }
  }
  return entriesOf(directories);
}

function badListing(position: string | number, value: string, problem: string): E820Error {
  const where = typeof position === 'number' ? `line ${position}` : position;
  return new E820Error('BAD_LISTING', `${where}: "${value}" ${problem}`, { position, value });
}

function addFile(
  directories: Map<number, Directory>,
  path: string,
  text: string,
  position: string | number,
): void {
  const match = /(?:^|\/)(\d+)\/(start|end|type)$/.exec(path);
  if (match === null) throw badListing(position, path, 'does not end in N/start, N/end or N/type');
  const number = Number(match[1]);
  const field = match[2] as keyof Directory;
  const directory = directories.get(number) ?? {};
  if (directory[field] !== undefined) throw badListing(position, path, 'occurs twice');
  directory[field] = (field === 'type' ? readType : readAddress)(text, position) as never;
  directories.set(number, directory);
}

function readAddress(text: string, position: string | number): bigint {
  if (!/^0x[0-9a-f]+$/i.test(text) || BigInt(text) > U64_MAX) {
    throw badListing(position, text, 'is not an address');
  }
  return BigInt(text);
}

function readType(text: string, position: string | number): number {
  const type = TYPES_BY_TEXT.get(text);
  if (type !== undefined) return type;
  const where = typeof position === 'number' ? `line ${position}` : position;
  const message = `${where}: "${text}" is not a type of memory`;
  throw new E820Error('UNKNOWN_TYPE', message, { position, value: text });
}

function entriesOf(directories: ReadonlyMap<number, Directory>): E820Entry[] {
  const numbers = [...directories.keys()].sort((a, b) => a - b);
  if (numbers.length === 0) throw new E820Error('NO_MAP', 'the listing holds no memory map');
  const entries: E820Entry[] = [];
  for (const number of numbers) {
    const { start, end, type } = directories.get(number) ?? {};
    if (start === undefined || end === undefined || type === undefined) {
      throw badListing(`${number}/`, `${number}/`, 'lacks one of start, end and type');
    }
    entries.push({ addr: start, size: wrap64(end - start + 1n), type });
  }
  return entries;
}

const TAR_BLOCK = 512;

/** Whether the text is a tar archive: its first header names the format. */
function isTar(text: string): boolean {
  return text.startsWith('ustar', 257);
}

/** The regular files of a tar archive that is all ASCII, as those of sysfs are. */
function untar(archive: string): Record<string, string> {
  const files: Record<string, string> = {};
  let at = 0;
  while (at < archive.length && archive[at] !== '\0') {
    const field = (offset: number, length: number): string =>
      archive.slice(at + offset, at + offset + length).split('\0', 1)[0];
    const name = field(0, 100);
    const prefix = field(345, 155);
    const path = prefix === '' ? name : `${prefix}/${name}`;
    const size = Number.parseInt(field(124, 12), 8) || 0;
    const kind = archive[at + 156];
    const content = archive.slice(at + TAR_BLOCK, at + TAR_BLOCK + size);
    if (at + TAR_BLOCK + size > archive.length) throw badListing(path, name, 'is cut off');
    // sysfs claims a size of one page for every file, so tar pads the text with zero bytes.
    if (kind === '0' || kind === '\0') files[path] = content.split('\0', 1)[0];
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return files;
}
