import { E820Error } from './errors.ts';
import type { E820Entry } from './types.ts';
import { checkEntries } from './u64.ts';

/** Bytes of an entry in the zero page, in setup_data and in a BIOS answer as Linux asks for it. */
export const E820_ENTRY_BYTES = 20;
/** Bytes of a BIOS answer in the style of ACPI 3: the same and extended attributes. */
export const E820_ENTRY_BYTES_ACPI3 = 24;

/**
 * Reads raw E820 records: u64 address, u64 size, u32 type, little endian. The extended attributes
 * of 24-byte records are ignored, as by the kernel: an entry that is not "enabled" is an entry.
 * @param bytes the records, one after another
 * @param recordBytes 20 or 24; it cannot be told from the bytes
 * @throws E820Error `BAD_RECORD_SIZE`, or `PARTIAL_RECORD` for a cut-off last record, with
 * `data.position` the byte offset of that record
 * @kernel struct boot_e820_entry, spec e820 2.2
 */
export function parseE820Records(
  bytes: Uint8Array,
  recordBytes: number = E820_ENTRY_BYTES,
): E820Entry[] {
  if (recordBytes !== E820_ENTRY_BYTES && recordBytes !== E820_ENTRY_BYTES_ACPI3) {
    const message = `E820 records have 20 or 24 bytes, not ${String(recordBytes)}`;
    throw new E820Error('BAD_RECORD_SIZE', message, { value: recordBytes });
  }
  const rest = bytes.length % recordBytes;
  if (rest !== 0) {
    const position = bytes.length - rest;
    const message = `the record at byte ${position} has ${rest} bytes instead of ${recordBytes}`;
    throw new E820Error('PARTIAL_RECORD', message, { position, value: rest, recordBytes });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: E820Entry[] = [];
  for (let at = 0; at < bytes.length; at += recordBytes) entries.push(readRecord(view, at));
  return entries;
}

/** The entry at a byte offset. */
export function readRecord(view: DataView, at: number): E820Entry {
  return {
    addr: view.getBigUint64(at, true),
    size: view.getBigUint64(at + 8, true),
    type: view.getUint32(at + 16, true),
  };
}

/**
 * Writes entries as 20-byte records.
 * @throws E820Error `BAD_ADDRESS` or `BAD_TYPE`, with `data.position` the index
 */
export function encodeE820Records(entries: readonly E820Entry[]): Uint8Array {
  checkEntries(entries);
  const bytes = new Uint8Array(entries.length * E820_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  entries.forEach(({ addr, size, type }, i) => {
    view.setBigUint64(i * E820_ENTRY_BYTES, addr, true);
    view.setBigUint64(i * E820_ENTRY_BYTES + 8, size, true);
    view.setUint32(i * E820_ENTRY_BYTES + 16, type, true);
  });
  return bytes;
}
