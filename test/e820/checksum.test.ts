import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createE820Table, e820Checksum, encodeE820Records } from '../../src/e820/index.ts';
import { arbitraryEntries, table } from './support.ts';

it('is the ordinary CRC-32 over the count and the entries', () => {
  // CRC-32 of four zero bytes.
  expect(e820Checksum(table(''))).toBe(0x2144df1c);
  fc.assert(
    fc.property(arbitraryEntries, (entries) => {
      const count = new Uint8Array(4);
      count[0] = entries.length;
      const whole = Buffer.concat([count, encodeE820Records(entries)]);
      expect(e820Checksum(createE820Table(entries))).toBe(crc32(whole));
    }),
  );
});
