import { e820RangeRemove, e820RangeUpdate } from './range.ts';
import type { E820State } from './state.ts';
import { E820_MAX_ENTRIES_ZEROPAGE, e820RangeAdd } from './table.ts';
import { type AddressRange, type E820Entry, E820Type, type LogSink } from './types.ts';
import { checkU64, wrap64 } from './u64.ts';
import { e820UpdateTable } from './update-table.ts';

/** Types of EFI memory descriptors, with the names and values of the UEFI specification. */
export const EfiMemoryType = {
  /** Not to be used. */
  RESERVED_TYPE: 0,
  /** Code of the boot loader. */
  LOADER_CODE: 1,
  /** Data of the boot loader. */
  LOADER_DATA: 2,
  /** Code of the firmware, free after boot. */
  BOOT_SERVICES_CODE: 3,
  /** Data of the firmware, free after boot. */
  BOOT_SERVICES_DATA: 4,
  /** Code of the firmware that stays. */
  RUNTIME_SERVICES_CODE: 5,
  /** Data of the firmware that stays. */
  RUNTIME_SERVICES_DATA: 6,
  /** Free memory. */
  CONVENTIONAL_MEMORY: 7,
  /** Memory with errors. */
  UNUSABLE_MEMORY: 8,
  /** ACPI tables. */
  ACPI_RECLAIM_MEMORY: 9,
  /** ACPI non-volatile storage. */
  ACPI_MEMORY_NVS: 10,
  /** Device registers. */
  MEMORY_MAPPED_IO: 11,
  /** Device port space. */
  MEMORY_MAPPED_IO_PORT_SPACE: 12,
  /** Processor code. */
  PAL_CODE: 13,
  /** Persistent memory. */
  PERSISTENT_MEMORY: 14,
} as const;

/** Attribute bits of EFI memory descriptors that matter here. */
export const EfiMemoryAttribute = {
  /** Can be cached with write-back. */
  WB: 0x8n,
  /** Special purpose. */
  SP: 0x40000n,
} as const;

/** One descriptor of the EFI memory map. */
export interface EfiMemoryDescriptor {
  /** A value of {@link EfiMemoryType} or another number. */
  readonly type: number;
  /** First byte. */
  readonly address: bigint;
  /** Length in pages of 4096 bytes. */
  readonly pages: bigint;
  /** Bits of {@link EfiMemoryAttribute} and others. */
  readonly attribute: bigint;
}

/** What EFI conversions may be told. */
export interface EfiOptions {
  /** Whether special purpose memory becomes SOFT_RESERVED, default true; `efi=nosoftreserve`. */
  readonly softReserve?: boolean;
}

/** E820 type of a descriptor as the EFI stub sees it, null for an unknown one. */
function stubType({ type, attribute }: EfiMemoryDescriptor, options: EfiOptions): number | null {
  const { softReserve = true } = options;
  switch (type) {
    case EfiMemoryType.LOADER_CODE:
    case EfiMemoryType.LOADER_DATA:
    case EfiMemoryType.BOOT_SERVICES_CODE:
    case EfiMemoryType.BOOT_SERVICES_DATA:
    case EfiMemoryType.CONVENTIONAL_MEMORY: {
      const isSpecial = (attribute & EfiMemoryAttribute.SP) !== 0n;
      return softReserve && isSpecial ? E820Type.SOFT_RESERVED : E820Type.RAM;
    }
    case EfiMemoryType.ACPI_RECLAIM_MEMORY:
      return E820Type.ACPI;
    case EfiMemoryType.ACPI_MEMORY_NVS:
      return E820Type.NVS;
    case EfiMemoryType.UNUSABLE_MEMORY:
      return E820Type.UNUSABLE;
    case EfiMemoryType.PERSISTENT_MEMORY:
      return E820Type.PMEM;
    case EfiMemoryType.RESERVED_TYPE:
    case EfiMemoryType.RUNTIME_SERVICES_CODE:
    case EfiMemoryType.RUNTIME_SERVICES_DATA:
    case EfiMemoryType.MEMORY_MAPPED_IO:
    case EfiMemoryType.MEMORY_MAPPED_IO_PORT_SPACE:
    case EfiMemoryType.PAL_CODE:
      return E820Type.RESERVED;
    default:
      return null;
  }
}

/** The map that the EFI stub hands to the kernel. */
export interface EfiStubMap {
  /** What goes into the zero page, at most 128 entries. */
  readonly entries: E820Entry[];
  /** What is left, for an E820_EXT node. */
  readonly extended: E820Entry[];
}

/**
 * Builds the E820 map of a machine that was started by EFI. Neighbours of one type are joined where
 * they touch in map order; descriptors of unknown type are skipped.
 * @param descriptors the EFI memory map, in order
 * @param options configuration
 * @throws E820Error `BAD_ADDRESS`, with `data.position` the index
 * @kernel setup_e820, spec e820 4.21
 */
export function efiStubMap(
  descriptors: readonly EfiMemoryDescriptor[],
  options: EfiOptions = {},
): EfiStubMap {
  const all: E820Entry[] = [];
  descriptors.forEach((descriptor, i) => {
    checkU64('address', descriptor.address, i);
    const type = stubType(descriptor, options);
    if (type === null) return;
    const addr = descriptor.address;
    const size = wrap64(descriptor.pages * 4096n);
    const last = all.at(-1);
    if (last !== undefined && last.type === type && last.addr + last.size === addr) {
      all[all.length - 1] = { ...last, size: last.size + size };
    } else {
      all.push({ addr, size, type });
    }
  });
  return {
    entries: all.slice(0, E820_MAX_ENTRIES_ZEROPAGE),
    extended: all.slice(E820_MAX_ENTRIES_ZEROPAGE),
  };
}

/**
 * Adds the EFI memory map to the E820 map (option `add_efi_memmap`, or special-purpose memory).
 * @param state its working map is edited and sanitised silently
 * @param descriptors the EFI memory map, in order
 * @param options configuration
 * @param log takes the lines of a full table
 * @throws E820Error `BAD_ADDRESS`, `FROZEN`
 * @kernel do_add_efi_memmap, spec e820 4.21
 */
export function doAddEfiMemmap(
  state: E820State,
  descriptors: readonly EfiMemoryDescriptor[],
  options: EfiOptions = {},
  log?: LogSink,
): void {
  for (const descriptor of descriptors) {
    let type = stubType(descriptor, options) ?? E820Type.RESERVED;
    const isWriteBack = (descriptor.attribute & EfiMemoryAttribute.WB) !== 0n;
    if (type === E820Type.RAM && !isWriteBack) type = E820Type.RESERVED;
    e820RangeAdd(state.table, descriptor.address, wrap64(descriptor.pages * 4096n), type, log);
  }
  e820UpdateTable(state.table);
}

/**
 * Turns RAM into special-purpose memory (option `efi_fake_mem=`).
 * @param state its working map is edited and sanitised silently
 * @param matches the ranges that match the option
 * @param log takes the lines
 * @throws E820Error `BAD_ADDRESS`, `FROZEN`
 * @kernel efi_fake_memmap_early, spec e820 4.21
 */
export function efiFakeMemmapEarly(
  state: E820State,
  matches: readonly AddressRange[],
  log?: LogSink,
): void {
  for (const { start, end } of matches) {
    e820RangeRemove(state.table, start, end - start, E820Type.RAM, true, log);
    e820RangeAdd(state.table, start, end - start, E820Type.SOFT_RESERVED, log);
  }
  e820UpdateTable(state.table);
}

/**
 * Keeps memory of the EFI firmware out of RAM, in whole pages.
 * @param state its working map is edited and sanitised silently
 * @param address first byte
 * @param size length in bytes
 * @param log takes the lines
 * @throws E820Error `BAD_ADDRESS`, `FROZEN`
 * @kernel efi_arch_mem_reserve, spec e820 4.21
 */
export function efiArchMemReserve(
  state: E820State,
  address: bigint,
  size: bigint,
  log?: LogSink,
): void {
  checkU64('address', address);
  checkU64('size', size);
  const start = (address / 4096n) * 4096n;
  const end = ((address + size + 4095n) / 4096n) * 4096n;
  e820RangeUpdate(state.table, start, wrap64(end - start), E820Type.RAM, E820Type.RESERVED, log);
  e820UpdateTable(state.table);
}
