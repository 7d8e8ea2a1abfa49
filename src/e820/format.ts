import { type E820Entry, E820Type } from './types.ts';
import { entryLast, wrap64 } from './u64.ts';

/** Header above the firmware's map. */
export const HEADER_BIOS = 'BIOS-provided physical RAM map:';
/** Header above the map after an E820_EXT node, and above the one with setup data carved out. */
export const HEADER_EXTENDED = 'extended physical RAM map:';
/** Header above the map after `mem=` and `memmap=`. */
export const HEADER_USER = 'user-defined physical RAM map:';
/** Header above the map after a platform's edit. */
export const HEADER_MODIFIED = 'modified physical RAM map:';

/**
 * A number as the kernel's `%#0<width>Lx` prints it: `0x` also for 0, `width` characters at least
 * with the `0x` (spec e820 5.1).
 */
export function formatHex(value: bigint | number, width: number): string {
  return `0x${value.toString(16).padStart(width - 2, '0')}`;
}

/** `[mem A-B]` with 16 digits, as in a map line; `last` is inclusive. */
export function formatMemWide(start: bigint, last: bigint): string {
  return `[mem ${formatHex(start, 18)}-${formatHex(last, 18)}]`;
}

/** `[mem A-B]` with at least 8 digits, as in all other lines; `last` is inclusive. */
export function formatMem(start: bigint, last: bigint): string {
  return `[mem ${formatHex(start, 10)}-${formatHex(last, 10)}]`;
}

/** Name of a type in the kernel log (spec e820 2.3). @kernel e820_print_type */
export function formatE820Type(type: number): string {
  switch (type) {
    case E820Type.RAM:
    case E820Type.RESERVED_KERN:
      return 'usable';
    case E820Type.RESERVED:
      return 'reserved';
    case E820Type.SOFT_RESERVED:
      return 'soft reserved';
    case E820Type.ACPI:
      return 'ACPI data';
    case E820Type.NVS:
      return 'ACPI NVS';
    case E820Type.UNUSABLE:
      return 'unusable';
    case E820Type.PMEM:
    case E820Type.PRAM:
      return `persistent (type ${type})`;
    default:
      return `type ${type}`;
  }
}

/**
 * Name of a type in `/proc/iomem` and `/sys/firmware/memmap` (spec e820 2.3).
 * @kernel e820_type_to_string
 */
export function formatIomemType(type: number): string {
  switch (type) {
    case E820Type.RAM:
    case E820Type.RESERVED_KERN:
      return 'System RAM';
    case E820Type.RESERVED:
      return 'Reserved';
    case E820Type.SOFT_RESERVED:
      return 'Soft Reserved';
    case E820Type.ACPI:
      return 'ACPI Tables';
    case E820Type.NVS:
      return 'ACPI Non-volatile Storage';
    case E820Type.UNUSABLE:
      return 'Unusable memory';
    case E820Type.PMEM:
      return 'Persistent Memory';
    case E820Type.PRAM:
      return 'Persistent Memory (legacy)';
    default:
      return 'Unknown E820 type';
  }
}

/** One line of a printed map: `WHO: [mem A-B] TYPE`. */
export function formatEntry(who: string, entry: E820Entry): string {
  return `${who}: ${formatMemWide(entry.addr, entryLast(entry))} ${formatE820Type(entry.type)}`;
}

/**
 * The lines of a printed map, without its header.
 * @param entries the map, in table order
 * @param who label in front, e.g. `BIOS-e820`
 * @kernel e820__print_table
 */
export function formatE820Map(entries: readonly E820Entry[], who: string): string[] {
  return entries.map((entry) => formatEntry(who, entry));
}

/** The line of range_update. @param end exclusive, after clamping @kernel __e820__range_update */
export function formatUpdate(start: bigint, end: bigint, oldType: number, newType: number): string {
  const types = `${formatE820Type(oldType)} ==> ${formatE820Type(newType)}`;
  return `e820: update ${formatMem(start, wrap64(end - 1n))} ${types}`;
}

/**
 * The line of range_remove; without a type check it ends with one blank.
 * @param end exclusive, after clamping
 * @param oldType the type that is removed, null when any is
 * @kernel e820__range_remove
 */
export function formatRemove(start: bigint, end: bigint, oldType: number | null): string {
  const type = oldType === null ? '' : formatE820Type(oldType);
  return `e820: remove ${formatMem(start, wrap64(end - 1n))} ${type}`;
}

/** The line of an entry that a full table drops. @kernel __e820__range_add */
export function formatTooMany(entry: E820Entry): string {
  return `too many entries; ignoring ${formatMem(entry.addr, entryLast(entry))}`;
}

/** The line of the end-of-RAM search, both in pages. @kernel e820_end_pfn */
export function formatLastPfn(lastPfn: number, maxArchPfn: number): string {
  return `last_pfn = ${formatHex(lastPfn, 0)} max_arch_pfn = ${formatHex(maxArchPfn, 0)}`;
}

/** The line of one nosave registration, in pages, `endPfn` exclusive. */
export function formatNosave(startPfn: number, endPfn: number): string {
  const mem = formatMem(BigInt(startPfn) * 4096n, BigInt(endPfn) * 4096n - 1n);
  return `PM: hibernation: Registered nosave memory: ${mem}`;
}

/** The line of the PCI gap; `last` is inclusive. @kernel e820__setup_pci_gap */
export function formatPciGap(start: bigint, last: bigint): string {
  return `${formatMem(start, last)} available for PCI devices`;
}

/** The line of a RAM buffer; `last` is inclusive. @kernel e820__reserve_resources_late */
export function formatRamBuffer(start: bigint, last: bigint): string {
  return `e820: reserve RAM buffer ${formatMem(start, last)}`;
}

/** The line of a resource that grew to fit. @kernel insert_resource_expand_to_fit */
export function formatExpanded(name: string, conflictName: string): string {
  return `resource: Expanded resource ${name} due to conflict with ${conflictName}`;
}

/** The line of the MTRR check; `bytes` is what was lost. @kernel mtrr_trim_uncached_memory */
export function formatMtrrLoss(bytes: bigint): string {
  const mebibytes = (bytes / 0x100000n).toString();
  return `WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing ${mebibytes}MB of RAM.`;
}

/**
 * The line of the initial RAM disk; its end is shown rounded up to a page.
 * @param start physical address
 * @param size length in bytes
 */
export function formatRamdisk(start: bigint, size: bigint): string {
  const end = ((start + size + 4095n) / 4096n) * 4096n;
  return `RAMDISK: ${formatMem(start, wrap64(end - 1n))}`;
}
