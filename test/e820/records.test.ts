import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeE820Records, parseE820Records } from '../../src/e820/index.ts';
import { arbitraryEntries, errorOf, map, text } from './support.ts';

describe('raw records', () => {
  it('of 20 bytes, little endian', () => {
    const bytes = encodeE820Records(map('1122334455667788+99aabbccddeeff00 efffffff'));
    expect([...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')).toBe(
      '887766554433221100ffeeddccbbaa99ffffffef',
    );
    expect(parseE820Records(bytes)).toEqual(map('1122334455667788+99aabbccddeeff00 efffffff'));
  });

  it('of 24 bytes: the extended attributes are ignored, "not enabled" too', () => {
    const bytes = new Uint8Array(48);
    bytes.set(encodeE820Records(map('0+9fc00 1')), 0);
    bytes.set(encodeE820Records(map('9fc00+400 2')), 24);
    bytes[44] = 3;
    expect(text(parseE820Records(bytes, 24))).toBe('0+9fc00 1; 9fc00+400 2');
  });

  it('reads a view that does not begin at the start of its buffer', () => {
    const whole = new Uint8Array(25);
    whole.set(encodeE820Records(map('5000+7 3')), 5);
    expect(text(parseE820Records(whole.subarray(5)))).toBe('5000+7 3');
  });

  it('refuses a cut-off record and another size', () => {
    const error = errorOf(() => parseE820Records(new Uint8Array(47)));
    expect(error).toMatchObject({ code: 'PARTIAL_RECORD', data: { position: 40, value: 7 } });
    for (const size of [0, 21, -20, Number.NaN]) {
      const bad = errorOf(() => parseE820Records(new Uint8Array(40), size));
      expect(bad).toMatchObject({ code: 'BAD_RECORD_SIZE', data: { value: size } });
    }
    expect(parseE820Records(new Uint8Array(0))).toEqual([]);
  });

  it('read back what was written', () => {
    fc.assert(
      fc.property(arbitraryEntries, (entries) => {
        expect(parseE820Records(encodeE820Records(entries))).toEqual(entries);
      }),
    );
  });

  it('are not written from bad numbers', () => {
    const bad = [{ addr: 0n, size: 0n, type: Number.NaN }];
    expect(errorOf(() => encodeE820Records(bad)).data.position).toBe(0);
  });
});
