import { describe, expect, it } from 'vitest';
import { encodeE820Records, parseZeropage } from '../../src/e820/index.ts';
import { errorOf, map, text } from './support.ts';

function zeropage(notation: string): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(4096);
  const entries = map(notation);
  bytes.set(encodeE820Records(entries), 0x2d0);
  bytes[0x1e8] = entries.length;
  return { bytes, view: new DataView(bytes.buffer) };
}

describe('parseZeropage', () => {
  it('reads every field from its place', () => {
    const { bytes, view } = zeropage('0+9fc00 1; 100000+7ee0000 1');
    view.setUint16(0x002, 0xfc00, true);
    view.setUint32(0x1e0, 0x3fb80, true);
    view.setUint8(0x210, 0xb0);
    view.setUint32(0x218, 0x7a00000, true);
    view.setUint32(0x0c0, 2, true);
    view.setUint32(0x21c, 0x2e123, true);
    view.setUint32(0x0c4, 1, true);
    view.setBigUint64(0x250, 0x8000000n, true);
    const page = parseZeropage(bytes);
    expect(text(page.entries)).toBe('0+9fc00 1; 100000+7ee0000 1');
    expect(page).toMatchObject({
      altMemK: 0x3fb80,
      extMemK: 0xfc00,
      typeOfLoader: 0xb0,
      ramdiskImage: 0x2_07a0_0000n,
      ramdiskSize: 0x1_0002_e123n,
      setupData: 0x8000000n,
    });
  });

  it('holds 128 entries up to 0xcd0, and not one more', () => {
    const { bytes, view } = zeropage('');
    bytes[0x1e8] = 128;
    view.setUint32(0xcd0 - 4, 9, true);
    expect(parseZeropage(bytes).entries[127].type).toBe(9);
    bytes[0x1e8] = 129;
    expect(errorOf(() => parseZeropage(bytes))).toMatchObject({
      code: 'TOO_MANY_ENTRIES',
      data: { position: 0x1e8, value: 129 },
    });
  });

  it.each([0, 4095, 4097])('refuses %i bytes', (length) => {
    const error = errorOf(() => parseZeropage(new Uint8Array(length)));
    expect(error).toMatchObject({ code: 'BAD_ZEROPAGE', data: { value: length } });
  });
});
