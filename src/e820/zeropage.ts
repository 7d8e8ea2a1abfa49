import { E820Error } from './errors.ts';
import { E820_ENTRY_BYTES, readRecord } from './records.ts';
import { E820_MAX_ENTRIES_ZEROPAGE } from './table.ts';
import type { E820Entry, E820Firmware } from './types.ts';

/** Length of the zero page in bytes. */
export const ZEROPAGE_BYTES = 4096;

/** The fields of the zero page that describe memory. @kernel struct boot_params */
export interface Zeropage extends E820Firmware {
  /** KiB above 1 MiB by INT 15h/E801. */
  readonly altMemK: number;
  /** KiB above 1 MiB by INT 15h/88. */
  readonly extMemK: number;
  /** Boot loader number; 0: there is no initial RAM disk. */
  readonly typeOfLoader: number;
  /** Physical address of the initial RAM disk, 0 for none. */
  readonly ramdiskImage: bigint;
  /** Its length in bytes. */
  readonly ramdiskSize: bigint;
  /** Physical address of the first setup_data node, 0 for none. */
  readonly setupData: bigint;
}

/**
 * Reads a zero page.
 * @param bytes the 4096 bytes
 * @throws E820Error `BAD_ZEROPAGE` for another length, or `TOO_MANY_ENTRIES` when it claims more
 * than 128 entries (the kernel would read beyond the array)
 * @kernel struct boot_params, spec e820 2.2
 */
export function parseZeropage(bytes: Uint8Array): Zeropage {
  if (bytes.length !== ZEROPAGE_BYTES) {
    const message = `a zero page has ${ZEROPAGE_BYTES} bytes, not ${bytes.length}`;
    throw new E820Error('BAD_ZEROPAGE', message, { position: bytes.length, value: bytes.length });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint8(0x1e8);
  if (count > E820_MAX_ENTRIES_ZEROPAGE) {
    const message = `the zero page claims ${count} entries, it has room for 128`;
    throw new E820Error('TOO_MANY_ENTRIES', message, { position: 0x1e8, value: count });
  }
  const entries: E820Entry[] = [];
  for (let i = 0; i < count; i++) entries.push(readRecord(view, 0x2d0 + i * E820_ENTRY_BYTES));
  return {
    entries,
    altMemK: view.getUint32(0x1e0, true),
    extMemK: view.getUint16(0x002, true),
    typeOfLoader: view.getUint8(0x210),
    ramdiskImage: wide(view, 0x0c0, 0x218),
    ramdiskSize: wide(view, 0x0c4, 0x21c),
    setupData: view.getBigUint64(0x250, true),
  };
}

/** A 64-bit field whose halves lie apart. */
function wide(view: DataView, high: number, low: number): bigint {
  return (BigInt(view.getUint32(high, true)) << 32n) | BigInt(view.getUint32(low, true));
}
