import { encodeE820Records } from './records.ts';
import type { E820Table } from './types.ts';

const POLYNOMIAL = 0xedb88320;

/**
 * Checksum by which a resume from hibernation knows the same machine: CRC-32 over the number of
 * entries and the used entries of the firmware's table.
 * @param tableFirmware the firmware's table
 * @returns an unsigned 32-bit number
 * @kernel compute_e820_crc32, spec e820 2.4
 */
export function e820Checksum(tableFirmware: E820Table): number {
  const records = encodeE820Records(tableFirmware.entries);
  const bytes = new Uint8Array(4 + records.length);
  new DataView(bytes.buffer).setUint32(0, tableFirmware.entries.length, true);
  bytes.set(records, 4);
  return crc32(bytes);
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  }
  return ~crc >>> 0;
}
