import { logDebug } from './log.ts';
import { checkNode, indirectRange, SETUP_DATA_HEADER_BYTES } from './setup-data.ts';
import type { AddressRange, LogSink, SetupDataNode } from './types.ts';
import { checkNumber, checkU64, wrap64 } from './u64.ts';

/** One early reservation, for memblock. */
export interface EarlyReservation {
  /** First byte. */
  readonly base: bigint;
  /** Length in bytes. */
  readonly size: bigint;
  /** What lies there. */
  readonly what: 'kernel' | 'low 64 KiB' | 'initrd' | 'setup_data' | 'iBFT' | 'BIOS' | 'SNB gfx';
}

/** The BIOS data area, as far as it counts. */
export interface BiosDataArea {
  /** KiB of base memory, the word at 0x413. */
  readonly baseMemoryK: number;
  /** Segment of the extended BIOS data area, the word at 0x40e. */
  readonly ebdaSegment: number;
}

/** What {@link earlyReserveMemory} depends on; what is not given is not reserved. */
export interface EarlyReserveInputs {
  /** Kernel image, from `_text` to `__end_of_kernel_reserve`. */
  readonly kernel?: AddressRange;
  /** Initial RAM disk as in the zero page; nothing if one of the three is 0. */
  readonly ramdisk?: {
    /** Boot loader number. */
    readonly typeOfLoader: number;
    /** Physical address. */
    readonly image: bigint;
    /** Length in bytes. */
    readonly size: bigint;
  };
  /** The setup_data list, before its nodes were handled. */
  readonly setupData?: readonly SetupDataNode[];
  /** The iSCSI boot firmware table. */
  readonly ibft?: AddressRange;
  /** The BIOS data area of a PC; null on other platforms. */
  readonly bios?: BiosDataArea | null;
  /** PCI device at 00:02.0. */
  readonly gfx?: {
    /** Vendor number. */
    readonly vendor: number;
    /** Device number. */
    readonly device: number;
  };
}

const PAGE_BYTES = 4096n;
const BIOS_START_MIN = 0x20000;
const BIOS_START_MAX = 0x9f000;
const BIOS_REGION_END = 0x100000;
const VENDOR_INTEL = 0x8086;
const SNB_DEVICES: readonly number[] = [0x0102, 0x0106, 0x010a, 0x0112, 0x0116, 0x0122, 0x0126];
const SNB_BAD_PAGES: readonly bigint[] = [
  0x20050000n,
  0x20110000n,
  0x20130000n,
  0x20138000n,
  0x40004000n,
];

/**
 * What is reserved in memblock before anything else, in the kernel's order.
 * @param inputs where things lie
 * @param log takes the line about a Sandy Bridge GPU
 * @throws E820Error `BAD_ADDRESS`, `BAD_NUMBER`, `BAD_SETUP_DATA`
 * @kernel early_reserve_memory, spec e820 4.22 step 2
 */
export function earlyReserveMemory(inputs: EarlyReserveInputs, log?: LogSink): EarlyReservation[] {
  const { kernel, ramdisk, setupData = [], ibft, bios, gfx } = inputs;
  const list: EarlyReservation[] = [];
  if (kernel !== undefined) pushRange(list, kernel, 'kernel');
  list.push({ base: 0n, size: 0x10000n, what: 'low 64 KiB' });
  if (ramdisk !== undefined && ramdisk.typeOfLoader !== 0) {
    const { image, size } = ramdisk;
    checkU64('ramdisk.image', image);
    checkU64('ramdisk.size', size);
    const end = ((image + size + PAGE_BYTES - 1n) / PAGE_BYTES) * PAGE_BYTES;
    if (image !== 0n && size !== 0n) list.push({ base: image, size: end - image, what: 'initrd' });
  }
  for (const node of setupData) pushSetupData(list, node);
  if (ibft !== undefined) pushRange(list, ibft, 'iBFT');
  if (bios) {
    const start = biosRegionStart(bios);
    list.push({ base: BigInt(start), size: BigInt(BIOS_REGION_END - start), what: 'BIOS' });
  }
  if (gfx !== undefined && gfx.vendor === VENDOR_INTEL && SNB_DEVICES.includes(gfx.device)) {
    logDebug(log, 'reserving inaccessible SNB gfx pages');
    for (const base of SNB_BAD_PAGES) list.push({ base, size: PAGE_BYTES, what: 'SNB gfx' });
  }
  return list;
}

/**
 * Start of the BIOS region below 1 MiB, in bytes. Base memory that makes no sense counts as 636 KiB.
 * @throws E820Error `BAD_NUMBER`
 * @kernel reserve_bios_regions, spec e820 4.22 step 2
 */
export function biosRegionStart({ baseMemoryK, ebdaSegment }: BiosDataArea): number {
  checkNumber('baseMemoryK', baseMemoryK, 0, 0xffff);
  checkNumber('ebdaSegment', ebdaSegment, 0, 0xffff);
  let start = baseMemoryK * 1024;
  if (start < BIOS_START_MIN || start > BIOS_START_MAX) start = BIOS_START_MAX;
  const ebda = ebdaSegment * 16;
  return ebda >= BIOS_START_MIN && ebda < start ? ebda : start;
}

function pushRange(
  list: EarlyReservation[],
  { start, end }: AddressRange,
  what: EarlyReservation['what'],
): void {
  checkU64('start', start);
  checkU64('end', end);
  list.push({ base: start, size: wrap64(end - start), what });
}

function pushSetupData(list: EarlyReservation[], node: SetupDataNode): void {
  checkNode(node);
  const size = SETUP_DATA_HEADER_BYTES + BigInt(node.length);
  list.push({ base: node.address, size, what: 'setup_data' });
  const inner = indirectRange(node);
  if (inner) list.push({ base: inner.address, size: inner.length, what: 'setup_data' });
}
