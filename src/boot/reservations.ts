import type { BiosDataArea } from '../e820/early-reserve.ts';
import type { AddressRange } from '../e820/types.ts';

/** Sizes of the parts of the kernel image in KiB, as the `Memory:` line shows them. */
export interface ImageSizes {
  /** Code. */
  readonly kernelCode: number;
  /** Writable data. */
  readonly rwdata: number;
  /** Read-only data. */
  readonly rodata: number;
  /** Parts that are freed after boot. */
  readonly init: number;
  /** Zero-filled data. */
  readonly bss: number;
}

/** Something that boot code allocates from memblock and keeps. */
export interface BootAllocation {
  /** What it is for. */
  readonly what: string;
  /** Length in bytes. */
  readonly size: bigint;
  /** Alignment in bytes, a power of two. */
  readonly align: bigint;
  /** Lowest address that may be taken. Default 0. */
  readonly minAddr?: bigint;
}

/**
 * What the kernel takes for itself before it hands memory to the page allocator. These amounts
 * depend on the build and the firmware, so a user replaces them by those of the machine at hand; the
 * order in which they are taken is the kernel's.
 */
export interface ReservationProfile {
  /** Kernel image from `_text` on, with the brk area. */
  readonly kernelImage: AddressRange;
  /** Sizes of its parts. */
  readonly imageSizes: ImageSizes;
  /** The BIOS data area of a PC, which tells where its region below 1 MiB starts; null for none. */
  readonly bios: BiosDataArea | null;
  /** Initial RAM disk; null for none. */
  readonly initrd: AddressRange | null;
  /** Tables of the firmware that the kernel keeps (ACPI and the like). */
  readonly firmware: readonly AddressRange[];
  /**
   * Page tables of the direct mapping that do not fit the image, in pages; null to have them counted
   * for a CPU with 1 GiB pages.
   */
  readonly directMapPages: number | null;
  /** Length of a node's `pg_data_t` in bytes. */
  readonly nodeDataBytes: bigint;
  /** Whether the page map and its tables are taken (64 bytes per page frame of present sections). */
  readonly pageMap: boolean;
  /** What else boot code keeps, after the page map and before the resources of the firmware map. */
  readonly beforeResources: readonly BootAllocation[];
  /** CONFIG_HIBERNATION is built in: a record for each range that it leaves out, and a log line. */
  readonly hibernation: boolean;
  /**
   * Characters of the command line in front of those of the option `cmdline`; the kernel keeps two
   * copies of it all. Null: none are taken.
   */
  readonly commandLineChars: number | null;
  /** Bytes of the per-CPU area of each CPU, all parts; 0 for none, and no tables of them. */
  readonly percpuBytes: bigint;
  /** Whether the large hash tables of the file system caches are taken. */
  readonly largeHashes: boolean;
  /** What else boot code keeps, after the command lines and before the per-CPU areas. */
  readonly beforePercpu: readonly BootAllocation[];
  /** What else boot code keeps, after them. */
  readonly afterPercpu: readonly BootAllocation[];
  /** What else boot code keeps, after the hash tables. */
  readonly afterHashes: readonly BootAllocation[];
  /** Bytes of the bounce buffer below 4 GiB that machines with RAM above it get; 0 for none. */
  readonly swiotlbBytes: bigint;
}

/**
 * The defaults: a small 6.1 kernel on a PC without initial RAM disk, loaded at 16 MiB, as the
 * recordings have it.
 */
export function defaultReservations(): ReservationProfile {
  return {
    kernelImage: { start: 0x100_0000n, end: 0x280_6000n },
    imageSizes: { kernelCode: 6146, rwdata: 954, rodata: 932, init: 804, bss: 11180 },
    bios: { baseMemoryK: 639, ebdaSegment: 0x9fc0 },
    initrd: null,
    firmware: [],
    directMapPages: null,
    nodeDataBytes: 0x4000n,
    pageMap: true,
    beforeResources: [
      { what: 'HPET resource', size: 0x49n, align: 64n },
      { what: 'I/O APIC resources', size: 0x4bn, align: 64n },
    ],
    hibernation: false,
    commandLineChars: 52,
    percpuBytes: 0x2_f000n,
    largeHashes: true,
    beforePercpu: [{ what: 'per-CPU pages', size: 0x2000n, align: 4096n }],
    afterPercpu: [],
    afterHashes: [{ what: 'boot page', size: 0x1000n, align: 4096n }],
    swiotlbBytes: 64n << 20n,
  };
}

/** A profile that reserves nothing but page 0 and what lies below 1 MiB. */
export function noReservations(): ReservationProfile {
  return {
    ...defaultReservations(),
    directMapPages: 0,
    kernelImage: { start: 0n, end: 0n },
    bios: null,
    nodeDataBytes: 0n,
    pageMap: false,
    beforeResources: [],
    commandLineChars: null,
    percpuBytes: 0n,
    largeHashes: false,
    beforePercpu: [],
    afterPercpu: [],
    afterHashes: [],
    swiotlbBytes: 0n,
  };
}
